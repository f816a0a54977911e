"""The MIDI clock that others follow: 24 ticks a beat of the piece, start, stop, continue and song position."""

from __future__ import annotations

import math
from collections.abc import Callable

from engine.playback.messages import CONTINUE, SONG_POSITION, START, STOP, TICK, Message

TICKS = 24  # a beat
SIXTEENTH = 6  # ticks: what song positions count
LAST_SIXTEENTH = (1 << 14) - 1  # that a song position can say


class ClockOut:
    """Says what is to be sent when; times are positions in the piece, in seconds. beat: seconds."""

    def __init__(self, send: Callable[[Message, float], None], beat: float = 0.5) -> None:
        self._send = send
        self.beat = beat
        self.is_on = False
        self._tick: int | None = None  # number of the next tick; none while it stands

    def start(self, position: float, at: float) -> None:
        """The piece plays from here: `start` from the beginning, else the next sixteenth's number and `continue`."""
        if not self.is_on:
            return
        if self._tick is not None:
            self._send((STOP, 0, 0), at)
        sixteenth = min(math.ceil(position / self._sixteenth() - 1e-6), LAST_SIXTEENTH)
        self._tick = sixteenth * SIXTEENTH
        if sixteenth == 0:
            self._send((START, 0, 0), at)
        else:
            self._send((SONG_POSITION, sixteenth & 0x7F, sixteenth >> 7), at)
            self._send((CONTINUE, 0, 0), at)

    def stop(self, at: float) -> None:
        """The piece stands."""
        if self._tick is not None:
            self._tick = None
            self._send((STOP, 0, 0), at)

    def next_time(self) -> float:
        """The position of the next tick; infinity while it stands."""
        return math.inf if self._tick is None else self._tick * self.beat / TICKS

    def take(self, at: float) -> None:
        """Send the next tick."""
        assert self._tick is not None  # for the type checker: its time was asked for
        self._tick += 1
        self._send((TICK, 0, 0), at)

    def _sixteenth(self) -> float:
        return SIXTEENTH * self.beat / TICKS
