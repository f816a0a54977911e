"""A written score, and its sound: repeats unfolded, ties joined, grace notes played.

What a reader makes is a list of parts with the same measures; what comes of it is a MidiFile, as of any other file.
- The order of measures follows repeats, numbered endings, D.C., D.S., Fine and Coda; after a jump nothing is repeated.
  A repeat without a begin goes back to the last begin there was, or to the first measure (MuseScore, music21).
- Grace notes are played before the beat, an eighth of a quarter each at most, in the time of the note before them; with
  nothing before them they come on the beat and their note after them.
- Trills and other ornaments are not played out; dynamics are not read: a melody needs neither.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import groupby
from typing import NamedTuple

from engine.errors import ScoreError
from engine.midi import DRUM_CHANNEL, LONGEST, KeySignature, Meter, MidiFile, TempoMap, Text, Track
from engine.performance import Note

TICKS_PER_BEAT = 10_080  # a quarter; 2, 3, 5 and 7 divide it
GRACE = Fraction(1, 8)  # quarters that a grace note lasts at most
VELOCITY = 80  # a note's that is written
SLOWEST, FASTEST = 4, 60_000  # quarters a minute: beyond a file's tempo
MAX_MEASURES = 20_000  # unfolded
MAX_NOTES = 500_000  # unfolded, as many as a MIDI file may have

SEGNO, CODA, TO_CODA, FINE, DA_CAPO, DAL_SEGNO = "segno", "coda", "to coda", "fine", "da capo", "dal segno"


class Written(NamedTuple):
    """One written note. onset: quarters since its measure's begin; length: quarters; pitch: as it sounds.

    grace: 0, or its place (1, 2, …) among the grace notes before a note, and then its length doesn't count. is_tied:
    it goes on into the next note of its pitch. lyric: a syllable, a space after a word's last.
    """

    onset: Fraction
    length: Fraction
    pitch: int
    voice: str = ""
    is_tied: bool = False
    grace: int = 0
    lyric: str = ""


class Tempo(NamedTuple):
    """onset: quarters since the measure's begin; speed: quarters a minute."""

    onset: Fraction
    speed: float


@dataclass
class Measure:
    """A measure of one part. length: quarters; meter: beats and unit; key: sharps and whether it is minor.

    repeats: how often the stretch that ends with it is played, 0 where none ends; endings: the numbers of the bracket
    over it; signs: SEGNO to DAL_SEGNO.
    """

    notes: list[Written] = field(default_factory=list)
    length: Fraction = Fraction(0)
    tempos: list[Tempo] = field(default_factory=list)
    meter: tuple[int, int] | None = None
    key: tuple[int, bool] | None = None
    is_repeat_start: bool = False
    repeats: int = 0
    endings: frozenset[int] = frozenset()
    signs: frozenset[str] = frozenset()


@dataclass
class Part:
    """program: its instrument, 0 is a piano."""

    name: str
    measures: list[Measure] = field(default_factory=list)
    program: int = 0


class _Sounding(NamedTuple):
    """A note in its place in the unfolded score. start, end: quarters; tie: Written.is_tied."""

    start: Fraction
    end: Fraction
    written: Written


def score_file(parts: Sequence[Part], name: str, repairs: Iterable[str] = ()) -> MidiFile:
    """What these parts sound like. name: the file's, without its suffix. Raises ScoreError beyond a bound."""
    together = _together(parts)
    order = measure_order(together)
    if len(order) == MAX_MEASURES:
        raise ScoreError(f"{name} has more than {MAX_MEASURES:,} measures with its repeats", "Choose a shorter piece")
    begins = _begins([together[index].length for index in order])
    if sum(len(part.measures[i].notes) for part in parts for i in order if i < len(part.measures)) > MAX_NOTES:
        raise ScoreError(f"{name} has more than {MAX_NOTES:,} notes with its repeats", "Choose a shorter piece")
    tempo_map = _tempo_map(together, order, begins)
    if tempo_map.seconds(_tick(begins[-1])) > LONGEST:
        raise ScoreError(f"{name} lasts more than {LONGEST // 3600} hours", "Choose a shorter piece")
    channels = [channel for channel in range(16) if channel != DRUM_CHANNEL]
    tracks: list[Track] = []
    lyrics: list[Text] = []
    for number, part in enumerate(parts):
        sung = _sounding(part, order, begins)
        lyrics += (Text(_seconds(tempo_map, each.start), each.written.lyric) for each in sung if each.written.lyric)
        notes = _notes(_with_graces(_joined(sung)), tempo_map)
        tracks.append(Track(part.name, channels[number % len(channels)], part.program, notes))
    signatures = [(_seconds(tempo_map, begins[at]), together[index]) for at, index in enumerate(order)]
    meters = [Meter(time, *measure.meter) for time, measure in signatures if measure.meter]
    keys = [KeySignature(time, *measure.key) for time, measure in signatures if measure.key]
    return MidiFile(
        name=name,
        tracks=tuple(tracks),
        tempo_map=tempo_map,
        meters=tuple(each for i, each in enumerate(meters) if not i or each[1:] != meters[i - 1][1:]),
        key_signatures=tuple(each for i, each in enumerate(keys) if not i or each[1:] != keys[i - 1][1:]),
        lyrics=tuple(sorted(lyrics)),
        repairs=tuple(repairs),
    )


