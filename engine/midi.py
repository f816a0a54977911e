"""MIDI files to performances and back: notes, pedals, tempo map, meters, markers, lyrics, and the recipe of a take.

Where the standard is silent this does as players do:
- A key is held by its own track and channel; struck again it ends its earlier note. All Notes Off ends what its channel
  holds; a key never released is held to the end of the file. A note that lasts no tick is left out.
- A tempo counts from any track, the last of one tick; a tempo of 0 doesn't. Tracks of a type 2 file follow one another.
- Of a file longer than a day, hours in which nothing happens are cut: a broken time can say weeks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain, cycle
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine import midi_file
from engine.errors import MidiError
from engine.midi_file import TEXT, Event, Meta, RawFile, RawTrack, counted, meta_event
from engine.performance import PEDAL_DOWN, SOFT, SOSTENUTO, SUSTAIN, Note, Pedal, Performance

if TYPE_CHECKING:
    import pretty_midi

DRUM_CHANNEL = 9
MICROSECONDS_PER_BEAT = 500_000  # a file's tempo until it says another
TICKS_PER_BEAT = MICROSECONDS_PER_BEAT // 1000  # one tick is one millisecond
PEDALS = (SUSTAIN, SOSTENUTO, SOFT)
NOTE_OFF, NOTE_ON, CONTROL, PROGRAM = 0x8, 0x9, 0xB, 0xC  # messages
IS_PEDAL = np.isin(np.arange(128), PEDALS)  # of each controller
IS_ALL_OFF = np.isin(np.arange(128), (120, 123))  # All Sound Off, All Notes Off
NAME, LYRIC, MARKER, TEMPO, METER, KEY_SIGNATURE = 0x03, 0x05, 0x06, 0x51, 0x58, 0x59  # meta events
SMALLEST_UNIT = 7  # a meter's: 128th notes, as a power of 2
BLANKS = "\0\ufeff \t\r\n"  # around a name
RECIPE = "hommage recipe "  # begins the text event that holds it, as JSON
KARAOKE = "@K"  # begins the text event that makes a file's other texts its lyrics (.kar)

LONGEST = 24 * 3600  # seconds: nobody can draw or play more
LONGEST_GAP, CUT_GAP = 3600, 2  # seconds without an event that a longer file may have, and what is left of a longer gap
STUCK = 0.5  # seconds that a key lasts at least whose release is missing


class Meter(NamedTuple):
    """A time signature. time: seconds; beats of one unit (4: a quarter, 8: an eighth) make a bar."""

    time: float
    beats: int
    unit: int


class KeySignature(NamedTuple):
    """time: seconds; sharps: -7 (seven flats) to 7."""

    time: float
    sharps: int
    is_minor: bool


class Text(NamedTuple):
    """A marker, or a syllable of the lyrics. time: seconds."""

    time: float
    text: str


@dataclass(frozen=True)
class Track:
    """What one track plays on one channel (0..15), in order as in a Performance; program: its first, 0 is a piano."""

    name: str = ""
    channel: int = 0
    program: int = 0
    notes: tuple[Note, ...] = ()
    pedals: tuple[Pedal, ...] = ()


@dataclass(frozen=True)
class TempoMap:
    """Ticks to seconds and back. changes: (tick, microseconds a beat) in order, the first at tick 0."""

    ticks_per_beat: int = TICKS_PER_BEAT
    changes: tuple[tuple[int, int], ...] = ((0, MICROSECONDS_PER_BEAT),)

    @cached_property
    def _table(self) -> NDArray[np.float64]:
        """Of each change its tick, its tempo, and its time times ticks a beat, in microseconds: (3, changes)."""
        at, tempo = np.array(self.changes, dtype=np.float64).T
        return np.stack([at, tempo, np.concatenate([[0.0], np.cumsum(np.diff(at) * tempo[:-1])])])

    def seconds(self, ticks: ArrayLike) -> NDArray[np.float64]:
        """When these ticks are."""
        at, tempo, begin = self._table
        ticks = np.asarray(ticks, dtype=np.float64)
        index = np.searchsorted(at, ticks, side="right") - 1
        # Divided last: whole numbers add up exactly, so a written millisecond is read as the same float.
        times: NDArray[np.float64] = (begin[index] + (ticks - at[index]) * tempo[index]) / (1e6 * self.ticks_per_beat)
        return times

    def ticks(self, seconds: ArrayLike) -> NDArray[np.int64]:
        """The ticks nearest to these times; 0 for those before the begin."""
        at, tempo, begin = self._table
        scaled = np.maximum(np.asarray(seconds, dtype=np.float64), 0) * (1e6 * self.ticks_per_beat)
        index = np.searchsorted(begin, scaled, side="right") - 1
        nearest: NDArray[np.int64] = np.rint(at[index] + (scaled - begin[index]) / tempo[index]).astype(np.int64)
        return nearest

    def finer(self) -> TempoMap:
        """The same beats in ticks of a millisecond at most, as far as a file can count them."""
        needed = max(tempo for _, tempo in self.changes) / 1000
        times = max(min(-int(-needed // self.ticks_per_beat), midi_file.MAX_DIVISION // self.ticks_per_beat), 1)
        return TempoMap(self.ticks_per_beat * times, tuple((tick * times, tempo) for tick, tempo in self.changes))


@dataclass(frozen=True)
class MidiFile:
    """All that is kept of a MIDI file. name: the file's, without .mid; repairs: a line for each thing mended in it."""

    name: str = ""
    tracks: tuple[Track, ...] = ()
    tempo_map: TempoMap = TempoMap()
    meters: tuple[Meter, ...] = ()
    key_signatures: tuple[KeySignature, ...] = ()
    markers: tuple[Text, ...] = ()
    lyrics: tuple[Text, ...] = ()
    recipe: Mapping[str, Any] | None = None
    format: int = 1
    repairs: tuple[str, ...] = ()

    @cached_property
    def performance(self) -> Performance:
        """The notes and pedals of all tracks but drums."""
        played = [track for track in self.tracks if track.channel != DRUM_CHANNEL]
        notes = chain.from_iterable(track.notes for track in played)
        return Performance.of(notes, chain.from_iterable(track.pedals for track in played), self.name)


