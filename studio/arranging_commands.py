"""Commands that compose with music that is there: continue, perform, vary, restyle, fit; and compose --within."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import StrEnum
from functools import reduce
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.errors import RequestError
from engine.midi import MidiFile, write_midi
from engine.performance import Note, Pedal, Performance
from studio.arguments import (
    Device,
    File,
    Json,
    Model,
    Where,
    check_ranges,
    melody_of,
    music_of,
    performance_of,
    played,
)
from studio.console import ProgressLine, print_json, say
from studio.recipe import Recipe, written
from studio.take_files import Composed, described, performance_of_events, take_paths, write_take

app = typer.Typer()


class By(StrEnum):
    """bars: whole bars, drawn by the seed; surprise: the notes that are the likeliest to the model."""

    bars = "bars"
    surprise = "surprise"


Output = Annotated[
    Path, typer.Option("-o", "--output", metavar="OUT.mid|DIR", help="A file for one take, or a folder.")
]
Style = Annotated[
    list[str] | None, typer.Option(metavar="FILE", help="Another style than the piece's own; again for a mixture.")
]
Takes = Annotated[int, typer.Option(metavar="N", help="How many. Take k uses seed + k.")]
Seed = Annotated[int, typer.Option(metavar="K", help="The same seed gives the same music.")]
Temperature = Annotated[float, typer.Option(metavar="T", help="Higher surprises more.")]
TopP = Annotated[float, typer.Option(metavar="P", help="Only the likeliest share is drawn from.")]
Strength = Annotated[float, typer.Option(metavar="X", help="0: the style is not heeded.")]
Share = Annotated[float | None, typer.Option(metavar="X", min=0, max=1, help="The same of this alone.")]
RECIPE_SETTINGS = ("seconds", "temperature", "style_strength", "melody_mode")
Made = tuple[Performance, dict[str, Any]]  # a take, and what --json says of it beside the rest


@app.command("continue")
def go_on(
    file: File,
    output: Output,
    at: Annotated[float | None, typer.Option(metavar="S", help="From here; else after its last notes.")] = None,
    style: Style = None,
    takes: Takes = 1,
    seed: Seed = 0,
    seconds: Annotated[float, typer.Option(metavar="S", help="How long the new music is.")] = 20.0,
    temperature: Temperature = 1.0,
    top_p: TopP = 0.95,
    style_strength: Strength = 1.0,
    model: Model = "default",
    device: Where = Device.auto,
    as_json: Json = False,
) -> None:
    """Go on with a piece, from its end or from a point, in its own style or another."""
    options = {"takes": takes, "seed": seed, "seconds": seconds, "temperature": temperature, "top_p": top_p}
    asked = _Asked(file, output, style, None, {**options, "style_strength": style_strength})
    asked.load(model, device)
    from engine.arranging import continuation, continued

    def make(take: int) -> Made:
        kept, begin, events = continuation(asked.composer, asked.piece, at, asked.request, take)
        return continued(kept, asked.shown(take, events, begin + seconds)), {"begins_s": begin}

    asked.write(make, as_json)


@app.command()
def perform(
    file: File,
    output: Output,
    style: Annotated[list[str] | None, typer.Option(metavar="FILE", help="Who plays; again for a mixture.")] = None,
    amount: Annotated[float, typer.Option(metavar="X", min=0, max=1, help="0: as written, 1: as played.")] = 1.0,
    timing: Share = None,
    dynamics: Share = None,
    pedal: Annotated[bool, typer.Option("--pedal/--no-pedal", help="Pedalled as played, or as written.")] = True,
    takes: Takes = 1,
    seed: Seed = 0,
    temperature: Temperature = 1.0,
    style_strength: Strength = 1.0,
    model: Model = "default",
    device: Where = Device.auto,
    as_json: Json = False,
) -> None:
    """Play a score: all its notes and none added, with timing, dynamics and pedal in a style."""
    options = {"takes": takes, "seed": seed, "temperature": temperature, "style_strength": style_strength}
    asked = _Asked(file, output, style, None, options)
    asked.load(model, device, is_own=False)
    from engine.performing import Performing, blended

    def make(take: int) -> Made:
        performing = Performing(asked.composer, asked.piece, asked.request, take)
        asked.shown(take, (step.event() for step in performing.steps()), asked.piece.seconds)
        performed = performing.performed()
        of_time, of_loudness = (amount if share is None else share for share in (timing, dynamics))
        played = blended(performed, of_time, of_loudness, has_pedal=pedal and amount > 0)
        apart = [abs(as_played.start - written.start) for written, as_played in performed.notes]
        return played, {"mean_deviation_s": sum(apart) / len(apart), "largest_deviation_s": max(apart)}

    asked.write(make, as_json)


@app.command()
def vary(
    file: File,
    output: Output,
    keep: Annotated[float, typer.Option(metavar="PERCENT", help="Of its notes, 10 to 90.")] = 50.0,
    by: Annotated[By, typer.Option(help="Whole bars are kept, or the least surprising notes.")] = By.bars,
    melody: Annotated[str | None, typer.Option(metavar="FILE", help="Its notes are kept.")] = None,
    style: Style = None,
    takes: Takes = 1,
    seed: Seed = 0,
    temperature: Temperature = 1.0,
    top_p: TopP = 0.95,
    style_strength: Strength = 1.0,
    model: Model = "default",
    device: Where = Device.auto,
    as_json: Json = False,
) -> None:
    """A piece again with a share of its notes kept as they are."""
    if not 10 <= keep <= 90:
        raise RequestError(f"--keep {keep:g} can't be used", "Give 10 to 90 percent")
    options = {"takes": takes, "seed": seed, "temperature": temperature, "top_p": top_p}
    asked = _Asked(file, output, style, melody, {**options, "style_strength": style_strength})
    asked.load(model, device)
    from engine.arranging import varied_by_bars, varied_by_surprise
    from engine.beats import bar_starts

    def make(take: int) -> Made:
        given = asked.composer, asked.piece, keep / 100
        if by is By.bars:
            bars = bar_starts(asked.file, asked.piece.seconds)
            piece, kept = varied_by_bars(*given, bars, asked.request, take)
        else:
            piece, kept = varied_by_surprise(*given, asked.request, take)
        return piece, {"kept": len(kept), "share": len(kept) / len(asked.piece)}

    asked.write(make, as_json)


@app.command()
def restyle(
    file: File,
    output: Output,
    style: Annotated[list[str], typer.Option(metavar="FILE", help="The style; again for a mixture.")],
    melody: Annotated[str | None, typer.Option(metavar="FILE", help="Its melody, else the one heard in it.")] = None,
    harmony: Annotated[float, typer.Option(metavar="X", min=0, max=1, help="How far its harmony is kept to.")] = 0.5,
    takes: Takes = 1,
    seed: Seed = 0,
    temperature: Temperature = 1.0,
    top_p: TopP = 0.95,
    style_strength: Strength = 1.0,
    model: Model = "default",
    device: Where = Device.auto,
    as_json: Json = False,
) -> None:
    """A piece again in another style, its melody kept."""
    options = {"takes": takes, "seed": seed, "temperature": temperature, "top_p": top_p}
    asked = _Asked(file, output, style, melody, {**options, "style_strength": style_strength})
    from engine.melody import extract_melody

    asked.tune = asked.tune or extract_melody(asked.piece)
    asked.load(model, device)
    from engine.arranging import restyled

    def make(take: int) -> Made:
        events = restyled(asked.composer, asked.piece, asked.request, harmony, take)
        return performance_of_events(asked.shown(take, events, asked.piece.seconds)), {}

    asked.write(make, as_json)


@app.command()
def fit(
    file: File,
    melody: Annotated[str, typer.Option(metavar="FILE", help="The tune that is played in it, in its own bars.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT.mid")],
    even: Annotated[bool, typer.Option("--even", help="Play it at the melody's own tempo.")] = False,
    like: Annotated[
        str | None, typer.Option(metavar="FILE", help="Of an even take: bend its beats as in this performance.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Find the beats of a free performance by its melody, so that it lies in bars; even them; or bend even ones."""
    from engine.beats import ENDS, beat_map, in_bars, loosened, straightened

    if even and like:
        raise RequestError("--even and --like undo each other", "Give one of them")
    piece, (line, tune) = performance_of(file), melody_of(melody)
    (path,) = take_paths(output, piece, [], 0, 1)
    beats = beat_map(line, tune.tempo_map, performance_of(like) if like else piece)
    bars = tune
    if even:
        piece = straightened(piece, beats, tune.tempo_map)
    else:
        piece, bars = in_bars(loosened(piece, beats, tune.tempo_map) if like else piece, beats, tune)
    piece = replace(piece, name=path.stem)
    write_take(path, Composed(piece, 0, len(piece) + len(piece.pedals), 0.0, None), bars)
    if as_json:
        found = len(beats.beats) - ENDS
        print_json({"path": str(path), "melody_notes": len(line), "found": found, "seconds": piece.seconds})
    else:
        typer.echo(str(path))


