"""What the commands that evaluate models have in common: their options, and rows that are gone on with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studio.arguments import Device
from studio.console import ProgressLine, print_json, say

if TYPE_CHECKING:
    from engine.composer import Composer
    from engine.training.dataset import Dataset
    from engine.training.evaluation import Evaluation

Data = Annotated[Path, typer.Option("--data", metavar="DIR", help="A data set made by hommage prepare.")]
Split = Annotated[str, typer.Option("--split", metavar="NAME", help="train, validation or test.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", metavar="DIR", help="Rows and report; gone on with if there. Else evaluation/MODEL."
    ),
]
Performances = Annotated[int, typer.Option(metavar="N")]
Takes = Annotated[int, typer.Option(metavar="N", help="Of each case: what the best of several comes to.")]
Seed = Annotated[int, typer.Option(metavar="K")]


def composer_of(model: str, device: Device) -> Composer:
    """A model by its name or folder, for evaluations."""
    from engine.training.evaluation import loaded

    return loaded(model, device.value)


def music_of(data: Path, split: str) -> Dataset:
    """A split of a data set. Raises RequestError where there is none."""
    from engine.training.dataset import Dataset

    return Dataset(data, split)


def measure(evaluation: Evaluation, composer: Composer, output: Path | None, settings: dict[str, Any]) -> None:
    """Measure what is not measured yet, write the report, and print what it says of this evaluation as JSON."""
    from engine.checkpoint import weights_hash
    from engine.training.evaluation import measured
    from engine.training.report import write_report

    folder = output or Path("evaluation") / composer.name
    line = ProgressLine("Cases", float(len(evaluation)))
    config = composer.model.config
    guidance = {"style_guidance": config.style_guidance, "melody_guidance": config.melody_guidance}
    settings = {"model": composer.name, "weights": weights_hash(composer.model)[:16], **guidance, **settings}
    done = 0
    for done, _ in measured(evaluation, folder, settings):
        line.show(float(done))
    line.end(float(done))
    print_json(write_report(folder)[evaluation.name])
    say(f"{folder / 'report.html'} shows it.")
