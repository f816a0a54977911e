"""A prepared data set on disk: one row an event (note or pedal), memory-mapped, with the melody marked.

A folder has `events.npy` and `pieces.json`. It is read without any MIDI library.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.performance import LOWEST, Note, Pedal, Performance
from engine.vocabulary import KEYS, PEDAL_DOWN

EVENT = np.dtype(
    [
        ("onset", "<u4"),  # ms
        ("duration", "<u2"),  # ms the key is down; 0 for a pedal
        ("melody", "<u2"),  # ms the melody stays on this note; 0 where it is not in the melody
        ("symbol", "u1"),  # key 0..87, pedal up, pedal down (engine.vocabulary)
        ("velocity", "u1"),  # MIDI 1..127
    ]
)


@dataclass(frozen=True)
class Piece:
    """One performance. first, after: its rows in `events.npy`."""

    path: str
    split: str
    piece_id: str
    composer: str
    performer: str
    first: int
    after: int


class Dataset:
    """The performances of one split. events: (rows,) EVENT, memory-mapped; pieces: where each begins and ends."""

    def __init__(self, folder: str | Path, split: str) -> None:
        folder = Path(folder)
        self.events: NDArray[np.void] = np.load(folder / "events.npy", mmap_mode="r")
        rows = json.loads((folder / "pieces.json").read_text())
        self.pieces = [Piece(**row) for row in rows if row["split"] == split]


def save(folder: str | Path, events: list[NDArray[np.void]], pieces: list[Piece]) -> None:
    """Write a data set: the events of each piece and what is known of it, in the same order."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "events.npy", np.concatenate(events))
    (folder / "pieces.json").write_text(json.dumps([asdict(piece) for piece in pieces], indent=0))


def performance_of(events: NDArray[np.void], name: str = "") -> Performance:
    """The notes and pedals of events, from the first of them on."""
    begin = int(events["onset"][0]) if len(events) else 0
    notes, pedals = [], []
    columns = (events[field].tolist() for field in ("onset", "duration", "symbol", "velocity"))
    for onset, duration, symbol, velocity in zip(*columns, strict=True):
        time = (onset - begin) / 1000
        if symbol < KEYS:
            notes.append(Note(time, time + max(duration, 10) / 1000, LOWEST + symbol, velocity))
        else:
            pedals.append(Pedal(time, 127 if symbol == PEDAL_DOWN else 0))
    return Performance.of(notes, pedals, name)
