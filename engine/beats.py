"""Beats of a free performance, found by the melody in it: bars to export it in, even beats, and free ones again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.errors import RequestError
from engine.midi import MidiFile, TempoMap
from engine.performance import Performance

LEAST_MATCHES = 4  # notes of a melody that tell where beats are, and of which the tempo at its ends is taken
LEAST_SHARE = 0.75  # of the melody's notes
MISSED = 4  # notes of a melody in a row that may not be struck
LEFT_OUT = 0.5  # what each of them counts against a path on which a note counts 1
BENT = 2.5  # by how much the tempo may change from one note to the next
FAR = 1000.0  # beats that a map goes on at both ends
ENDS = 2  # points of a map from `beat_map` that stand for its going on
TICKS = 480  # a beat
BAR = 4.0  # beats, where a file has no meter

Floats = NDArray[np.float64]
Point = tuple[float, float]  # beat, seconds


@dataclass(frozen=True)
class BeatMap:
    """When beats are (quarter notes, counted from the beginning of a file): straight between points, and beyond.

    beats, seconds: (points,), two at least, both increasing.
    """

    beats: tuple[float, ...]
    seconds: tuple[float, ...]

    @classmethod
    def of(cls, tempo_map: TempoMap) -> BeatMap:
        """A file's."""
        last = tempo_map.changes[-1][0] + tempo_map.ticks_per_beat
        ticks = np.array([*(tick for tick, _ in tempo_map.changes), last])
        return cls(tuple((ticks / tempo_map.ticks_per_beat).tolist()), tuple(tempo_map.seconds(ticks).tolist()))

    def seconds_at(self, beats: ArrayLike) -> Floats:
        """When these beats are."""
        return _line(np.asarray(beats, np.float64), np.array(self.beats), np.array(self.seconds))

    def beats_at(self, seconds: ArrayLike) -> Floats:
        """Which beats these times are."""
        return _line(np.asarray(seconds, np.float64), np.array(self.seconds), np.array(self.beats))


def _line(at: Floats, here: Floats, there: Floats) -> Floats:
    slopes = np.diff(there) / np.diff(here)
    before, after = np.minimum(at - here[0], 0), np.maximum(at - here[-1], 0)
    return np.asarray(np.interp(at, here, there) + slopes[0] * before + slopes[-1] * after)


def beat_map(melody: Performance, tempo_map: TempoMap, take: Performance) -> BeatMap:
    """The beats of a take, by the notes of a melody (one voice) that it plays. tempo_map: of the melody's file.

    Raises RequestError where too little of the melody is in the take.
    """
    times, _, pitches, _ = melody.arrays
    found = _followed(times, pitches, take)
    if len(found) < max(LEAST_MATCHES, LEAST_SHARE * len(melody)):
        raise RequestError(
            f"{melody.name or 'The melody'} is not found in {take.name or 'the take'}",
            "Give the melody that is played in it",
        )
    beats = BeatMap.of(tempo_map).beats_at([times[index] for index, _ in found])
    return _going_on(list(zip(beats.tolist(), (second for _, second in found), strict=True)))


def _followed(times: Floats, pitches: NDArray[np.int64], take: Performance) -> list[tuple[int, float]]:
    """Which notes of a melody are struck in a take, and when: a path through the notes of equal pitch that leaves few
    out and whose tempo bends little from note to note, found by dynamic programming."""
    starts, _, played, _ = take.arrays
    table = np.zeros((0, 5))  # of each pair: note of the melody, seconds, score, tempo, the pair before
    for index, (time, pitch) in enumerate(zip(times, pitches, strict=True)):
        struck = starts[played == pitch]
        first = int(np.searchsorted(table[:, 0], index - MISSED - 1))
        before = table[first:]
        ahead = time - times[before[:, 0].astype(int)]
        tempo = (struck[:, None] - before[:, 1]) / np.maximum(ahead, 1e-3)
        bend = np.abs(np.log(np.maximum(tempo, 1e-6) / before[:, 3]))
        score = before[:, 2] + 1 - bend - LEFT_OUT * (index - before[:, 0] - 1)
        score = np.where((bend < np.log(BENT)) & (ahead > 0), score, -np.inf)
        rows = np.stack([np.full(len(struck), index), struck, *np.tile([[1.0], [1.0], [-1.0]], len(struck))], axis=1)
        if len(before) and len(struck):
            best = score.argmax(1)
            value, pace = (part[np.arange(len(struck)), best] for part in (score, tempo))
            goes_on = value > 1
            smooth = np.sqrt(np.maximum(pace, 1e-6) * before[best, 3])
            rows[goes_on, 2:] = np.stack([value, smooth, first + best], axis=1)[goes_on]
        table = np.concatenate([table, rows])
    return _path(table)


