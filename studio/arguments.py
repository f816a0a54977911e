"""What the commands of the command line accept: shared options, files, ranges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from engine.assets import asset
from engine.candidates import candidates
from engine.errors import RequestError, ScoreError
from engine.midi import MidiFile
from engine.music import TYPED, Music, read_music
from engine.performance import Performance
from engine.typed import is_typed, typed_melody
from studio.console import say


class Device(StrEnum):
    """Where the model runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


class MelodyMode(StrEnum):
    """keep: every melody note is played; guide: the melody only leads."""

    keep = "keep"
    guide = "guide"


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Model = Annotated[str, typer.Option("--model", metavar="NAME", help="Which model.")]
Where = Annotated[Device, typer.Option("--device", help="Where the model runs.")]
File = Annotated[str, typer.Argument(metavar="FILE", show_default=False)]
Files = Annotated[list[str], typer.Argument(metavar="FILE", show_default=False)]

LONGEST_NAME = 8  # typed notes that name a melody
# option: (lowest, highest, what it is measured in)
RANGES = {
    "--takes": (1, 64, ""),
    "--seed": (0, 2**31 - 1, ""),
    "--seconds": (1, 3600, " seconds"),
    "--temperature": (0.05, 4, ""),
    "--top-p": (0.01, 1, ""),
    "--style-strength": (0, 4, ""),
    "--melody-strength": (0, 4, ""),
}


def check_ranges(options: Mapping[str, float | None]) -> None:
    """Raise RequestError for the first option out of its range. options: by parameter name, None where not given."""
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        lowest, highest, unit = RANGES[option]
        if value is not None and not lowest <= value <= highest:
            raise RequestError(f"{option} {value:g} can't be used", f"Give {lowest:g} to {highest:.10g}{unit}")


def path_of(file: str) -> Path:
    """The file, or the bundled example of that name."""
    path, bundled = Path(file), asset("examples", f"{file}.mid")
    is_name = path.name == file and not path.suffix and not path.exists()
    return bundled if is_name and bundled.exists() else path


def music_of(file: str) -> Music:
    """What is in a file of any kind, in a bundled example, or in notes typed in its place; it may have no notes."""
    if is_typed(file) and not Path(file).exists():
        return Music(TYPED, typed_melody(file, " ".join(file.split()[:LONGEST_NAME])))
    return read_music(path_of(file))


def performance_of(file: str) -> Performance:
    """The performance in what `music_of` reads."""
    return played(file, music_of(file)).performance


def played(file: str, music: Music) -> Music:
    """The same. Raises ScoreError where it has no notes."""
    if not music.performance.notes:
        raise ScoreError(f"{Path(file).name} has no notes in it", "Choose a file with something played on keys")
    return music


def melody_of(file: str, number: int = 1) -> tuple[Performance, MidiFile]:
    """One voice, and the file it comes from: of several tracks the most melody-like, of chords the top line.

    number: 1 is the most melody-like. What was chosen is said.
    """
    music = played(file, music_of(file))
    found = candidates(music.file)
    if not 1 <= number <= len(found):
        raise RequestError(f"{Path(file).name} has no candidate {number}", f"Give 1 to {len(found)}")
    chosen = found[number - 1]
    name = music.performance.name
    if len(found) > 1:
        others = ", ".join(f"{i} {each.name}" for i, each in enumerate(found, 1) if i != number)
        say(f"{name} has several tracks: {chosen.name} is taken as the melody; others: {others}.")
    elif chosen.had_chords:
        say(f"{name} has chords: its top line is taken as the melody.")
    return replace(chosen.line, name=name), music.file
