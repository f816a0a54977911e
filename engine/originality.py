"""Is it mine? The longest passage that a performance shares with others, in any key and at any tempo.

A passage is the intervals from note to note, chords from the top down; figures of fewer than `FIGURE` different ones
(trills, scales, repeated notes) are nobody's and don't count. Hashes of every `GRAM` intervals are winnowed
(Schleimer, Wilkerson and Aiken 2003): of each `WINNOW` in a row the least is kept, so any shared passage of
`SURE_NOTES` notes has one in common. An index of a body of music holds such hashes and nothing else: no notes.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.errors import ModelError
from engine.melody import TOGETHER
from engine.performance import Performance

GRAM, WINNOW = 10, 8  # intervals in a hash; hashes of which one is kept
FIGURE = 4  # different intervals that a hash has at least
SURE_NOTES = GRAM + WINNOW  # in a passage that is always found where it is shared
BITS = 40  # of a hash: a foreign one among two million is in the index once in half a million
INDEX = "originality.index"  # in a model's folder: of the music it was trained on
MAGIC = b"hommage originality 1\n"

Hashes = NDArray[np.uint64]


class Passage(NamedTuple):
    """A stretch of a performance. start, end: seconds; notes: in it."""

    start: float
    end: float
    notes: int


def index_of(performances: Iterable[Performance]) -> Hashes:
    """The winnowed hashes of a body of music, sorted, each once."""
    kept = [hashes[_winnowed(hashes)] for hashes, _ in map(_hashes, performances)]
    return np.unique(np.concatenate([np.zeros(0, np.uint64), *kept]))


def longest_shared(performance: Performance, index: Hashes) -> Passage:
    """The longest stretch whose every winnowed hash is in an index; without notes where there is none.

    Each of its ends may be `WINNOW` notes short. A stretch may be patched from several performances of the index.
    """
    order = _in_order(performance)
    hashes, places = _hashes(performance)
    kept = _winnowed(hashes)
    places, is_known = places[kept], np.isin(hashes[kept], index)
    best = Passage(0.0, 0.0, 0)
    run: list[int] = []
    for place, known in zip([*places.tolist(), -1], [*is_known.tolist(), False], strict=True):
        if known:
            run.append(place)
            continue
        if run and run[-1] - run[0] + GRAM + 1 > best.notes:
            first, last = order[run[0]], order[run[-1] + GRAM]
            notes = performance.notes
            best = Passage(notes[first].start, notes[last].end, run[-1] - run[0] + GRAM + 1)
        run = []
    return best


def save_index(path: Path, index: Hashes) -> None:
    """Write an index. Raises OSError where it can't be."""
    path.write_bytes(MAGIC + zlib.compress(np.diff(index, prepend=np.uint64(0)).astype("<u8").tobytes(), 9))


def load_index(path: Path) -> Hashes:
    """Read an index. Raises ModelError where it is missing or none."""
    try:
        content = path.read_bytes()
        if not content.startswith(MAGIC):
            raise ValueError("it is something else")
        steps = np.frombuffer(zlib.decompress(content[len(MAGIC) :]), "<u8")
    except (OSError, ValueError, zlib.error) as error:
        raise ModelError(
            f"The index of originality {path} can't be read: {error}", "Install the program again"
        ) from error
    return np.cumsum(steps, dtype=np.uint64)


def _in_order(performance: Performance) -> list[int]:
    """The numbers of the notes in the order they are compared in: chords from the top down."""
    starts, _, pitches, _ = performance.arrays
    chord = np.cumsum(np.append(0.0, np.diff(starts)) >= TOGETHER) if len(starts) else np.zeros(0, int)
    return list(np.lexsort((-pitches, chord)).tolist())


def _hashes(performance: Performance) -> tuple[Hashes, NDArray[np.int64]]:
    """Of `GRAM` intervals in a row that are no figure, (hashes,), and the number of the note each begins with."""
    pitches = performance.arrays[2][_in_order(performance)]
    if len(pitches) <= GRAM:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    rows = np.sort(np.lib.stride_tricks.sliding_window_view(np.diff(pitches), GRAM), axis=1)
    places = np.flatnonzero((np.diff(rows, axis=1) != 0).sum(1) + 1 >= FIGURE)
    intervals = np.diff(pitches).astype(np.int64).astype(np.uint64)
    hashes = np.zeros(len(intervals) - GRAM + 1, np.uint64)
    for place in range(GRAM):
        hashes = mixed(hashes + intervals[place : len(intervals) - GRAM + 1 + place])
    return (hashes >> np.uint64(64 - BITS))[places], places


def mixed(values: Hashes) -> Hashes:
    """Hashes of numbers: every bit of the result depends on every bit (the finaliser of SplitMix64)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _winnowed(hashes: Hashes) -> NDArray[np.int64]:
    """The places of those kept: of each `WINNOW` in a row the least, the last of several."""
    if len(hashes) < WINNOW:
        return np.arange(len(hashes))[-1:] if not len(hashes) else np.array([len(hashes) - 1 - hashes[::-1].argmin()])
    rows = np.lib.stride_tricks.sliding_window_view(hashes, WINNOW)
    last_least = WINNOW - 1 - rows[:, ::-1].argmin(axis=1)
    return np.unique(last_least + np.arange(len(rows)))
