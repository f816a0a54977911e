"""What the command line says: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import typer

SHOWN_EVERY = 0.1  # seconds between two redraws of a progress line
BAR = 24  # characters


def print_json(document: dict[str, Any]) -> None:
    """Print one JSON document, floats to four places, on stdout."""
    typer.echo(json.dumps(rounded(document), indent=2))


def rounded(value: Any) -> Any:
    """The value with every float in it to four places."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return value


def say(text: str) -> None:
    """One line for the person, on stderr."""
    typer.echo(text, err=True)


class ProgressLine:
    """Seconds of music done, drawn over itself on a terminal; elsewhere only its last line is written.

    unit: what is counted instead of seconds, such as files.
    """

    def __init__(self, label: str, seconds: float, clock: Callable[[], float] = time.monotonic, unit: str = "") -> None:
        self._label, self._seconds, self._clock, self._unit = label, seconds, clock, unit
        self._begin = clock()
        self._drawn_at = float("-inf")
        self._is_terminal = sys.stderr.isatty()

    def show(self, done: float) -> None:
        """Draw it, if it is time to. done: seconds of music."""
        now = self._clock()
        if self._is_terminal and now - self._drawn_at >= SHOWN_EVERY:
            self._drawn_at = now
            typer.echo(f"\r{self._text(done)}\x1b[K", err=True, nl=False)

    def end(self, done: float) -> None:
        """Write the last state and end the line."""
        typer.echo(f"\r{self._text(done)}\x1b[K" if self._is_terminal else self._text(done), err=True)

    def _text(self, done: float) -> str:
        share = min(done / self._seconds, 1.0) if self._seconds > 0 else 1.0
        filled = round(share * BAR)
        speed = done / max(self._clock() - self._begin, 1e-3)
        bar = "█" * filled + "░" * (BAR - filled)
        if self._unit:
            return f"{self._label} {bar} {done:,.0f} of {self._seconds:,.0f}, {speed:.1f} {self._unit} a second"
        return f"{self._label} {bar} {done:5.1f} of {self._seconds:.1f} s, {speed:.1f} × real time"