def _together(parts: Sequence[Part]) -> list[Measure]:
    """The measures of all parts as one, without notes: longest lengths, every sign, tempo, meter and key in force."""
    whole: list[Measure] = []
    tempo = Tempo(Fraction(0), 120.0)
    meter: tuple[int, int] | None = None
    key: tuple[int, bool] | None = None
    for index in range(max((len(part.measures) for part in parts), default=0)):
        same = [part.measures[index] for part in parts if index < len(part.measures)]
        tempos = sorted({tempo for measure in same for tempo in measure.tempos})
        meter = next((measure.meter for measure in same if measure.meter), meter)
        key = next((measure.key for measure in same if measure.key), key)
        whole.append(
            Measure(
                length=max(measure.length for measure in same),
                tempos=[tempo._replace(onset=Fraction(0)), *tempos],
                meter=meter,
                key=key,
                is_repeat_start=any(measure.is_repeat_start for measure in same),
                repeats=max(measure.repeats for measure in same),
                endings=frozenset[int]().union(*(measure.endings for measure in same)),
                signs=frozenset[str]().union(*(measure.signs for measure in same)),
            )
        )
        tempo = tempos[-1] if tempos else tempo
    return whole


def measure_order(measures: Sequence[Measure]) -> list[int]:
    """The indices of the measures as they are played; of an endless piece the first MAX_MEASURES."""
    order: list[int] = []
    repeated: Counter[int] = Counter()  # how often the piece went back at each measure
    turns: dict[int, int] = {}  # by start
    at = start = 0
    turn, back_from = 1, -1  # of the stretch from `start` on, and where it began again
    has_jumped = False
    while at < len(measures) and len(order) < MAX_MEASURES:
        measure = measures[at]
        if measure.is_repeat_start and at != start:
            start, turn = at, 1
        elif not measure.endings and at > start and measures[at - 1].endings:
            turn = 1
        if measure.endings and start not in turns:
            turns[start] = _turns(measures, start)
        if measure.endings and (turns[start] if has_jumped else turn) not in measure.endings:
            at += 1
            continue
        order.append(at)
        played = [repeated[at] + 1, *([turn] if measure.endings else [])]  # times; a bracket counts its turns too
        if has_jumped:
            if FINE in measure.signs:
                break
            coda = _index_of(CODA, measures)
            at = coda if TO_CODA in measure.signs and coda is not None and coda > at else at + 1
        elif measure.repeats and max(played) < (turns[start] if measure.endings else measure.repeats):
            repeated[at] += 1
            turn, back_from = turn + 1, at
            at = start
        elif measure.signs & {DA_CAPO, DAL_SEGNO}:
            has_jumped = True
            at = start = (_index_of(SEGNO, measures) or 0) if DAL_SEGNO in measure.signs else 0
        else:
            at += 1
            if back_from == at - 1 and not (at < len(measures) and measures[at].endings):
                turn, back_from = 1, -1  # done, but a bracket would still belong to it
    return order


def _turns(measures: Sequence[Measure], start: int) -> int:
    """How often the stretch from a measure on is played if it has endings: as often as they are numbered, or twice."""
    numbers = {0}
    for measure in measures[start:]:
        if len(numbers) > 1 and (not measure.endings or measure.is_repeat_start):
            break
        numbers |= measure.endings
    return max(2, *numbers)


def _index_of(sign: str, measures: Sequence[Measure]) -> int | None:
    return next((index for index, measure in enumerate(measures) if sign in measure.signs), None)


