"""Commands that prepare data, train, ship and evaluate models; they need the `train` extra."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.assets import asset
from engine.errors import ModelError, RequestError
from engine.midi import read_midi
from studio.arguments import Device, Model, Where
from studio.console import ProgressLine, print_json, say
from studio.measuring import Data, Output, Performances, Seed, Split, Takes, composer_of, measure, music_of

if TYPE_CHECKING:
    from engine.originality import Hashes

app = typer.Typer()
train_app = typer.Typer(help="Train a model on a prepared data set; run again to go on.", rich_markup_mode=None)
evaluate_app = typer.Typer(help="Measure a model on a prepared data set.", rich_markup_mode=None)
app.add_typer(train_app, name="train")
app.add_typer(evaluate_app, name="evaluate")

FINETUNE_HOURS = 0.1
TUNES = ("twinkle", "clair-de-lune", "ode-to-joy", "greensleeves", "amazing-grace", "auld-lang-syne")


@app.command()
def prepare(
    sources: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="SOURCE…", help="Folders or archives with MIDI files or a catalogue.csv, or a catalogue."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Run again to go on with what is missing.")
    ] = None,
    workers: Annotated[int, typer.Option(metavar="N", min=0, help="Processes; else one a core.")] = 0,
    verified: Annotated[Path | None, typer.Option("--verify", metavar="DIR", help="Check a data set instead.")] = None,
) -> None:
    """Prepare performances for training: parsed, melodies found, each recording once, memory-mapped."""
    if verified is not None:
        _verify(verified)
        return
    if not sources or output is None:
        raise RequestError("There is nothing to prepare", "Give hommage prepare SOURCE… -o DIR, or --verify DIR")
    from engine.training.prepare import prepare as prepared

    try:
        steps = prepared(sources, output, workers or os.cpu_count() or 1)
        left_out = _shown("Prepared", "files", steps, lambda fault: say(f"Left out: {fault}"))
    except KeyboardInterrupt:
        say("Stopped: what is prepared is kept, and the same command goes on.")
        raise
    say(f"{output} is ready. Files left out: {left_out}" + (", see its left-out.jsonl." if left_out else "."))


def _verify(data: Path) -> None:
    """What is wrong with a data set, a line each, and exit code 1; or what it holds, as JSON."""
    from engine.training.verify import summary, verify

    if _shown("Checked", "performances", verify(data), typer.echo):
        raise typer.Exit(1)
    print_json(summary(data))


def _shown(label: str, unit: str, steps: Iterator[tuple[int, int, str]], tell: Callable[[str], object]) -> int:
    """Show the progress of (done, all, fault or ""), tell each fault, and return how many there are."""
    line, done, faults = None, 0, 0
    for done, total, fault in steps:
        line = line or ProgressLine(label, total, unit=unit)
        if fault:
            faults += 1
            tell(fault)
        line.show(done)
    if line:
        line.end(done)
    return faults


@train_app.command("autoencoder")
def train_autoencoder(
    data: Data,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="The run; resumed if it is there.")],
    config: Annotated[
        str,
        typer.Option(metavar="NAME|FILE", help="default, events or paper, or a JSON file like a run's config.json."),
    ] = "default",
    hours: Annotated[
        float | None, typer.Option(metavar="H", help="When the learning rate ends its fall; else the file's, or 1.")
    ] = None,
    threads: Annotated[int, typer.Option(metavar="N", help="Of a CPU; else one a core.")] = 0,
    start: Annotated[
        Path | None, typer.Option("--start", metavar="MODEL", help="A new run begins with this model's weights.")
    ] = None,
    finetune: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Bring this model nearer to recordings in --data, which may be MIDI files as they are.",
        ),
    ] = None,
    compiles: Annotated[
        bool, typer.Option("--compile", help="Compile the blocks first; it takes minutes and pays on a GPU.")
    ] = False,
    devices: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="GPUs of each machine, else all; of a CPU, processes, else one."),
    ] = None,
    nodes: Annotated[
        int, typer.Option(metavar="N", min=1, help="Machines; start this on each, by torchrun or a scheduler.")
    ] = 1,
) -> None:
    """Train the Transformer autoencoder to a time budget."""
    _need_lightning()
    import torch

    from engine.checkpoint import load_model
    from engine.training.autoencoder import CONFIGS, TrainingConfig, finetune_run, train
    from engine.training.dataset import is_data_set

    if finetune is not None and not is_data_set(data):
        prepare([data], output / "data")
        data = output / "data"
    music_of(data, "train")  # before anything is written
    begun, cores = load_model(start) if start else None, torch.get_num_threads()
    if finetune is not None:
        begun = composer_of(finetune, Device.cpu).model
        chosen = finetune_run(begun.config, FINETUNE_HOURS if hours is None else hours)
    elif config in CONFIGS:
        chosen = CONFIGS[config](1.0 if hours is None else hours)
    elif Path(config).suffix == ".json":
        chosen = TrainingConfig.read(Path(config))
        chosen = chosen if hours is None else replace(chosen, hours=hours)
    else:
        raise RequestError(f"There is no configuration {config}", f"Give {', '.join(CONFIGS)} or a JSON file")
    torch.set_num_threads(threads or cores)
    for line in train(data, output, chosen, start=begun, compiles=compiles, devices=devices, nodes=nodes):
        say(line)


@app.command()
def ship(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A folder that hommage train wrote.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="assets/models/NAME, say.")],
    style_guidance: Annotated[
        float, typer.Option(metavar="X", min=0, max=10, help="What a style strength of 1 stands for.")
    ] = 1.0,
    melody_guidance: Annotated[
        float, typer.Option(metavar="X", min=0, max=10, help="What a melody strength of 1 stands for.")
    ] = 1.0,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="What it was trained on, to index for originality.")
    ] = None,
) -> None:
    """Write a run's averaged weights as a model that Composer.load reads.

    Which guidance suits it, hommage evaluate tunes --split validation --style-strength X --melody-strength Y tells of a
    model that was shipped with none.
    """
    _need_lightning()
    from engine.checkpoint import save_model
    from engine.originality import INDEX, save_index
    from engine.training.shipping import trained_model

    model, facts = trained_model(run)
    model.config = replace(model.config, style_guidance=style_guidance, melody_guidance=melody_guidance)
    save_model(output, model)
    if data is not None:
        save_index(output / INDEX, _index(data))
    say(f"{output}: {facts}")


@evaluate_app.command()
def likelihood(
    data: Data,
    model: Model = "default",
    output: Output = None,
    split: Split = "test",
    windows: Annotated[int, typer.Option(metavar="N")] = 256,
    is_within: Annotated[
        bool, typer.Option("--style-within/--style-elsewhere", help="Where the style is heard: the paper's is within.")
    ] = True,
) -> None:
    """Nats a note of each field for the four conditionings."""
    _need_lightning()
    composer, music = composer_of(model, Device.cpu), music_of(data, split)
    from engine.training.evaluation import Likelihoods

    where = "within the window" if is_within else "elsewhere in the performance"
    measure(Likelihoods(composer.model, music, windows, is_within), composer, output, {"split": split, "style": where})


@evaluate_app.command()
def codecs(
    data: Data,
    models: Annotated[list[str], typer.Argument(metavar="MODEL…", help="Names or folders, of either codec.")],
    windows: Annotated[int, typer.Option(metavar="N")] = 64,
) -> None:
    """Nats a note and nats a second of models of either codec on the same validation music, as JSON."""
    _need_lightning()
    from engine.training.likelihood import compare_codecs

    music = music_of(data, "validation")
    compared = {name: composer_of(name, Device.cpu).model for name in models}
    table = compare_codecs(compared, music, count=windows)
    rows = [
        {
            "model": name,
            "codec": compared[name].codec.name,
            "given": given,
            "nats_a_note": found.a_note,
            "nats_a_second": found.a_second,
        }
        for name, conditionings in table.items()
        for given, found in conditionings.items()
    ]
    print_json({"windows": windows, "rows": rows})


@evaluate_app.command()
def style(
    data: Data,
    model: Model = "default",
    output: Output = None,
    device: Where = Device.auto,
    split: Split = "test",
    performances: Performances = 200,
    takes: Takes = 1,
    seed: Seed = 0,
) -> None:
    """How alike takes sound to what they were given, by conditioning (the paper's table 4), beside people."""
    composer, music = composer_of(model, device), music_of(data, split)
    from engine.training.evaluation import Style, excerpts

    found = excerpts(music, performances, seed, has_pieces_once=False)
    measure(
        Style(composer, found, _index(data), seed, takes),
        composer,
        output,
        {"split": split, "seed": seed, "takes": takes},
    )


@evaluate_app.command()
def transfer(
    data: Data,
    model: Model = "default",
    output: Output = None,
    device: Where = Device.auto,
    split: Split = "test",
    performances: Performances = 200,
    takes: Takes = 1,
    seed: Seed = 0,
) -> None:
    """Another piece's melody in the style of each performance, and whether the performance is known again."""
    composer, music = composer_of(model, device), music_of(data, split)
    from engine.training.evaluation import METRIC_STYLES, Transfer, excerpts, style_metric

    found = excerpts(music, performances, seed, has_pieces_once=False)
    metric = style_metric(composer, excerpts(music_of(data, "train"), METRIC_STYLES, seed, has_pieces_once=False))
    measure(
        Transfer(composer, found, metric, seed, takes), composer, output, {"split": split, "seed": seed, "takes": takes}
    )


@evaluate_app.command()
def interpolation(
    data: Data,
    model: Model = "default",
    output: Output = None,
    device: Where = Device.auto,
    split: Split = "test",
    performances: Performances = 50,
    seed: Seed = 0,
) -> None:
    """Takes in mixtures of two styles: how near they are to the second, by its share."""
    composer, music = composer_of(model, device), music_of(data, split)
    from engine.training.evaluation import Interpolation, excerpts

    found = excerpts(music, performances, seed)
    measure(Interpolation(composer, found, seed), composer, output, {"split": split, "seed": seed})


@evaluate_app.command()
def tunes(
    data: Data,
    model: Model = "default",
    output: Output = None,
    device: Where = Device.auto,
    split: Split = "test",
    performances: Performances = 20,
    seed: Seed = 0,
    temperature: Annotated[float, typer.Option(metavar="T")] = 1.0,
    top_p: Annotated[float, typer.Option(metavar="P")] = 0.95,
    style_strength: Annotated[float, typer.Option(metavar="X")] = 1.0,
    melody_strength: Annotated[float, typer.Option(metavar="X")] = 1.0,
    melody_mode: Annotated[str, typer.Option(metavar="keep|guide")] = "keep",
) -> None:
    """The six example tunes in the style of other pianists' performances."""
    composer, music = composer_of(model, device), music_of(data, split)
    from engine.training.evaluation import Tunes, excerpts

    examples = [read_midi(asset("examples", f"{tune}.mid")) for tune in TUNES]
    options: dict[str, Any] = {
        "temperature": temperature,
        "top_p": top_p,
        "style_strength": style_strength,
        "melody_strength": melody_strength,
        "melody_mode": melody_mode,
    }
    evaluation = Tunes(composer, excerpts(music, performances, seed), examples, seed, options)
    measure(evaluation, composer, output, {"split": split, "seed": seed, **options})


def _index(data: Path) -> Hashes:
    """What `longest_shared` compares with: the training split."""
    import numpy as np

    from engine.originality import index_of
    from engine.training.dataset import performance_of

    music = music_of(data, "train")
    return index_of(performance_of(np.asarray(music.events[piece.first : piece.after])) for piece in music.pieces)


@evaluate_app.command("transposed")
def evaluate_transposed(
    data: Data,
    model: Model = "default",
    device: Where = Device.auto,
    split: Split = "test",
    performances: Annotated[int, typer.Option(metavar="N")] = 200,
    seed: Annotated[int, typer.Option(metavar="K")] = 0,
) -> None:
    """How often a style transposed by three semitones stays nearer to itself than to another, as JSON."""
    composer, music = composer_of(model, device), music_of(data, split)
    from engine.training.evaluation import excerpts, transposed_styles

    styles = [excerpt.own for excerpt in excerpts(music, performances, seed, has_pieces_once=False)]
    print_json({"performances": len(styles), "nearer_to_own": transposed_styles(composer, styles)})


def _need_lightning() -> None:
    try:
        import lightning  # noqa: F401
    except ImportError as error:
        raise ModelError("Training needs Lightning", "Install it: pip install 'hommage[train]'") from error
