"""The command line: `hommage` opens the studio; each command does one of its jobs without a window.

A command's result goes to stdout (with --json as one document), all else to stderr. What a user may get wrong ends in
one line and exit code 2; Ctrl+C ends in 130 and leaves whole files only. torch and Qt are imported inside the commands
that need them. Other modules' commands join through `app.add_typer`.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import engine
from engine.errors import EngineError, RequestError
from engine.performance import Performance
from studio import (
    arranging_commands,
    arranging_evaluations,
    bench_commands,
    file_commands,
    metavae_commands,
    record_commands,
    sound_commands,
    training_commands,
)
from studio.arguments import (
    Device,
    Files,
    Json,
    MelodyMode,
    Model,
    Where,
    check_ranges,
    melody_of,
    path_of,
    performance_of,
)
from studio.console import ProgressLine, print_json, say
from studio.recipe import Recipe, written
from studio.take_files import Composed, compose_take, described, take_paths, write_take

if TYPE_CHECKING:
    from engine.composer import Composer, Request

FAULT, USER_ERROR, INTERRUPTED = 1, 2, 130

app = typer.Typer(
    help="Piano performances of your melody, in the style of any performance. Without a command: open the studio.",
    epilog="A FILE is a MIDI file, a score (MusicXML, MEI, Humdrum, ABC), a hummed recording, notes typed like "
    "'C4 C4 G4 G4', or the name of a bundled example such as twinkle or nocturne.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; every error becomes one line on stderr."""
    # Before torch loads: by default its idle threads spin, and decoding with two of them falls to 4 tokens a second.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console of few characters, as on Windows, is no reason to fail
    try:
        code = app(arguments, prog_name="hommage", standalone_mode=False)
    except EngineError as error:
        return _fail(str(error), USER_ERROR)
    except typer.TyperException as error:
        return _fail(error.format_message(), USER_ERROR)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:
        if "HOMMAGE_DEBUG" in os.environ:
            raise
        return _fail(f"This is a fault in Hommage: {type(error).__name__}: {error} (HOMMAGE_DEBUG=1 shows more)", FAULT)
    return code if isinstance(code, int) else 0


def _fail(line: str, code: int) -> int:
    say(" ".join(line.split()))
    return code


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"hommage {engine.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True)] = False,
) -> None:
    """Without a command: open the studio."""
    if context.invoked_subcommand is None:
        open_studio([], None)


@app.command()
def studio(
    files: Annotated[list[str] | None, typer.Argument(metavar="FILE", show_default=False)] = None,
    screenshot: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Save a picture of the window and close it.")
    ] = None,
) -> None:
    """Open the window with these files on its cards."""
    open_studio([path_of(file) for file in files or []], screenshot)


def open_studio(files: list[Path], screenshot: Path | None) -> None:
    """Open the window and leave with its exit code; a picture needs no display."""
    if not _has_display():
        if screenshot is None:
            raise EngineError("There is no display to open a window on", "Use hommage compose; hommage --help says how")
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from studio.app import run

    raise typer.Exit(run(files, screenshot))


def _has_display() -> bool:
    """Whether Qt can find a display; without one it would abort the program."""
    names = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return sys.platform in ("win32", "darwin") or any(os.environ.get(name) for name in names)


