"""Is a prepared data set what it should be: its hashes, its rows, its splits, each recording once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import EngineError
from engine.training.dataset import (
    COLUMNS,
    INDEX,
    SPLITS,
    Dataset,
    Events,
    Piece,
    Pieces,
    Shards,
    arrays_of,
    digest,
    facts_of,
    open_index,
    open_shard,
    shard_path,
    shards_of,
)
from engine.training.duplicates import SKETCH, runs, same_recordings, sketch
from engine.vocabulary import KEYS, PEDAL_DOWN


def verify(folder: Path) -> Iterator[tuple[int, int, str]]:
    """Look at every row of a data set. Yields (performances done, all, what is wrong or "").

    Raises RequestError where the folder is no data set.
    """
    index = open_index(folder)
    events, pieces = shards_of(folder, index), Pieces(index)
    if _is_changed(index):
        yield 0, len(pieces), f"{INDEX} is damaged: its hash is another. Run the same hommage prepare again."
    damaged = set()
    for number, name in enumerate(events.names):
        fault = _shard_fault(shard_path(folder, name), events, number)
        if fault:
            damaged.add(number)
            yield 0, len(pieces), f"shard {name} {fault}. Delete it and run the same hommage prepare again."
    sketches = np.full((len(pieces), SKETCH), sketch(np.zeros(0, np.uint64)))
    splits: dict[str, str] = {}
    paths: set[str] = set()
    for place, piece in enumerate(pieces):
        faults = list(_piece_faults(piece, events, splits, paths))
        if events.shard_of(piece.first) not in damaged and not faults:
            rows = events[piece.first : piece.after]
            faults += _row_faults(rows)
            sketches[place] = sketch(runs(rows["symbol"], rows["velocity"]))
        yield place + 1, len(pieces), f"{piece.path} {' and '.join(faults)}." if faults else ""
    yield from ((len(pieces), len(pieces), fault) for fault in _repeated(events, pieces, sketches))


def summary(folder: Path) -> dict[str, Any]:
    """How many performances, pieces and rows each split has."""
    rows = {}
    for split in SPLITS:
        pieces = list(Dataset(folder, split).pieces)
        rows[split] = {
            "performances": len(pieces),
            "pieces": len({piece.piece_id for piece in pieces}),
            "rows": sum(piece.after - piece.first for piece in pieces),
        }
    return rows


def _is_changed(file: Any) -> bool:
    return bool(digest(arrays_of(file)) != facts_of(file)["sha256"])


def _shard_fault(path: Path, events: Shards, number: int) -> str:
    try:
        shard = open_shard(path)
        lengths = {len(shard.get_tensor(name)) for name in COLUMNS} | {int(shard.get_tensor("after")[-1])}
        if lengths != {int(events.borders[number + 1] - events.borders[number])}:
            return "has columns of other lengths than the index says"
        return "is damaged: its hash is another" if _is_changed(shard) else ""
    except EngineError as error:
        return f"can't be read: {error.message}"


def _piece_faults(piece: Piece, events: Shards, splits: dict[str, str], paths: set[str]) -> Iterator[str]:
    """What is wrong with an entry of the index. splits, paths: of those before it; it is added."""
    if splits.setdefault(piece.piece_id, piece.split) != piece.split:
        yield f"is in {piece.split}, but its piece {piece.piece_id} in {splits[piece.piece_id]}"
    if piece.path in paths:
        yield "is there twice"
    paths.add(piece.path)
    if not 0 <= piece.first < piece.after <= len(events):
        yield "has rows that are not there"
    elif events.shard_of(piece.first) != events.shard_of(piece.after - 1):
        yield "has rows in two shards"


def _row_faults(rows: Events) -> Iterator[str]:
    table = np.asarray(rows)
    is_note = table["symbol"] < KEYS
    if (np.diff(table["onset"].astype(np.int64)) < 0).any():
        yield "has events out of order"
    if (table["symbol"] > PEDAL_DOWN).any():
        yield "has symbols that are neither a key nor the pedal"
    if ((table["velocity"] < 1) | (table["velocity"] > 127)).any():
        yield "has velocities outside of 1 to 127"
    if (is_note != (table["duration"] > 0)).any() or (table["melody"] > 0)[~is_note].any():
        yield "has notes without a duration, or pedals with one"


def _repeated(events: Shards, pieces: Pieces, sketches: Any) -> Iterator[str]:
    for place, first in enumerate(same_recordings(sketches, lambda place: _runs(events, pieces[place])).tolist()):
        if first != place:
            yield f"{pieces[place].path} is the same recording as {pieces[first].path}."


def _runs(events: Shards, piece: Piece) -> Any:
    rows = events[piece.first : piece.after]
    return runs(rows["symbol"], rows["velocity"])