def _begins(lengths: Iterable[Fraction]) -> list[Fraction]:
    """Where each measure begins, and the end."""
    begins = [Fraction(0)]
    for length in lengths:
        begins.append(begins[-1] + length)
    return begins


def _tick(quarters: Fraction) -> int:
    return round(quarters * TICKS_PER_BEAT)


def _seconds(tempo_map: TempoMap, quarters: Fraction) -> float:
    return float(tempo_map.seconds(_tick(quarters)))


def _tempo_map(measures: Sequence[Measure], order: Sequence[int], begins: Sequence[Fraction]) -> TempoMap:
    tempos = {0: 500_000}
    for begin, index in zip(begins, order, strict=False):
        for onset, speed in measures[index].tempos:
            tempos[_tick(begin + onset)] = round(60e6 / min(max(speed, SLOWEST), FASTEST))
    ordered = sorted(tempos.items())
    kept = [change for i, change in enumerate(ordered) if not i or change[1] != ordered[i - 1][1]]
    return TempoMap(TICKS_PER_BEAT, tuple(kept))


def _sounding(part: Part, order: Sequence[int], begins: Sequence[Fraction]) -> list[_Sounding]:
    """The notes of a part in their places, in order of their measures."""
    found: list[_Sounding] = []
    for begin, index in zip(begins, order, strict=False):
        if index < len(part.measures):
            for each in part.measures[index].notes:
                onset = begin + each.onset
                found.append(_Sounding(onset, onset if each.grace else onset + each.length, each))
    return found


def _joined(notes: Iterable[_Sounding]) -> list[_Sounding]:
    """The notes with each tied one and the next of its pitch, which begins where it ends, as one."""
    joined: list[_Sounding] = []
    open_ties: dict[tuple[int, Fraction], int] = {}  # by pitch and end, the index of the note
    for each in notes:
        index = None if each.written.grace else open_ties.pop((each.written.pitch, each.start), None)
        if index is None:
            index = len(joined)
            joined.append(each)
        else:
            joined[index] = joined[index]._replace(end=each.end)
        if each.written.is_tied and not each.written.grace:
            open_ties[each.written.pitch, each.end] = index
    return joined


def _with_graces(notes: Sequence[_Sounding]) -> Iterator[_Sounding]:
    """The notes with grace notes in the time of those before them, voice by voice."""
    voices: dict[str, list[_Sounding]] = {}
    for each in notes:
        voices.setdefault(each.written.voice, []).append(each)
    for voice in voices.values():
        yield from _voice_with_graces(sorted(voice, key=lambda each: (each.start, not each.written.grace)))


def _voice_with_graces(voice: Sequence[_Sounding]) -> Iterator[_Sounding]:
    before: list[_Sounding] = []  # what sounds, or is the last that did
    for onset, together in groupby(voice, key=lambda each: each.start):
        struck = list(together)
        graces = [each for each in struck if each.written.grace]
        plain = [each for each in struck if not each.written.grace]
        count = max((each.written.grace for each in graces), default=0)
        begin = onset
        length = Fraction(0)
        if count and onset > 0:
            room = onset - max((each.start for each in before), default=Fraction(0))
            length = min(GRACE, room / (2 * count))
            begin = onset - count * length
            before = [each._replace(end=min(each.end, begin)) for each in before]
        elif count:
            length = min(GRACE, min((each.end - onset for each in plain), default=GRACE) / (2 * count))
            plain = [each._replace(start=onset + count * length) for each in plain]
        yield from before
        for each in graces:
            start = begin + (each.written.grace - 1) * length
            yield each._replace(start=start, end=start + length)
        before = plain or before[:0]
    yield from before


def _notes(sounding: Iterable[_Sounding], tempo_map: TempoMap) -> tuple[Note, ...]:
    """The notes in order; of two of one pitch at one time the longer."""
    longest: dict[tuple[int, int], int] = {}
    for each in sounding:
        place = _tick(each.start), each.written.pitch
        longest[place] = max(longest.get(place, 0), _tick(each.end))
    placed = [(start, pitch, end) for (start, pitch), end in sorted(longest.items()) if end > start]
    starts = tempo_map.seconds([start for start, _, _ in placed]).tolist()
    ends = tempo_map.seconds([end for _, _, end in placed]).tolist()
    rows = zip(starts, ends, placed, strict=True)
    return tuple(Note(start, end, pitch, VELOCITY) for start, end, (_, pitch, _) in rows)