def read_midi(path: str | Path) -> Performance:
    """The performance in a MIDI file: all tracks and channels but drums, in seconds by the file's tempo map.

    Raises MidiError where the file is missing, is no MIDI file, or has no notes.
    """
    performance = read_file(path).performance
    if not performance.notes:
        raise MidiError(f"{Path(path).name} has no notes in it", "Choose a file with something played on keys")
    return performance


def read_file(path: str | Path) -> MidiFile:
    """All that a MIDI file holds, with what was broken mended; it may have no notes.

    Raises MidiError where the file is missing, is no MIDI file, or is beyond a bound (bytes, tracks, events, seconds).
    """
    path = Path(path)
    return decode_file(midi_file.read_bytes(path), path.name)


def decode_file(content: bytes, name: str) -> MidiFile:
    """All that a MIDI file of these bytes and this name holds. Raises MidiError as `read_file`."""
    raw = midi_file.parse(content, name)
    repairs = list(raw.repairs)
    if raw.format == 2:
        raw = _one_after_another(raw)
    raw, tempo_map = _without_long_gaps(raw, _tempo_map(raw, repairs), repairs)
    tracks = tuple(_tracks(raw, tempo_map, repairs))
    last = max((note.end for track in tracks for note in track.notes), default=0.0)
    if last > LONGEST:
        raise MidiError(f"{name} lasts {last / 3600:,.0f} hours: it seems damaged", "Choose another file")
    texts = _texts(raw, tempo_map, TEXT)
    return MidiFile(
        name=Path(name).stem,
        tracks=tracks,
        tempo_map=tempo_map,
        meters=tuple(dict.fromkeys(_meters(raw, tempo_map, repairs))),  # some say them in each track
        key_signatures=tuple(dict.fromkeys(_key_signatures(raw, tempo_map, repairs))),
        markers=_texts(raw, tempo_map, MARKER),
        lyrics=_texts(raw, tempo_map, LYRIC) or _karaoke(texts),
        recipe=_recipe(texts, repairs),
        format=raw.format,
        repairs=tuple(repairs),
    )


def _one_after_another(raw: RawFile) -> RawFile:
    """A type 2 file's tracks, each beginning where the one before ends, at the usual tempo until it says another."""
    begin = 0
    tracks: list[RawTrack] = []
    for track in raw.tracks:
        usual = Meta(begin, TEMPO, MICROSECONDS_PER_BEAT.to_bytes(3, "big"))
        moved = track.with_ticks(partial(np.add, begin))
        tracks.append(replace(moved, metas=(usual, *moved.metas)))
        begin = moved.end
    return replace(raw, tracks=tuple(tracks))


