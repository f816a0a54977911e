"""Takes on disk: composed with a measure of time, named, written, described. The composer comes as an argument."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from engine.errors import MidiError, RequestError
from engine.features import similarity
from engine.melody import melody_f1, melody_recall
from engine.midi import MidiFile, write_midi
from engine.performance import Note, Pedal, Performance

MIDI_SUFFIXES = (".mid", ".midi")
LONGEST_NAME = 60  # characters of a melody's or style's name in a file's name


class Source(Protocol):
    """What composes: engine.composer.Composer, or a test's."""

    def compose(self, request: Any, take: int) -> Iterator[Note | Pedal]: ...


@dataclass(frozen=True)
class Composed:
    """One take. steps: notes and pedal movements made; first_note_s: None if there was no note."""

    performance: Performance
    seed: int
    steps: int
    elapsed_s: float
    first_note_s: float | None
    is_interrupted: bool = False


def compose_take(
    source: Source,
    request: Any,
    take: int,
    show: Callable[[float], None],
    name: str = "",
    clock: Callable[[], float] = time.monotonic,
) -> Composed:
    """Pull one take from the composer, showing the time reached; Ctrl+C ends it with what there is."""
    events: list[Note | Pedal] = []
    first_note_s = None
    is_interrupted = False
    begin = clock()
    try:
        for event in source.compose(request, take):
            events.append(event)
            if isinstance(event, Note):
                if first_note_s is None:
                    first_note_s = clock() - begin
                show(event.start)
    except KeyboardInterrupt:
        is_interrupted = True
    elapsed = clock() - begin
    performance = performance_of_events(events, name)
    if not performance.notes and not is_interrupted:
        raise RequestError("Nothing was played", "Try another seed or a higher temperature")
    return Composed(performance, request.seed + take, len(events), elapsed, first_note_s, is_interrupted)


def performance_of_events(events: Sequence[Note | Pedal], name: str = "") -> Performance:
    """The events as a performance in which no pedal stays down."""
    notes = [event for event in events if isinstance(event, Note)]
    pedals = [event for event in events if isinstance(event, Pedal)]
    end = max([note.end for note in notes] + [pedal.time for pedal in pedals], default=0.0)
    last = {pedal.controller: pedal.value for pedal in pedals}
    lifts = [Pedal(end, 0, controller) for controller, value in last.items() if value]
    return Performance.of(notes, pedals + lifts, name).with_repeats_cut()


def take_paths(
    output: Path, melody: Performance | None, styles: Sequence[Performance], seed: int, takes: int
) -> list[Path]:
    """Where each take goes: OUT.mid itself, or "melody – style – seed.mid" in a folder, made if missing.

    Tries to write there now, since composing takes long.
    """
    if output.suffix.lower() == ".wav":
        raise RequestError("A take is a MIDI file", "Give OUT.mid; hommage render makes its sound")
    is_file = output.suffix.lower() in MIDI_SUFFIXES and not output.is_dir()
    if is_file and takes > 1:
        raise RequestError(f"{takes} takes don't fit into one file", "Give a folder: -o DIR")
    folder = output.parent if is_file else output
    try:
        if not is_file:
            folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except FileNotFoundError as error:
        raise MidiError(f"There is no folder {folder}", "Make it first, or choose another") from error
    except FileExistsError as error:
        raise MidiError(f"{output} is a file, but no .mid", "Give OUT.mid or a folder") from error
    except OSError as error:
        raise MidiError(f"{output} can't be written: {error.strerror}", "Choose another folder") from error
    if is_file:
        return [output]
    parts = [melody.name if melody else "", " + ".join(style.name for style in styles)]
    named = " – ".join(part[:LONGEST_NAME] for part in parts if part) or "new piece"
    return [folder / f"{named} – {seed + take}.mid" for take in range(takes)]


def write_take(
    path: Path, composed: Composed, like: MidiFile | None = None, recipe: Mapping[str, Any] | None = None
) -> None:
    """Write the take with its recipe, on the tempo map of its melody's file; a file is whole or not there."""
    write_midi(path, composed.performance, like=like and timing_of(like), recipe=recipe)


def timing_of(file: MidiFile) -> MidiFile:
    """What a take has of its melody's file: tempo map, meters, key signatures, and no more."""
    return MidiFile(tempo_map=file.tempo_map, meters=file.meters, key_signatures=file.key_signatures)


def described(path: Path, composed: Composed, melody: Performance | None, style: Performance | None) -> dict[str, Any]:
    """The take in figures. realtime: seconds of music a second; without melody or style their measures are None."""
    take = composed.performance
    return {
        "path": str(path),
        "seed": composed.seed,
        "seconds": take.seconds,
        "notes": len(take),
        "steps": composed.steps,
        "elapsed_s": composed.elapsed_s,
        "realtime": take.seconds / max(composed.elapsed_s, 1e-6),
        "first_note_s": composed.first_note_s,
        "melody_recall": melody_recall(melody, take) if melody else None,
        "melody_f1": melody_f1(melody, take) if melody else None,
        "similarity": similarity(take, style) if style else None,
    }