def compose_within(
    within: str,
    start: float | None,
    end: float | None,
    pitches: str | None,
    output: Path,
    styles: list[str],
    melody: str | None,
    model: str,
    device: Device,
    as_json: bool,
    **options: Any,
) -> None:
    """hommage compose --within: proposals for a stretch of a take, that with the best join first."""
    if start is None or end is None:
        raise RequestError("It is not said what to compose anew", "Give --from and --to, in seconds")
    if options.pop("seconds") is not None:
        raise RequestError("--seconds and --within don't go together", "Give --from and --to")
    keys = _pitches(pitches) if pitches else None
    asked = _Asked(within, output, styles, melody, options)
    if not 0 <= start < min(end, asked.piece.seconds):
        raise RequestError(
            f"From {start:g} to {end:g} seconds there is nothing of it",
            f"Give a beginning and an end between 0 and {asked.piece.seconds:.1f}",
        )
    asked.load(model, device)
    from engine.arranging import regenerate

    def make(take: int) -> Made:
        request = replace(asked.request, takes=1, seed=asked.request.seed + take)
        proposal = next(regenerate(asked.composer, asked.piece, start, end, request, keys))
        new = len(set(proposal.performance.notes) - set(asked.piece.notes))
        return proposal.performance, {"join": proposal.join, "new_notes": new}

    asked.write(make, as_json, order="join")


