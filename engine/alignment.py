"""Where a melody lies in a take: the constant shift and tempo that let most of its notes be struck there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.performance import Performance

TOLERANCE = 0.1  # seconds between the onsets of a pair at most
FASTEST, SLOWEST = 0.8, 1.25  # tempo: factor on the melody's times
NOTES_FOR_TEMPO = 4  # a melody of fewer is only shifted: shift and tempo together would fit two notes to anything
EXCERPT = 60.0  # seconds of a melody that are searched for at once; a small error of tempo grows with the length
BIN = 0.05  # seconds, of the histogram of onset differences
BINS_TOGETHER = round(2 * TOLERANCE / BIN)
MOST_PAIRS = 20_000  # of equal pitch, in the histogram
CANDIDATES = 8  # peaks of the histogram that are followed up
REFINEMENTS = 6

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Alignment(NamedTuple):
    """Where a melody lies in a take: its time t is the take's time shift + tempo * t."""

    shift: float = 0.0
    tempo: float = 1.0


class Line(NamedTuple):
    """Onsets (notes,) seconds and pitches (notes,), in order of (pitch, onset)."""

    starts: Floats
    pitches: Ints

    @classmethod
    def of(cls, performance: Performance) -> Line:
        """All notes of a performance."""
        starts, _, pitches, _ = performance.arrays
        order = np.lexsort((starts, pitches))
        return cls(starts[order], pitches[order])

    def within(self, begin: float, end: float) -> Line:
        """The notes with onsets from begin to end."""
        inside = (self.starts >= begin) & (self.starts <= end)
        return Line(self.starts[inside], self.pitches[inside])


def matches(tune: Line, played: Line, alignment: Alignment) -> tuple[list[int], list[int]]:
    """As many pairs (of the tune, of what is played) as can be made: same pitch, within the tolerance, each once."""
    wanted = (alignment.shift + alignment.tempo * tune.starts).tolist()
    earliest, latest = [time - TOLERANCE for time in wanted], [time + TOLERANCE for time in wanted]
    starts, pitches = played.starts.tolist(), played.pitches.tolist()
    ours: list[int] = []
    theirs: list[int] = []
    at = 0
    for index, pitch in enumerate(tune.pitches.tolist()):
        while at < len(starts) and (pitches[at] < pitch or (pitches[at] == pitch and starts[at] < earliest[index])):
            at += 1
        if at < len(starts) and pitches[at] == pitch and starts[at] <= latest[index]:
            ours.append(index)
            theirs.append(at)
            at += 1
    return ours, theirs


def best_alignment(tune: Line, played: Line) -> Alignment:
    """The alignment with most matches; of equal ones the nearest to none at all."""
    tries = [Alignment()]
    for excerpt in _excerpts(tune):
        tries += [_grown(tune, played, excerpt, found) for found in _likely_alignments(excerpt, played)]
    tries += [_refined(tune, played, alignment) for alignment in tries]
    return max(tries, key=lambda one: (len(matches(tune, played, one)[0]), -abs(np.log(one.tempo)), -abs(one.shift)))


def _excerpts(tune: Line) -> list[Line]:
    """Where to look for the tune first: all of it, or three excerpts of a long one."""
    begin, end = float(tune.starts.min()), float(tune.starts.max())
    if end - begin <= EXCERPT:
        return [tune]
    begins = (begin, (begin + end - EXCERPT) / 2, end - EXCERPT)
    excerpts = [tune.within(time, time + EXCERPT) for time in begins]
    return [excerpt for excerpt in excerpts if len(excerpt.starts)]