def _tempo_map(raw: RawFile, repairs: list[str]) -> TempoMap:
    if raw.fixed_tempo:
        return TempoMap(raw.ticks_per_beat, ((0, raw.fixed_tempo),))
    tempos = {0: MICROSECONDS_PER_BEAT}
    for meta in _usable(raw, TEMPO, "tempo", lambda content: len(content) > 2 and any(content[:3]), repairs):
        tempos[meta.tick] = int.from_bytes(meta.content[:3], "big")
    before = [0, *tempos.values()]
    changes = (change for change, last in zip(tempos.items(), before, strict=False) if change[1] != last)
    return TempoMap(raw.ticks_per_beat, tuple(changes))


def _without_long_gaps(raw: RawFile, tempo_map: TempoMap, repairs: list[str]) -> tuple[RawFile, TempoMap]:
    """The file with its gaps of hours cut, where it would last longer than a day."""
    if tempo_map.seconds(raw.end) <= LONGEST:
        return raw, tempo_map
    moments = [np.append(track.ticks, [0, track.end, *(meta.tick for meta in track.metas)]) for track in raw.tracks]
    ticks = np.unique(np.concatenate(moments)).astype(np.int64)
    gaps = np.diff(tempo_map.seconds(ticks))
    is_long = gaps > LONGEST_GAP
    if is_long.any():
        repairs.append(f"{gaps[is_long].sum() / 3600:,.0f} hours in which nothing happens were cut")
    cut = np.where(is_long, np.diff(ticks) * (1 - CUT_GAP / np.maximum(gaps, CUT_GAP)), 0).astype(np.int64)
    earlier = np.append(0, np.cumsum(cut))

    def moved(moments: NDArray[np.int64]) -> NDArray[np.int64]:
        sooner: NDArray[np.int64] = moments - earlier[np.searchsorted(ticks, moments)]
        return sooner

    at, tempos = np.array(tempo_map.changes).T
    changes = zip(moved(at).tolist(), tempos.tolist(), strict=True)
    shorter = replace(raw, tracks=tuple(track.with_ticks(moved) for track in raw.tracks))
    return shorter, replace(tempo_map, changes=tuple(changes))


def _tracks(raw: RawFile, tempo_map: TempoMap, repairs: list[str]) -> Iterator[Track]:
    """What the tracks play on each of their channels; one that plays nothing is kept for its name."""
    for number, track in enumerate(raw.tracks, 1):
        name = next((raw.text(meta).strip(BLANKS) for meta in track.metas if meta.kind == NAME), "")
        said: list[str] = []
        notes = _notes(track, tempo_map, raw.end, said)
        pedals = _pedals(track, tempo_map)
        repairs.extend(f"track {number}: {repair}" for repair in said)
        if any(_is_held(moves) for moves in pedals.values()):
            repairs.append(f"track {number}: the pedal is never lifted")
        is_program = track.kinds == PROGRAM
        programs = zip(track.channels[is_program].tolist(), track.firsts[is_program].tolist(), strict=True)
        first_program = dict(reversed(list(programs)))
        for channel in sorted(notes.keys() | pedals.keys()) or [0] * bool(name):
            program = first_program.get(channel, 0)
            yield Track(name, channel, program, notes.get(channel, ()), pedals.get(channel, ()))


def _notes(track: RawTrack, tempo_map: TempoMap, file_end: int, repairs: list[str]) -> dict[int, tuple[Note, ...]]:
    """The notes on each channel. file_end: tick of the file's last event."""
    never = len(track.ticks)
    event = np.flatnonzero((track.kinds == NOTE_ON) | (track.kinds == NOTE_OFF))
    key = track.channels[event] << 7 | track.firsts[event]
    by_key = np.argsort(key, kind="stable")
    event, key = event[by_key], key[by_key]
    following = np.append(event[1:], never)[: len(event)]
    following[:-1][key[1:] != key[:-1]] = never
    is_stroke = (track.kinds[event] == NOTE_ON) & (track.values[event] > 0)
    stroke = event[is_stroke]
    release = np.minimum(following[is_stroke], _next_all_off(track, stroke))
    if stuck := int(np.count_nonzero(release == never)):
        repairs.append(f"{counted(stuck, 'note')} never released, held to the end")
    start_tick = track.ticks[stroke]
    start = tempo_map.seconds(start_tick)
    at_last = np.maximum(np.maximum(tempo_map.ticks(start + STUCK), start_tick + 1), file_end)
    end = tempo_map.seconds(np.where(release == never, at_last, np.append(track.ticks, 0)[release]))
    if brief := int(np.count_nonzero(end <= start)):
        repairs.append(f"{counted(brief, 'note')} of no length left out")
    channel, pitch, velocity = (column[stroke] for column in (track.channels, track.firsts, track.values))
    order = np.lexsort((pitch, start, channel))
    order = order[end[order] > start[order]]
    columns = (column[order].tolist() for column in (start, end, pitch, velocity))
    return _by_channel(channel[order], list(map(Note, *columns)))


