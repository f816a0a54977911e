"""A prepared data set on disk: one row an event (note or pedal), its columns memory-mapped, with the melody marked.

A folder has `index.safetensors`, the table of its performances, and `shards/`, their events: a shard is some thirty
files, column after column, for columns compress better than rows. All is read when it is used and no sooner, so the
size of a data set costs neither time nor memory. The rows of all shards count as one long table. It is read without any
MIDI library. An earlier form (`events.npy`, `pieces.json`) is still read.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from engine.errors import RequestError
from engine.performance import LOWEST, Note, Pedal, Performance
from engine.vocabulary import KEYS, PEDAL_DOWN, PEDAL_UP

EVENT = np.dtype(
    [
        ("onset", "<u4"),  # ms
        ("duration", "<u2"),  # ms the key is down; 0 for a pedal
        ("melody", "<u2"),  # ms the melody stays on this note; 0 where it is not in the melody
        ("symbol", "u1"),  # key 0..87, pedal up, pedal down (engine.vocabulary)
        ("velocity", "u1"),  # MIDI 1..127
    ]
)
COLUMNS = EVENT.names or ()
SPLITS = ("train", "validation", "test")
INDEX, SHARDS = "index.safetensors", "shards"  # in the folder of a data set
EARLIER = "events.npy"  # of a data set made before there were shards
FORMAT = "2"
MOST_OPEN = 64  # shards


@dataclass(frozen=True, slots=True)
class Piece:
    """One performance. first, after: its rows among those of all shards."""

    path: str
    split: str
    piece_id: str
    composer: str
    performer: str
    first: int
    after: int


class Rows:
    """Rows of one shard, not read yet: `rows[first:after]` is fewer of them, `rows[name]` reads a column of these."""

    def __init__(self, shard: Path, first: int, after: int) -> None:
        self.shard, self.first, self.after = shard, first, after

    def __len__(self) -> int:
        return self.after - self.first

    @overload
    def __getitem__(self, key: str) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, key: slice) -> Rows: ...
    def __getitem__(self, key: str | slice) -> NDArray[Any] | Rows:
        if isinstance(key, str):
            return np.asarray(open_shard(self.shard).get_slice(key)[self.first : self.after])
        first, after, _ = key.indices(len(self))
        return Rows(self.shard, self.first + first, self.first + max(first, after))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.void]:
        """All of them, (rows,) EVENT."""
        table = np.empty(len(self), EVENT)
        for name in COLUMNS:
            table[name] = self[name]
        return table


Events: TypeAlias = Rows | NDArray[np.void]  # (rows,) EVENT, on disk or in memory


class Shards:
    """The events of all shards as one table: `shards[first:after]` are rows that lie within one of them."""

    def __init__(self, folder: Path, rows: Sequence[tuple[str, int]]) -> None:
        self.folder, self.names = folder, [name for name, _ in rows]
        self.borders = np.cumsum([0, *(count for _, count in rows)])

    def __len__(self) -> int:
        return int(self.borders[-1])

    def __getitem__(self, rows: slice) -> Rows:
        first, after, _ = rows.indices(len(self))
        shard = self.shard_of(first)
        begin = int(self.borders[shard])
        return Rows(shard_path(self.folder, self.names[shard]), first - begin, after - begin)

    def shard_of(self, row: int) -> int:
        """The number of the shard that a row is in."""
        return int(np.searchsorted(self.borders, row, side="right")) - 1


class Pieces(Sequence[Piece]):
    """The performances of an index, each read when it is asked for. split: of which; else all."""

    def __init__(self, index: Any, split: str | None = None) -> None:
        splits = index.get_tensor("split")
        chosen = slice(None) if split is None else splits == SPLITS.index(split)
        ends = index.get_tensor("end")
        begins = np.append(0, ends[:-1])[: len(ends)]
        self.text = index.get_slice("text")
        self.lines = np.stack([begins, ends], axis=1)[chosen]
        self.rows = np.stack([index.get_tensor("first"), index.get_tensor("after")], axis=1)[chosen]

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, place: int) -> Piece: ...
    @overload
    def __getitem__(self, place: slice) -> list[Piece]: ...
    def __getitem__(self, place: int | slice) -> Piece | list[Piece]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        (begin, end), (first, after) = self.lines[place].tolist(), self.rows[place].tolist()
        path, split, piece_id, composer, performer = json.loads(self.text[begin:end].tobytes())
        return Piece(path, split, piece_id, composer, performer, first, after)


def lengths(pieces: Sequence[Piece]) -> NDArray[np.int64]:
    """How many rows each has, (performances,)."""
    if isinstance(pieces, Pieces):
        return np.asarray(pieces.rows[:, 1] - pieces.rows[:, 0])
    return np.array([piece.after - piece.first for piece in pieces], np.int64)


class Dataset:
    """The performances of one split. events: the rows of all; pieces: where each performance begins and ends.

    Raises RequestError where the folder is no data set or there is no such split.
    """

    events: Shards | NDArray[np.void]
    pieces: Sequence[Piece]

    def __init__(self, folder: str | Path, split: str) -> None:
        folder = Path(folder)
        if split not in SPLITS:
            raise RequestError(f"There is no split {split}", f"Give {', '.join(SPLITS[:-1])} or {SPLITS[-1]}")
        if (folder / EARLIER).exists() and not (folder / INDEX).exists():
            self.events = np.asarray(np.load(folder / EARLIER, mmap_mode="r"))
            rows = json.loads((folder / "pieces.json").read_text())
            self.pieces = [Piece(**row) for row in rows if row["split"] == split]
            return
        index = open_index(folder)
        self.events = shards_of(folder, index)
        self.pieces = Pieces(index, split)


def is_data_set(folder: Path) -> bool:
    """Whether a folder has a prepared data set in it."""
    return (folder / INDEX).exists() or (folder / EARLIER).exists()


def open_index(folder: Path) -> Any:
    """The index of a data set, memory-mapped. Raises RequestError where there is none or it is of another format."""
    if not (folder / INDEX).exists():
        raise RequestError(f"{folder} is not a prepared data set", "Make one with hommage prepare")
    index = _opened(folder / INDEX)
    if facts_of(index).get("format") != FORMAT:
        raise RequestError(f"{folder} was prepared by another version", "Prepare it again with hommage prepare")
    return index


def shards_of(folder: Path, index: Any) -> Shards:
    """The shards that an index names."""
    return Shards(folder, facts_of(index)["shards"])


def shard_path(folder: Path, name: str) -> Path:
    """Where a shard of a data set lies."""
    return folder / SHARDS / f"{name}.safetensors"


@lru_cache(MOST_OPEN)
def open_shard(path: Path) -> Any:
    """A shard, memory-mapped; the last few stay open. Raises RequestError where it can't be read."""
    return _opened(path)


