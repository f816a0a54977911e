"""A performance into a file of the kind its name says: MIDI, MusicXML, sound, picture. Only a picture loads Qt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import RequestError
from engine.midi import MidiFile, write_midi
from engine.performance import Performance

Progress = Callable[[float], None]  # is told the share done, 0..1


@dataclass(frozen=True)
class Export:
    """What is written. like: the file whose tempo map, meters and keys it takes; recipe: as `studio.recipe.written`."""

    performance: Performance
    like: MidiFile | None = None
    recipe: Mapping[str, Any] | None = None
    melody: Performance | None = None


def _write_midi(path: Path, export: Export, progress: Progress | None) -> None:
    write_midi(path, export.performance, like=export.like, recipe=export.recipe)


def _write_draft(path: Path, export: Export, progress: Progress | None) -> None:
    from engine.scores.draft import write_draft

    write_draft(path, export.performance, export.like)


def _write_sound(path: Path, export: Export, progress: Progress | None) -> None:
    from engine.recording import render

    render(export.performance, path, progress)


def _draw(path: Path, export: Export, progress: Progress | None) -> None:
    from studio.roll_picture import write_roll

    write_roll(path, export.performance, export.melody)


WRITERS: dict[str, Callable[[Path, Export, Progress | None], None]] = {
    ".mid": _write_midi,
    ".midi": _write_midi,
    ".musicxml": _write_draft,
    ".xml": _write_draft,
    ".wav": _write_sound,
    ".flac": _write_sound,
    ".png": _draw,
    ".svg": _draw,
}
SOUNDS = (".wav", ".flac")


def write_export(path: Path, export: Export, progress: Progress | None = None) -> None:
    """Write a file of the kind that its suffix says; never leaves half a file.

    Raises RequestError for a suffix that says no kind, MidiError or PlaybackError where the place can't be written.
    """
    writer = WRITERS.get(path.suffix.lower())
    if writer is None:
        raise RequestError(f"{path.name} is no kind of file that can be written", f"Give {', '.join(WRITERS)}")
    writer(path, export, progress)