def _next_all_off(track: RawTrack, stroke: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of each stroke's event the next one that releases all keys of its channel; where there is none, one too many."""
    release = np.full(len(stroke), len(track.ticks))
    is_all_off = (track.kinds == CONTROL) & IS_ALL_OFF[track.firsts]
    for channel in np.unique(track.channels[is_all_off]):
        on_channel = track.channels[stroke] == channel
        events = np.flatnonzero(is_all_off & (track.channels == channel))
        release[on_channel] = np.append(events, len(track.ticks))[np.searchsorted(events, stroke[on_channel])]
    return release


def _pedals(track: RawTrack, tempo_map: TempoMap) -> dict[int, tuple[Pedal, ...]]:
    """The pedal movements on each channel."""
    event = np.flatnonzero((track.kinds == CONTROL) & IS_PEDAL[track.firsts])
    event = event[np.argsort(track.channels[event], kind="stable")]
    columns = tempo_map.seconds(track.ticks[event]).tolist(), track.values[event].tolist(), track.firsts[event].tolist()
    return _by_channel(track.channels[event], list(map(Pedal, *columns)))


def _by_channel(channel: NDArray[np.int64], items: list[Any]) -> dict[int, tuple[Any, ...]]:
    """Items in order of their channel, apart."""
    channels, begins = np.unique(channel, return_index=True)
    bounds = [*begins.tolist(), len(items)]
    return {number: tuple(items[bounds[i] : bounds[i + 1]]) for i, number in enumerate(channels.tolist())}


def _is_held(pedals: Iterable[Pedal]) -> bool:
    """Whether the sustain pedal is down after all its movements."""
    values = [pedal.value for pedal in pedals if pedal.controller == SUSTAIN]
    return bool(values) and values[-1] >= PEDAL_DOWN


def _meters(raw: RawFile, tempo_map: TempoMap, repairs: list[str]) -> Iterator[Meter]:
    def is_possible(content: bytes) -> bool:
        return len(content) > 1 and content[0] > 0 and content[1] <= SMALLEST_UNIT

    for time, meta in _timed(tempo_map, _usable(raw, METER, "meter", is_possible, repairs)):
        yield Meter(time, meta.content[0], 1 << meta.content[1])


def _key_signatures(raw: RawFile, tempo_map: TempoMap, repairs: list[str]) -> Iterator[KeySignature]:
    def is_possible(content: bytes) -> bool:
        return len(content) > 1 and content[1] < 2 and abs(_signed(content[0])) <= 7

    for time, meta in _timed(tempo_map, _usable(raw, KEY_SIGNATURE, "key signature", is_possible, repairs)):
        yield KeySignature(time, _signed(meta.content[0]), meta.content[1] == 1)


def _signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte


def _texts(raw: RawFile, tempo_map: TempoMap, kind: int) -> tuple[Text, ...]:
    metas = [meta for meta in raw.metas if meta.kind == kind]
    return tuple(Text(time, raw.text(meta)) for time, meta in _timed(tempo_map, metas))


def _usable(
    raw: RawFile, kind: int, title: str, is_possible: Callable[[bytes], object], repairs: list[str]
) -> list[Meta]:
    """The meta events of a kind, without those that say what can't be."""
    metas = [meta for meta in raw.metas if meta.kind == kind]
    possible = [meta for meta in metas if is_possible(meta.content)]
    if len(possible) < len(metas):
        repairs.append(f"{counted(len(metas) - len(possible), f'impossible {title}')} passed over")
    return possible


def _timed(tempo_map: TempoMap, metas: list[Meta]) -> Iterator[tuple[float, Meta]]:
    """Meta events with their seconds."""
    return zip(tempo_map.seconds([meta.tick for meta in metas]).tolist(), metas, strict=True)


def _karaoke(texts: Iterable[Text]) -> tuple[Text, ...]:
    """The lyrics of a karaoke file, which has them among its plain texts; those with an @ are about the file."""
    texts = tuple(texts)
    if not any(each.text.startswith(KARAOKE) for each in texts):
        return ()
    return tuple(each for each in texts if not each.text.startswith("@"))


def _recipe(texts: Iterable[Text], repairs: list[str]) -> Mapping[str, Any] | None:
    """The settings that `write_midi` put into a text."""
    text = next((text for _, text in texts if text.startswith(RECIPE)), None)
    if text is None:
        return None
    try:
        return dict(json.loads(text.removeprefix(RECIPE)))
    except (ValueError, TypeError, RecursionError):
        repairs.append("its recipe is damaged and was passed over")
        return None


def write_midi(
    path: str | Path, *performances: Performance, like: MidiFile | None = None, recipe: Mapping[str, Any] | None = None
) -> None:
    """Write performances as the tracks of one type 1 file, each on a channel of its own; never leaves half a file.

    like: the file whose tempo map, meters, keys, markers and lyrics it takes, so that bars line up; without it a tick
    is a millisecond at 120 beats a minute. recipe: what `read_file` gives back, as JSON holds it.
    Raises MidiError where the place can't be written.
    """
    channels = [channel for channel in range(16) if channel != DRUM_CHANNEL]
    parts = zip(performances, cycle(channels), strict=False)
    tracks = (Track(each.name, channel, 0, each.notes, each.pedals) for each, channel in parts)
    like = like or MidiFile()
    write_file(path, replace(like, tracks=tuple(tracks), tempo_map=like.tempo_map.finer(), recipe=recipe))


def write_file(path: str | Path, file: MidiFile) -> None:
    """Write all of a file but its repairs as type 1, one track for each of its own; never leaves half a file.

    Raises MidiError where the place can't be written.
    """
    midi_file.write_bytes(Path(path), encode_file(file))


def encode_file(file: MidiFile) -> bytes:
    """The bytes that `write_file` writes."""
    tracks = [_track_events(track, file.tempo_map) for track in file.tracks] or [[]]
    tracks[0] = sorted([*_file_events(file), *tracks[0]], key=itemgetter(0))
    return midi_file.join(file.tempo_map.ticks_per_beat, tracks)


def _file_events(file: MidiFile) -> Iterator[Event]:
    """(tick, bytes) of what concerns all tracks; the standard puts it into the first."""
    for tick, tempo in file.tempo_map.changes:
        yield tick, meta_event(TEMPO, tempo.to_bytes(3, "big"))
    told: list[tuple[float, int, bytes]] = []
    told += [(time, METER, bytes([beats, unit.bit_length() - 1, 24, 8])) for time, beats, unit in file.meters]
    told += [(time, KEY_SIGNATURE, bytes([sharps % 256, minor])) for time, sharps, minor in file.key_signatures]
    told += [(time, MARKER, _encoded(text)) for time, text in file.markers]
    told += [(time, LYRIC, _encoded(text)) for time, text in file.lyrics]
    if file.recipe is not None:
        told.append((0.0, TEXT, _encoded(RECIPE + json.dumps(file.recipe))))
    ticks = file.tempo_map.ticks([time for time, _, _ in told]).tolist()
    yield from ((tick, meta_event(kind, content)) for tick, (_, kind, content) in zip(ticks, told, strict=True))


def _track_events(track: Track, tempo_map: TempoMap) -> list[Event]:
    """(tick, bytes) of a track in order; within a tick key up, then pedals, then key down.

    Every note lasts a tick at least, and until its key is struck again at most; of two strokes of one key in one tick
    the last is written.
    """
    starts = tempo_map.ticks([note.start for note in track.notes]).tolist()
    ends = tempo_map.ticks([note.end for note in track.notes]).tolist()
    strokes: list[tuple[int, int, bytes]] = []
    next_stroke: dict[int, int] = {}
    for note, start, end in zip(reversed(track.notes), reversed(starts), reversed(ends), strict=True):
        following = next_stroke.get(note.pitch)
        if following is not None and following <= start:
            continue
        end = max(end, start + 1) if following is None else min(max(end, start + 1), following)
        strokes.append((start, 2, _message(NOTE_ON, track.channel, note.pitch, note.velocity)))
        strokes.append((end, 0, _message(NOTE_OFF, track.channel, note.pitch, 0)))
        next_stroke[note.pitch] = start
    moments = tempo_map.ticks([pedal.time for pedal in track.pedals]).tolist()
    moves = (
        (tick, 1, _message(CONTROL, track.channel, pedal.controller, pedal.value))
        for tick, pedal in zip(moments, track.pedals, strict=True)
    )
    name = [(0, meta_event(NAME, _encoded(track.name)))] if track.name else []
    played = sorted([*reversed(strokes), *moves], key=itemgetter(0, 1))
    program = 0, _message(PROGRAM, track.channel, track.program)
    return [*name, program, *((tick, event) for tick, _, event in played)]


def _message(kind: int, channel: int, *values: int) -> bytes:
    if max(values) > 127:
        raise ValueError(f"{values} can't be written: MIDI values must be 0..127")
    return bytes([kind << 4 | channel, *values])


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


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