@app.command()
def compose(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="OUT.mid|DIR", help="A file for one take, or a folder.")
    ],
    more: Annotated[
        list[str] | None, typer.Argument(metavar="FILE", hidden=True)
    ] = None,  # --style A B C: all but A arrive here
    style: Annotated[list[str] | None, typer.Option(metavar="FILE…", help="Performances whose style is taken.")] = None,
    melody: Annotated[str | None, typer.Option(metavar="FILE", help="The tune. Without one: a new piece.")] = None,
    takes: Annotated[int, typer.Option(metavar="N", help="How many. Take k uses seed + k.")] = 1,
    seed: Annotated[int, typer.Option(metavar="K", help="The same seed gives the same music.")] = 0,
    seconds: Annotated[float | None, typer.Option(metavar="S", help="Length; else the melody's, or 30.")] = None,
    temperature: Annotated[float, typer.Option(metavar="T", help="Higher surprises more.")] = 1.0,
    top_p: Annotated[float, typer.Option(metavar="P", help="Only the likeliest share is drawn from.")] = 0.95,
    style_strength: Annotated[float, typer.Option(metavar="X", help="0: the style is not heeded.")] = 1.0,
    melody_strength: Annotated[float, typer.Option(metavar="X", help="0: the melody is not heeded.")] = 1.0,
    melody_mode: Annotated[
        MelodyMode, typer.Option(help="Play every melody note, or only be led by them.")
    ] = MelodyMode.keep,
    within: Annotated[
        str | None, typer.Option(metavar="TAKE", help="Compose a stretch of this anew, and nothing else of it.")
    ] = None,
    start: Annotated[float | None, typer.Option("--from", metavar="S", help="Where the stretch begins.")] = None,
    end: Annotated[float | None, typer.Option("--to", metavar="S", help="Where it ends.")] = None,
    pitches: Annotated[
        str | None, typer.Option(metavar="LOW-HIGH", help="Only notes from one MIDI pitch to another, as 21-59.")
    ] = None,
    model: Model = "default",
    device: Where = Device.auto,
    as_json: Json = False,
) -> None:
    """Compose a melody in a style, as MIDI files; or a stretch of a take anew."""
    options: dict[str, Any] = {
        "takes": takes,
        "seed": seed,
        "seconds": seconds,
        "temperature": temperature,
        "top_p": top_p,
        "style_strength": style_strength,
        "melody_strength": melody_strength,
    }
    check_ranges(options)
    if more and not style:
        raise RequestError(f"{more[0]} is neither style nor melody", "Put --style or --melody before it")
    if within is not None:
        where, given = (within, start, end, pitches, output), ([*(style or []), *(more or [])], melody)
        options["melody_mode"] = melody_mode.value
        return arranging_commands.compose_within(*where, *given, model, device, as_json, **options)
    if (start, end, pitches) != (None, None, None):
        raise RequestError("It is not said of which take", "Put --within TAKE before --from, --to and --pitches")
    styles = [performance_of(file) for file in [*(style or []), *(more or [])]]
    tune, like = melody_of(melody) if melody else (None, None)
    paths = take_paths(output, tune, styles, seed, takes)

    from engine.composer import Composer, Request

    composer = Composer.load(model, device.value)
    vector = composer.style(*styles) if styles else None
    request = Request(style=vector, melody=tune, melody_mode=melody_mode.value, **options)
    wanted = reduce(Performance.join, styles) if styles else None
    described_takes: list[dict[str, Any]] = []
    is_interrupted = False
    for path, composed in _composed(composer, request, paths):
        is_interrupted = composed.is_interrupted
        if composed.performance.notes:
            write_take(path, composed, like, _recipe_of(composed, options, melody_mode, model, styles, tune))
            described_takes.append(described(path, composed, tune, wanted))
    if as_json:
        print_json({"model": composer.name, "device": composer.device, "takes": described_takes})
    else:
        typer.echo("\n".join(take["path"] for take in described_takes))
    if is_interrupted:
        raise typer.Exit(INTERRUPTED)


def _recipe_of(
    composed: Composed,
    options: dict[str, Any],
    mode: MelodyMode,
    model: str,
    styles: list[Performance],
    tune: Performance | None,
) -> dict[str, Any]:
    """What the take's file says of how it was made."""
    recipe = Recipe(
        seconds=options["seconds"],
        temperature=options["temperature"],
        style_strength=options["style_strength"],
        melody_mode=mode.value,
        seed=composed.seed,
        style_name=" + ".join(style.name for style in styles),
        melody_name=tune.name if tune else "",
    )
    more = {name: options[name] for name in ("top_p", "melody_strength")}
    return written(recipe, styles, tune, model, **more)


def _composed(composer: Composer, request: Request, paths: list[Path]) -> Iterator[tuple[Path, Composed]]:
    """Each take as it is done; Ctrl+C makes the one at work the last."""
    for take, path in enumerate(paths):
        line = ProgressLine(f"Take {take + 1} of {len(paths)}", composer.length(request))
        composed = compose_take(composer, request, take, line.show, name=path.stem)
        line.end(composed.performance.seconds)
        yield path, composed
        if composed.is_interrupted:
            say("Stopped: the notes composed so far are kept." if composed.performance.notes else "Stopped.")
            return
    if composer.notice:
        say(composer.notice)


@app.command()
def embed(files: Files, model: Model = "default", device: Where = Device.auto, as_json: Json = False) -> None:
    """Show each style vector, and how near they are to each other."""
    performances = [performance_of(file) for file in files]

    import numpy as np

    from engine.composer import Composer

    composer = Composer.load(model, device.value)
    vectors = np.stack([composer.style(performance) for performance in performances]).astype(np.float64)
    directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    nearness = (directions @ directions.T).tolist()
    if as_json:
        rows = [{"path": file, "style": row} for file, row in zip(files, vectors.tolist(), strict=True)]
        print_json({"model": composer.name, "width": vectors.shape[1], "files": rows, "cosine": nearness})
        return
    for performance, row in zip(performances, nearness, strict=True):
        typer.echo("".join(f"{value:7.3f}" for value in row) + f"  {performance.name}")


app.add_typer(arranging_commands.app)
app.add_typer(bench_commands.app)
app.add_typer(file_commands.app)
app.add_typer(record_commands.app)
app.add_typer(sound_commands.app)
app.add_typer(training_commands.app)
training_commands.evaluate_app.add_typer(arranging_evaluations.app)
training_commands.evaluate_app.add_typer(metavae_commands.app)
