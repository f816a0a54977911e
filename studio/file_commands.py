"""Commands that look into files: compare, inspect, originality."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from engine.assets import model_folder
from engine.features import similarity
from engine.melody import has_chords, melody_f1, melody_recall, top_line
from engine.performance import Performance
from studio.arguments import File, Files, Json, Model, path_of, performance_of
from studio.console import print_json

app = typer.Typer()


@app.command()
def compare(
    a: Annotated[str, typer.Argument(metavar="A", show_default=False)],
    b: Annotated[str, typer.Argument(metavar="B", show_default=False)],
    as_json: Json = False,
) -> None:
    """Say how much of B's melody and style is in A."""
    take, other = performance_of(a), performance_of(b)
    tune = top_line(other)
    recall, f1, alike = melody_recall(tune, take), melody_f1(tune, take), similarity(take, other)
    if as_json:
        print_json({"melody_recall": recall, "melody_f1": f1, "similarity": alike})
        return
    typer.echo(f"{'melody recall':15} {recall:.2f}")
    typer.echo(f"{'melody F1':15} {f1:.2f}")
    for name, exact in alike["exact"].items():
        typer.echo(f"{name.replace('_', ' '):15} {alike[name]:.2f}  exact {exact:.2f}")


@app.command()
def inspect(
    files: Files,
    notes: Annotated[bool, typer.Option("--notes", help="List every note: start, end, pitch, velocity.")] = False,
    as_json: Json = False,
) -> None:
    """Say what is in files: notes, seconds, pedals and more.

    Of one file --json prints an object, of several {"files": [object, ...]}.
    """
    found = [_facts(file, performance_of(file), notes) for file in files]
    if as_json:
        print_json(found[0] if len(found) == 1 else {"files": found})
        return
    for facts in found:
        listed = facts.pop("note_list", [])
        for key, value in facts.items():
            typer.echo(f"{key.replace('_', ' '):17} {f'{value:.2f}' if isinstance(value, float) else value}")
        for start, end, pitch, velocity in listed:
            typer.echo(f"{start:10.3f} {end:10.3f} {pitch:4} {velocity:4}")


@app.command()
def originality(file: File, model: Model = "default", as_json: Json = False) -> None:
    """Say how long a passage of a file is one that the model was trained on, in any key and at any tempo."""
    from engine.originality import INDEX, load_index, longest_shared

    performance = performance_of(file)
    passage = longest_shared(performance, load_index(model_folder(model) / INDEX))
    if as_json:
        print_json({"path": str(path_of(file)), "notes": len(performance), "longest_shared": passage._asdict()})
    elif passage.notes:
        typer.echo(f"{passage.notes} notes from {passage.start:.1f} to {passage.end:.1f} s are in the training music.")
    else:
        typer.echo("No passage of it is in the training music.")


def _facts(file: str, performance: Performance, with_notes: bool) -> dict[str, Any]:
    _, _, pitches, velocities = performance.arrays
    facts: dict[str, Any] = {
        "path": str(path_of(file)),
        "notes": len(performance),
        "seconds": performance.seconds,
        "pedals": len(performance.pedals),
        "lowest": int(pitches.min()),
        "highest": int(pitches.max()),
        "mean_velocity": float(velocities.mean()),
        "notes_per_second": len(performance) / performance.seconds,
        "has_chords": has_chords(performance),
    }
    return facts | ({"note_list": [list(note) for note in performance.notes]} if with_notes else {})