def _pitches(text: str) -> tuple[int, int]:
    """LOW-HIGH as two MIDI pitches."""
    low, _, high = text.partition("-")
    if not (low.isdecimal() and high.isdecimal()):
        raise RequestError(f"--pitches {text} can't be used", "Give MIDI pitches as 21-59")
    return int(low), int(high)


def file_of(file: str) -> MidiFile:
    """What `music_of` reads, with its bars. Raises EngineError where it can't be read or has no notes."""
    return played(file, music_of(file)).file


class _Asked:
    """What a command is asked to do, checked before anything slow is loaded. options: of the `Request`."""

    def __init__(
        self, file: str, output: Path, styles: list[str] | None, melody: str | None, options: dict[str, Any]
    ) -> None:
        check_ranges({name: value for name, value in options.items() if not isinstance(value, str)})
        self.file, self.options = file_of(file), options
        self.piece = self.file.performance
        self.styles = [performance_of(each) for each in styles or []]
        self.tune = melody_of(melody)[0] if melody else None
        self.paths = take_paths(output, self.piece, self.styles, options["seed"], options["takes"])

    def load(self, model: str, device: Device, is_own: bool = True) -> None:
        """Load the model and make the request. is_own: without another, the piece's own style is meant."""
        from engine.arranging import in_own_style
        from engine.composer import Composer, Request

        self.composer = Composer.load(model, device.value)
        self.request = Request(melody=self.tune, **self.options)
        if self.styles:
            self.request = replace(self.request, style=self.composer.style(*self.styles))
        elif is_own:
            self.request = in_own_style(self.composer, self.piece, self.request)

    def _recipe(self, seed: int) -> dict[str, Any]:
        """What the file of a take says of how it was made."""
        style_name, melody_name = " + ".join(style.name for style in self.styles), self.tune.name if self.tune else ""
        settings = {name: value for name, value in self.options.items() if name in RECIPE_SETTINGS}
        recipe = Recipe(seed=seed, style_name=style_name, melody_name=melody_name, **settings)
        return written(recipe, self.styles, self.tune, self.composer.name) | {"made_from": self.piece.name}

    def shown(self, take: int, events: Iterable[Note | Pedal], seconds: float) -> list[Note | Pedal]:
        """The events, with their progress shown as they are made."""
        line = ProgressLine(f"Take {take + 1} of {len(self.paths)}", seconds)
        made: list[Note | Pedal] = []
        for event in events:
            made.append(event)
            line.show(event[0])
        line.end(made[-1][0] if made else 0.0)
        if not any(isinstance(event, Note) for event in made):
            raise RequestError("Nothing was played", "Try another seed or a higher temperature")
        return made

    def write(self, make: Callable[[int], Made], as_json: bool, order: str = "") -> None:
        """Make and write each take, and say which there are. order: by which of their figures, else as they come."""
        wanted = reduce(Performance.join, self.styles) if self.styles else None
        rows: list[dict[str, Any]] = []
        for take, path in enumerate(self.paths):
            begun = time.monotonic()
            piece, figures = make(take)
            piece = replace(piece, name=path.stem)
            count = len(piece) + len(piece.pedals)
            composed = Composed(piece, self.request.seed + take, count, time.monotonic() - begun, None)
            write_midi(path, piece, like=self.file, recipe=self._recipe(composed.seed))
            rows.append({**described(path, composed, self.tune, wanted), **figures})
        if order:
            rows.sort(key=lambda row: row[order] or 0.0)
        if self.composer.notice:
            say(self.composer.notice)
        if as_json:
            print_json({"model": self.composer.name, "device": self.composer.device, "takes": rows})
        else:
            typer.echo("\n".join(row["path"] for row in rows))
