"""Commands on files: compare, inspect, convert, melody, hum, originality."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from engine.assets import model_folder
from engine.candidates import likenesses
from engine.features import similarity
from engine.melody import has_chords, melody_f1, melody_recall, top_line
from engine.midi import DRUM_CHANNEL, MidiFile, write_file
from engine.music import MIDI, Music
from studio.arguments import File, Files, Json, Model, melody_of, music_of, path_of, performance_of, played
from studio.console import ProgressLine, print_json, say
from studio.exports import SOUNDS, Export, write_export
from studio.take_files import MIDI_SUFFIXES, timing_of

app = typer.Typer()
Out = Annotated[
    Path, typer.Option("-o", "--output", metavar="OUT", help="A .mid, .musicxml, .wav, .flac, .png or .svg.")
]


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
    """Say what is in files: format, notes, pedals, tempo, tracks, lyrics, repairs.

    Of one file --json prints an object, of several {"files": [object, ...]}.
    """
    found = [_facts(file, music_of(file), notes) for file in files]
    if as_json:
        print_json(found[0] if len(found) == 1 else {"files": found})
        return
    for facts in found:
        for key, value in facts.items():
            if isinstance(value, list):
                _print_table(key, value)
            elif value not in (None, ""):
                typer.echo(f"{key.replace('_', ' '):17} {f'{value:.2f}' if isinstance(value, float) else value}")


@app.command()
def convert(
    file: Annotated[str, typer.Argument(metavar="IN", show_default=False)],
    output: Annotated[Path, typer.Argument(metavar="OUT", show_default=False)],
) -> None:
    """Write what is in a file as another kind of file: MIDI, MusicXML draft, sound, picture of the piano roll."""
    music = played(file, music_of(file))
    for repair in music.file.repairs:
        say(f"{Path(file).name}: {repair}")
    if output.suffix.lower() in MIDI_SUFFIXES:
        write_file(output, music.file)
        typer.echo(output)
    else:
        _export(output, Export(music.performance, music.file))


@app.command()
def melody(
    file: File,
    output: Out,
    candidate: Annotated[int, typer.Option(metavar="N", help="1: the most melody-like track, 2 or 3: the next.")] = 1,
) -> None:
    """Write the melody of a file: of several tracks the most melody-like, of chords the top line."""
    line, source = melody_of(file, candidate)
    _export(output, Export(line, timing_of(source)))


@app.command()
def hum(
    output: Out,
    seconds: Annotated[float, typer.Option(metavar="S", min=1, max=600, help="How long; Ctrl+C ends it sooner.")] = 30,
) -> None:
    """Write the tune that you hum, sing or whistle into the microphone."""
    from engine.humming import RATE, hummed
    from engine.microphone import listen

    line = ProgressLine("Listening", seconds)
    sound = listen(seconds, RATE, line.show)
    line.end(len(sound) / RATE)
    tune = hummed(sound, output.stem)
    _export(output, Export(tune.performance, timing_of(tune)))


def _export(output: Path, export: Export) -> None:
    """Write a file, and its name; of a sound the progress too."""
    if output.suffix.lower() not in SOUNDS:
        write_export(output, export)
    else:
        seconds = export.performance.seconds
        line = ProgressLine("Rendering", seconds)
        write_export(output, export, lambda share: line.show(share * seconds))
        line.end(seconds)
    typer.echo(output)


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


def _facts(file: str, music: Music, with_notes: bool) -> dict[str, Any]:
    performance = music.performance
    _, _, pitches, velocities = performance.arrays
    has_notes = len(performance) > 0
    facts: dict[str, Any] = {
        "path": str(path_of(file)),
        "format": f"{MIDI} type {music.file.format}" if music.kind == MIDI else music.kind,
        "notes": len(performance),
        "seconds": performance.seconds,
        "pedals": len(performance.pedals),
        "lowest": int(pitches.min()) if has_notes else None,
        "highest": int(pitches.max()) if has_notes else None,
        "mean_velocity": float(velocities.mean()) if has_notes else None,
        "notes_per_second": len(performance) / performance.seconds if has_notes else 0.0,
        "has_chords": has_chords(performance),
    }
    facts |= _timing(music.file)
    return facts | ({"note_list": [list(note) for note in performance.notes]} if with_notes else {})


def _timing(file: MidiFile) -> dict[str, Any]:
    """Tempos, meters, keys, markers, tracks, lyrics, repairs, recipe. Times in seconds, tempos in beats a minute."""
    at = file.tempo_map.seconds([tick for tick, _ in file.tempo_map.changes]).tolist()
    likeness = likenesses(file)
    tempos = [{"time": time, "bpm": 60e6 / t} for time, (_, t) in zip(at, file.tempo_map.changes, strict=True)]
    return {
        "tempo_map": tempos,
        "meters": [{"time": meter.time, "meter": f"{meter.beats}/{meter.unit}"} for meter in file.meters],
        "keys": [key._asdict() for key in file.key_signatures],
        "markers": [marker._asdict() for marker in file.markers],
        "tracks": [
            {
                "name": track.name,
                "channel": track.channel,
                "program": track.program,
                "notes": len(track.notes),
                "pedals": len(track.pedals),
                "is_drums": track.channel == DRUM_CHANNEL,
                "melody_likeness": likeness.get(index),
            }
            for index, track in enumerate(file.tracks)
        ],
        "lyrics": [syllable._asdict() for syllable in file.lyrics],
        "repairs": list(file.repairs),
        "recipe": file.recipe,
    }


def _print_table(title: str, rows: list[Any]) -> None:
    """Rows under a title, each on a line; lyrics as running text."""
    if title == "note_list":
        for start, end, pitch, velocity in rows:
            typer.echo(f"{start:10.3f} {end:10.3f} {pitch:4} {velocity:4}")
        return
    if title == "lyrics" and rows:
        rows = ["".join(row["text"].replace("/", " ").replace("\\", " ") for row in rows).strip()]
    for row in rows:
        texts = row.items() if isinstance(row, dict) else [("", row)]
        shown = (f"{key} {f'{value:.2f}' if isinstance(value, float) else value}".strip() for key, value in texts)
        typer.echo(f"{title.replace('_', ' '):17} {', '.join(shown)}")