def _opened(path: Path) -> Any:
    try:
        return safe_open(path, "numpy")
    except (OSError, SafetensorError) as error:
        raise RequestError(
            f"{path} can't be read: {error}", "Delete it and run the same hommage prepare again"
        ) from error


def save_shard(
    path: Path, tables: Sequence[NDArray[np.void]], facts: Mapping[str, Any] | None = None, **more: NDArray[Any]
) -> None:
    """Write the events of some files as one shard. facts, more: what else is to stand in it, for JSON and as arrays."""
    events = np.concatenate([np.zeros(0, EVENT), *tables])
    arrays: dict[str, NDArray[Any]] = {name: np.ascontiguousarray(events[name]) for name in COLUMNS}
    arrays |= {"after": np.cumsum([len(table) for table in tables], dtype=np.int64)} | more
    _save(path, arrays, facts or {})


def arrays_of(file: Any) -> dict[str, NDArray[Any]]:
    """All that stands in an open shard or index."""
    return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """A hash of named arrays."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        found.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
    return found.hexdigest()


def save_index(folder: Path, shards: Sequence[tuple[str, int]], pieces: Iterable[Piece]) -> None:
    """Write what makes shards a data set. shards: name and rows of each, in order; pieces: with rows among all."""
    numbers: list[tuple[int, int, int]] = []
    lines: list[bytes] = []
    for piece in pieces:
        words = piece.path, piece.split, piece.piece_id, piece.composer, piece.performer
        numbers.append((SPLITS.index(piece.split), piece.first, piece.after))
        lines.append(json.dumps(words, ensure_ascii=False).encode() + b"\n")
    split, first_rows, after_rows = np.array(numbers, np.int64).reshape(-1, 3).T
    arrays: dict[str, NDArray[Any]] = {
        "split": split.astype(np.uint8),
        "first": np.ascontiguousarray(first_rows),
        "after": np.ascontiguousarray(after_rows),
        "end": np.cumsum([len(line) for line in lines], dtype=np.int64),  # of each line of the text
        "text": np.frombuffer(b"".join(lines), np.uint8),
    }
    _save(folder / INDEX, arrays, {"format": FORMAT, "shards": list(shards)})


def _save(path: Path, arrays: dict[str, NDArray[Any]], facts: Mapping[str, Any]) -> None:
    """Write arrays, facts and a hash of the arrays. The facts are one text, for safetensors shuffles several."""
    write_whole(path, save(arrays, {"facts": json.dumps({**facts, "sha256": digest(arrays)})}))


def facts_of(file: Any) -> dict[str, Any]:
    """What stands beside the arrays of an open shard or index."""
    facts: dict[str, Any] = json.loads((file.metadata() or {}).get("facts", "{}"))
    return facts


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, whenever the process is killed; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def performance_of(events: Events, name: str = "") -> Performance:
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


def sounding_ends(onsets: NDArray[Any], ends: NDArray[Any], symbols: NDArray[np.int64], pedal: bool) -> NDArray[Any]:
    """Ends of events (notes and pedals, each in order of time, in any unit) with the sustain pedal applied, as
    `Performance.with_sustain_applied` does. pedal: whether it is down before; still down at the end, it lifts with the
    last key."""
    moves = symbols >= KEYS
    times, is_down = onsets[moves], np.append(pedal, symbols[moves] != PEDAL_UP)
    is_held = is_down[np.searchsorted(times, ends, side="right")]
    lifts = np.append(times[~is_down[1:]], max(ends.max(initial=0), onsets.max(initial=0)))
    lift = lifts[np.minimum(np.searchsorted(lifts, ends, side="right"), len(lifts) - 1)]
    order = np.lexsort((onsets, symbols))
    again = np.full(len(onsets), lifts[-1])
    again[order[:-1]] = np.where(np.diff(symbols[order]) == 0, onsets[order][1:], lifts[-1])
    return np.where(is_held & ~moves, np.maximum(ends, np.minimum(lift, again)), ends)