def _path(table: Floats) -> list[tuple[int, float]]:
    """Note of the melody and seconds of each pair on the way to the best."""
    path: list[tuple[int, float]] = []
    at = int(table[:, 2].argmax()) if len(table) else -1
    while at >= 0:
        path.append((int(table[at, 0]), float(table[at, 1])))
        at = int(table[at, 4])
    return path[::-1]


def _going_on(points: Sequence[Point]) -> BeatMap:
    """The map of points, going on at both ends at the tempo it has there."""
    (first, begin), (second, soon) = points[0], points[LEAST_MATCHES - 1]
    (before, late), (last, end) = points[-LEAST_MATCHES], points[-1]
    head = (first - FAR, begin - FAR * (soon - begin) / (second - first))
    tail = (last + FAR, end + FAR * (end - late) / (last - before))
    beats, seconds = zip(head, *points, tail, strict=True)
    return BeatMap(beats, seconds)


def in_bars(take: Performance, beats: BeatMap, like: MidiFile) -> tuple[Performance, MidiFile]:
    """A take as it is played, moved as a whole so that it begins with a bar, and the file to write it like, with a
    tempo for each beat: `write_midi(path, take, like=file)`. like: the melody's file."""
    begin, following = beats.seconds_at([0, 1]).tolist()
    tempo = following - begin
    bar = _bars(like)[0][1]
    lead = bar * max(float(np.ceil(begin / (bar * tempo) - 1e-9)), 0.0)
    later = lead * tempo - begin
    count = max(int(np.ceil(beats.beats_at(take.seconds))), 1)
    lengths = np.diff(beats.seconds_at(np.arange(count + 1))).tolist()
    changes = {round((lead + at) * TICKS): round(length * 1e6) for at, length in enumerate(lengths)}
    own = BeatMap.of(like.tempo_map)

    def moved(time: float) -> float:
        return float(beats.seconds_at(own.beats_at(time))) + later if time > 0 else 0.0

    file = MidiFile(
        take.name,
        tempo_map=TempoMap(TICKS, tuple(({0: round(tempo * 1e6)} | changes).items())),
        meters=tuple(meter._replace(time=moved(meter.time)) for meter in like.meters),
        key_signatures=tuple(key._replace(time=moved(key.time)) for key in like.key_signatures),
    )
    return _moved(take, lambda times: times + later), file


def straightened(take: Performance, beats: BeatMap, tempo_map: TempoMap) -> Performance:
    """A free take with its beats where the melody's file has them."""
    even = BeatMap.of(tempo_map)
    return _moved(take, lambda times: even.seconds_at(beats.beats_at(times)))


def loosened(take: Performance, beats: BeatMap, tempo_map: TempoMap) -> Performance:
    """The reverse: a take that has its beats where the melody's file has them, with those of a free performance."""
    even = BeatMap.of(tempo_map)
    return _moved(take, lambda times: beats.seconds_at(even.beats_at(times)))


def bar_starts(file: MidiFile, seconds: float) -> list[float]:
    """When the bars of a file begin that begin before a time, in seconds."""
    beats = BeatMap.of(file.tempo_map)
    last = float(beats.beats_at(seconds))
    bars = _bars(file)
    edges = [*(first for first, _ in bars[1:]), last]
    starts = [np.arange(first, min(edge, last) - 1e-6, bar) for (first, bar), edge in zip(bars, edges, strict=True)]
    return [float(time) for time in beats.seconds_at(np.concatenate(starts))]


def _bars(file: MidiFile) -> list[Point]:
    """From which beat on bars have how many beats."""
    beats = BeatMap.of(file.tempo_map)
    meters = [(float(beats.beats_at(time)), 4 * count / unit) for time, count, unit in file.meters]
    return meters if meters and meters[0][0] <= 0 else [(0.0, BAR), *meters]


def _moved(take: Performance, warp: Callable[[Floats], Floats]) -> Performance:
    """A performance with every time moved; what would come before 0 is put there."""
    starts, ends, _, _ = take.arrays
    moments = np.array([pedal.time for pedal in take.pedals])
    begins, lasts, moves = (np.maximum(warp(times), 0).tolist() for times in (starts, ends, moments))
    return Performance.of(
        (n._replace(start=begin, end=last) for n, begin, last in zip(take.notes, begins, lasts, strict=True)),
        (p._replace(time=time) for p, time in zip(take.pedals, moves, strict=True)),
        take.name,
    )
