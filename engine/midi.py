"""Standard MIDI files to performances and back, through mido."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import mido
import numpy as np

from engine.errors import MidiError
from engine.performance import SOFT, SOSTENUTO, SUSTAIN, Note, Pedal, Performance

if TYPE_CHECKING:
    import pretty_midi

DRUM_CHANNEL = 9
MICROSECONDS_PER_BEAT = 500_000  # a file's tempo until it says another
TICKS_PER_BEAT = MICROSECONDS_PER_BEAT // 1000  # one tick is one millisecond
PEDALS = (SUSTAIN, SOSTENUTO, SOFT)
LONGEST = 24 * 3600  # seconds: a broken time in a file can say weeks, and nobody can draw or play that
LAST_TICK = 2**53  # the last that a float holds exactly; times in a broken file have no bound
STUCK = 0.5  # seconds that a key lasts at least whose release is missing
FILE_MODE = 0o644


def read_midi(path: str | Path) -> Performance:
    """The performance in a MIDI file: all tracks and channels but drums, in seconds by the file's tempo map.

    Raises MidiError where the file is missing, is no MIDI file, or has no notes.
    """
    path = Path(path)
    file = _open(path)
    notes, pedals = _events(file)
    last = max((note.end for note in notes), default=0.0)
    if last > LONGEST:
        raise MidiError(f"{path.name} lasts {last / 3600:.0f} hours: it seems damaged", "Choose another file")
    if not notes:
        raise MidiError(f"{path.name} has no notes in it", "Choose a file with something played on keys")
    return Performance.of(notes, pedals, path.stem)


def _open(path: Path) -> mido.MidiFile:
    try:
        if path.is_dir():
            raise MidiError(f"{path} is a folder", "Choose a MIDI file inside it")
        if path.stat().st_size == 0:
            raise MidiError(f"{path.name} is empty", "Choose another file")
        return mido.MidiFile(path, clip=True)
    except MidiError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MidiError(f"There is no file {path}", "Check the name") from error
    except PermissionError as error:
        raise MidiError(f"{path} can't be opened: no permission", "Check who may read it") from error
    except Exception as error:  # mido's parser fails in many ways on bytes that are no MIDI
        raise MidiError(f"{path.name} is not a readable MIDI file", "Choose a .mid file") from error


def _events(file: mido.MidiFile) -> tuple[list[Note], list[Pedal]]:
    """Notes and pedal movements of all tracks. A repeated key ends its earlier note; a stuck one ends with the file.

    A key is held by its own track and channel: two tracks may hold the same pitch.
    """
    messages = _messages(file)
    seconds = _seconds(file, messages)
    notes: list[Note] = []
    pedals: list[Pedal] = []
    held: dict[tuple[int, int, int], tuple[float, int]] = {}
    for (_, track, message), time in zip(messages, seconds, strict=True):
        kind = message.type
        if kind not in ("note_on", "note_off", "control_change") or message.channel == DRUM_CHANNEL:
            continue
        if kind == "control_change":
            if message.control in PEDALS:
                pedals.append(Pedal(time, message.value, message.control))
            continue
        key = track, message.channel, message.note
        if key in held:
            start, velocity = held.pop(key)
            notes.append(Note(start, time, message.note, velocity))
        if kind == "note_on" and message.velocity:
            held[key] = time, message.velocity
    for (_, _, pitch), (start, velocity) in held.items():
        notes.append(Note(start, max(seconds[-1], start + STUCK), pitch, velocity))
    return [note for note in notes if note.end > note.start], pedals


def _messages(file: mido.MidiFile) -> list[tuple[int, int, mido.Message]]:
    """(tick, track, message) of all tracks in order of time."""
    messages: list[tuple[int, int, mido.Message]] = []
    for number, track in enumerate(file.tracks):
        tick = 0
        for message in track:
            tick += message.time
            messages.append((min(tick, LAST_TICK), number, message))
    messages.sort(key=lambda item: item[0])
    return messages


def _seconds(file: mido.MidiFile, messages: list[tuple[int, int, mido.Message]]) -> list[float]:
    """Seconds of each message by the tempo map."""
    if file.ticks_per_beat <= 0:
        raise MidiError(f"Division {file.ticks_per_beat} is not usable: ticks per beat must be 1..32767")
    ticks = np.array([tick for tick, _, _ in messages], dtype=np.float64)
    tempos = [(0, MICROSECONDS_PER_BEAT)] + [(tick, m.tempo) for tick, _, m in messages if m.type == "set_tempo"]
    at = np.array([tick for tick, _ in tempos], dtype=np.float64)
    tempo = np.array([tempo for _, tempo in tempos], dtype=np.float64)
    # Divided last: whole numbers add up exactly, so a written millisecond is read as the same float.
    begin = np.concatenate([[0.0], np.cumsum(np.diff(at) * tempo[:-1])])
    index = np.searchsorted(at, ticks, side="right") - 1
    times = (begin[index] + (ticks - at[index]) * tempo[index]) / (1e6 * file.ticks_per_beat)
    return list(times.tolist())


def write_midi(path: str | Path, *performances: Performance) -> None:
    """Write performances as the tracks of one type 1 file, one tick a millisecond; never leaves half a file.

    Raises MidiError where the place can't be written.
    """
    path = Path(path)
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_BEAT)
    file.tracks.extend(_track(performance) for performance in performances)
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".part", delete=False) as temporary:
            try:
                file.save(file=temporary)
                temporary.close()
                os.chmod(temporary.name, FILE_MODE)
                os.replace(temporary.name, path)
            except BaseException:
                Path(temporary.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise MidiError(f"{path} can't be written: {error.strerror}", "Choose another folder") from error


def _track(performance: Performance) -> mido.MidiTrack:
    track = mido.MidiTrack()
    if performance.name:
        name = performance.name.encode("latin-1", "replace").decode("latin-1")
        track.append(mido.MetaMessage("track_name", name=name))
    track.append(mido.MetaMessage("set_tempo", tempo=MICROSECONDS_PER_BEAT))  # some programs assume their own
    track.append(mido.Message("program_change", program=0))
    last = 0
    for tick, _, message in sorted(_timed(performance), key=lambda item: item[:2]):
        track.append(message.copy(time=tick - last))
        last = tick
    return track


def _timed(performance: Performance) -> Iterable[tuple[int, int, mido.Message]]:
    """(tick, order within the tick, message): key up, then pedals, then key down.

    Every note lasts a tick at least, and until its key is struck again at most; of two strokes of one key in one tick
    the last is written.
    """
    strokes: list[tuple[int, int, mido.Message]] = []
    next_stroke: dict[int, int] = {}
    for note in reversed(performance.notes):
        start = max(round(note.start * 1000), 0)
        end = max(round(note.end * 1000), start + 1)
        following = next_stroke.get(note.pitch, end)
        if following > start:
            strokes.append((start, 2, mido.Message("note_on", note=note.pitch, velocity=note.velocity)))
            strokes.append((min(end, following), 0, mido.Message("note_off", note=note.pitch, velocity=0)))
            next_stroke[note.pitch] = start
    yield from reversed(strokes)
    for pedal in performance.pedals:
        message = mido.Message("control_change", control=pedal.controller, value=pedal.value)
        yield max(round(pedal.time * 1000), 0), 1, message


def to_pretty_midi(performance: Performance) -> pretty_midi.PrettyMIDI:
    """The performance as a pretty_midi object with one piano, for notebooks."""
    import pretty_midi

    piano = pretty_midi.Instrument(program=0, name=performance.name)
    piano.notes = [pretty_midi.Note(n.velocity, n.pitch, n.start, n.end) for n in performance.notes]
    piano.control_changes = [pretty_midi.ControlChange(p.controller, p.value, p.time) for p in performance.pedals]
    midi = pretty_midi.PrettyMIDI()
    midi.instruments.append(piano)
    return midi


def from_pretty_midi(midi: pretty_midi.PrettyMIDI, name: str = "") -> Performance:
    """The performance in a pretty_midi object: all instruments but drums."""
    parts = [part for part in midi.instruments if not part.is_drum]
    notes = (Note(n.start, n.end, n.pitch, n.velocity) for part in parts for n in part.notes if n.end > n.start)
    changes = (c for part in parts for c in part.control_changes if c.number in PEDALS)
    return Performance.of(notes, (Pedal(c.time, c.value, c.number) for c in changes), name)
