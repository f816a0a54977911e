"""Which files hold the same recording, told by hashes of consecutive pitch-velocity pairs.

Two players of a piece agree in its keys, not in how hard each is struck: of four notes in a row with their velocities
in sixteen steps, they share one in eight at most, and mostly none. Another encoding of a recording, another beginning,
a cut, another copy of a piano roll share a fifth and more. Measured on the training archive: of the 22 pairs above
`SAME` all are one recording by title and player or by length; Disklavier recordings all stay below 0.07. Times play no
part.

A sketch, the lowest hashes of each file, finds the pairs worth a look: memory is `SKETCH` numbers a file, and a part is
found that is about a quarter of the whole or more. All hashes of the two decide.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engine.originality import Hashes, mixed
from engine.vocabulary import KEYS

RUN = 4  # notes in a row
VELOCITY_BITS = 4  # 16 steps of 8
SKETCH = 32  # hashes kept of a file
SHARED = 3  # hashes two sketches share where the files are worth a look
SAME = 0.2  # share of the shorter file's runs that the other has too, where both are one recording
NONE = np.iinfo(np.uint64).max  # fills the sketch of a short file
NEIGHBOURS = 4  # among the files with a hash in common, in order, that are compared
BLOCK = 4096  # pairs whose sketches are compared at once


def runs(symbols: NDArray[np.uint8], velocities: NDArray[np.uint8]) -> Hashes:
    """Hashes of every `RUN` notes in a row, each once, in order. symbols, velocities: (events,) as in `EVENT`."""
    is_note = symbols < KEYS
    keys, loudness = symbols[is_note].astype(np.uint64), velocities[is_note].astype(np.uint64)
    pairs = (keys << np.uint64(VELOCITY_BITS)) | (loudness >> np.uint64(7 - VELOCITY_BITS))
    count = min(RUN, len(pairs))
    found = np.zeros(len(pairs) - count + 1 if count else 0, np.uint64)
    for place in range(count):
        found = (found << np.uint64(7 + VELOCITY_BITS)) | pairs[place : place + len(found)]
    return np.unique(mixed(found))


def sketch(hashes: Hashes) -> Hashes:
    """The lowest hashes of a file's, (SKETCH,), filled up with `NONE`."""
    kept = hashes[:SKETCH]
    return np.append(kept, np.full(SKETCH - len(kept), NONE))


def same_recordings(sketches: Hashes, runs_of: Callable[[int], Hashes]) -> NDArray[np.int64]:
    """For each file the first of those with its recording: itself, if there is none before.

    sketches: (files, SKETCH); runs_of: the runs of a file by its number, asked for where sketches are alike.
    """
    first = np.arange(len(sketches))
    for one, other in _alike(sketches).tolist():
        low, high = sorted((_root(first, one), _root(first, other)))
        if low != high and is_same_recording(runs_of(one), runs_of(other)):
            first[high] = low
    for file in range(len(first)):  # those before it are settled
        first[file] = first[first[file]]
    return first


def _root(first: NDArray[np.int64], file: int) -> int:
    while first[file] != file:
        file = int(first[file])
    return file


def is_same_recording(one: Hashes, other: Hashes) -> bool:
    """Whether two files, by their runs, hold one recording, or one file a part of the other's."""
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared >= SAME * min(len(one), len(other))


def _alike(sketches: Hashes) -> NDArray[np.int64]:
    """Pairs of files whose sketches share enough, (pairs, 2), the lower number first.

    Of the files with a hash in common only neighbours make a pair: a hash of a thousand files makes thousands of pairs,
    not a million, and one recording has many hashes.
    """
    order = np.argsort(sketches, axis=None, kind="stable")  # by hash, then by file
    hashes, files = sketches.ravel()[order], order // SKETCH
    last = np.searchsorted(hashes, NONE)
    pairs = [np.zeros((0, 2), np.int64)]
    for step in range(1, NEIGHBOURS + 1):
        shared = np.flatnonzero(hashes[step:last] == hashes[: max(last - step, 0)])
        pairs.append(np.stack([files[shared], files[shared + step]], axis=1))
    found = np.unique(np.concatenate(pairs), axis=0)
    enough = np.minimum((sketches != NONE).sum(axis=1), SHARED)
    for begin in range(0, len(found), BLOCK):
        one, other = sketches[found[begin : begin + BLOCK]].swapaxes(0, 1)
        shared = ((one[:, :, None] == other[:, None]) & (one != NONE)[:, :, None]).sum(axis=(1, 2))
        found[begin : begin + BLOCK][shared < enough[found[begin : begin + BLOCK]].min(axis=1)] = -1
    return found[found[:, 0] >= 0]
