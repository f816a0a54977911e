"""hommage evaluate regenerate, perform, vary: how good composing with music that is there is."""

from __future__ import annotations

from typing import Annotated

import typer

from studio.arguments import Device, Model, Where
from studio.measuring import Data, Output, Performances, Seed, Split, Takes, composer_of, measure, music_of

app = typer.Typer()


@app.command()
def regenerate(
    data: Data,
    model: Model = "default",
    output: Output = None,
    device: Where = Device.auto,
    split: Split = "test",
    performances: Performances = 200,
    takes: Takes = 4,
    seed: Seed = 0,
) -> None:
    """Four seconds anew in the middle of performances: what stays, how the ends meet, whether the style does."""
    composer, music = composer_of(model, device), music_of(data, split)
    from engine.training.arranging_evaluation import Regeneration
    from engine.training.evaluation import excerpts

    found = excerpts(music, performances, seed, has_pieces_once=False)
    settings = {"split": split, "seed": seed, "takes": takes}
    measure(Regeneration(composer, found, seed, takes), composer, output, settings)


@app.command()
def perform(
    data: Data,
    model: Model = "default",
    output: Output = None,
    device: Where = Device.auto,
    split: Split = "test",
    performances: Performances = 100,
    seed: Seed = 0,
) -> None:
    """Performances flattened to a score and played again in their pianist's style: how near it comes to them."""
    composer, music = composer_of(model, device), music_of(data, split)
    from engine.training.arranging_evaluation import ScorePerformance
    from engine.training.evaluation import excerpts

    found = excerpts(music, performances, seed)
    measure(ScorePerformance(composer, found, seed), composer, output, {"split": split, "seed": seed})


@app.command()
def vary(
    data: Data,
    model: Model = "default",
    output: Output = None,
    device: Where = Device.auto,
    split: Split = "test",
    performances: Performances = 50,
    seed: Seed = 0,
    keep: Annotated[float, typer.Option(metavar="PERCENT", min=10, max=90)] = 50.0,
) -> None:
    """Performances varied by bars and by surprise: whether what is kept is as it was, and as much as was asked."""
    composer, music = composer_of(model, device), music_of(data, split)
    from engine.training.arranging_evaluation import Variation
    from engine.training.evaluation import excerpts

    found = excerpts(music, performances, seed)
    settings = {"split": split, "seed": seed, "keep": keep}
    measure(Variation(composer, found, seed, keep / 100), composer, output, settings)