def _likely_alignments(tune: Line, played: Line) -> list[Alignment]:
    """The shifts that bring most notes together, by a histogram of the onset differences of equal pitches; for every
    tempo in steps small enough to miss none, the best few of all."""
    ours, theirs = _equal_pitches(tune, played)
    if not len(ours):
        return []
    middle = (tune.starts.min() + tune.starts.max()) / 2
    from_middle, times = tune.starts[ours] - middle, played.starts[theirs]
    peaks: list[tuple[int, float, float]] = []
    for tempo in _tempos(tune):
        differences = times - tempo * from_middle
        lowest = differences.min()
        histogram = np.bincount(((differences - lowest) / BIN).astype(np.int64) + BINS_TOGETHER)
        total = np.cumsum(np.concatenate([histogram, np.zeros(BINS_TOGETHER, np.int64)]))
        together = total[BINS_TOGETHER:] - total[:-BINS_TOGETHER]
        best = int(together.argmax())
        peaks.append((int(together[best]), tempo, lowest + (best + 1 - BINS_TOGETHER / 2) * BIN))
    peaks.sort(key=lambda peak: (-peak[0], abs(np.log(peak[1])), peak[2]))
    chosen: list[tuple[int, float, float]] = []
    for peak in peaks:
        if all(abs(peak[2] - other[2]) > 2 * TOLERANCE for other in chosen):
            chosen.append(peak)
    return [Alignment(float(time - tempo * middle), tempo) for _, tempo, time in chosen[:CANDIDATES]]


def _tempos(tune: Line) -> list[float]:
    """Tempos to try, 1 among them; from one to the next the tune's ends move by two tolerances at most."""
    if len(tune.starts) < NOTES_FOR_TEMPO:
        return [1.0]
    step = min(2 * TOLERANCE / max(float(np.ptp(tune.starts)), TOLERANCE), SLOWEST - 1)
    return [1 + step * i for i in range(-int((1 - FASTEST) / step), int((SLOWEST - 1) / step) + 1)]


def _equal_pitches(tune: Line, played: Line) -> tuple[Ints, Ints]:
    """All pairs of equal pitch (of the tune, of what is played); only of every so many notes where that is too many."""
    low = np.searchsorted(played.pitches, tune.pitches)
    counts = np.searchsorted(played.pitches, tune.pitches, side="right") - low
    thin = np.arange(len(counts)) % (1 + int(counts.sum()) // MOST_PAIRS) != 0
    counts[thin] = 0
    ours = np.repeat(np.arange(len(counts)), counts)
    theirs = np.arange(len(ours)) + np.repeat(low - np.cumsum(counts) + counts, counts)
    return ours, theirs


def _grown(tune: Line, played: Line, excerpt: Line, alignment: Alignment) -> Alignment:
    """The alignment of an excerpt made that of the whole tune, refined on twice as much of it each time."""
    middle, half = float(np.median(excerpt.starts)), EXCERPT / 2
    reach = float(np.abs(tune.starts - middle).max())
    while half < reach:
        half *= 2
        alignment = _refined(tune.within(middle - half, middle + half), played, alignment)
    return alignment


def _refined(tune: Line, played: Line, alignment: Alignment) -> Alignment:
    """The alignment fitted to what it matches by least squares, again while that matches more."""
    ours, theirs = matches(tune, played, alignment)
    for _ in range(REFINEMENTS):
        if not ours:
            break
        fitted = _fitted(tune.starts[ours], played.starts[theirs], len(tune.starts) >= NOTES_FOR_TEMPO)
        before = len(ours)
        now = matches(tune, played, fitted)
        if len(now[0]) < before:
            break
        alignment, (ours, theirs) = fitted, now
        if len(ours) == before:
            break
    return alignment


def _fitted(ours: Floats, theirs: Floats, with_tempo: bool) -> Alignment:
    """Least squares of theirs = shift + tempo * ours, the tempo within what is allowed."""
    around = ours - ours.mean()
    spread = float((around**2).sum())
    tempo = 1.0
    if with_tempo and len(ours) >= NOTES_FOR_TEMPO and spread > 0:
        tempo = min(max(float((around * theirs).sum()) / spread, FASTEST), SLOWEST)
    return Alignment(float(theirs.mean() - tempo * ours.mean()), tempo)
