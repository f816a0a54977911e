"""What the commands of the command line accept: shared options, files, ranges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from engine.assets import asset
from engine.errors import RequestError
from engine.melody import has_chords, top_line
from engine.midi import read_midi
from engine.performance import Performance
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


def performance_of(file: str) -> Performance:
    """The performance in a file or bundled example."""
    return read_midi(path_of(file))


def melody_of(file: str) -> Performance:
    """One voice: of a file with chords the top line, which is said."""
    performance = performance_of(file)
    if not has_chords(performance):
        return performance
    say(f"{performance.name} has chords: its top line is taken as the melody.")
    return replace(top_line(performance), name=performance.name)
