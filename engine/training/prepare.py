"""MIDI files -> a prepared data set (see `dataset`), their melodies found, each recording once.

The work is done in shards of some thirty files, each written whole or not at all, and named by what its files hold: run
again after a kill, it goes on with those that are missing. A changed file is prepared anew with its shard alone, and so
is an added one, for it is a file's name that says whether a shard ends with it. Shards of other files are removed.

A piece is in one split: its catalogue's, or the one a hash of its id falls in (of a few recordings all are for
training). A file without a catalogue is a piece of its own. Of several files of one recording the longest is kept, but
one with a catalogue before all others; pieces that have a recording in common are one piece, in the split of the one
kept.
"""

from __future__ import annotations

import gc
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.codec import NoteCodec
from engine.errors import EngineError, MidiError, RequestError
from engine.melody import melody_line
from engine.midi import read_midi
from engine.originality import Hashes
from engine.performance import LOWEST, SUSTAIN, Performance
from engine.performance import PEDAL_DOWN as DOWN_FROM
from engine.training.dataset import (
    EVENT,
    SHARDS,
    Piece,
    Shards,
    facts_of,
    open_shard,
    save_index,
    save_shard,
    shard_path,
    sounding_ends,
    write_whole,
)
from engine.training.duplicates import runs, same_recordings, sketch
from engine.training.sources import File, files
from engine.vocabulary import KEYS, PEDAL_DOWN, PEDAL_UP, STEPS_PER_SECOND

MS = 1000 // STEPS_PER_SECOND  # milliseconds in a step
LEFT_OUT = "left-out.jsonl"  # in the data set: each file that is not in it, and why
SHARD, MOST = 32, 64  # files in a shard: on average, and at most
MOST_NOTES = 100_000  # of a file: the search for its melody takes 4 KB a note
TRAIN, VALIDATION = 0.90, 0.05  # shares of the pieces without a split; the rest is for tests
FEW = 20  # recordings, of which none is spared for validation or tests
VERSION = "1"  # of how a file is prepared: another one prepares all anew

Group = list[File]  # the files of one shard
Content = bytes | str  # of a file, or why it has none


def prepare(sources: Sequence[Path], folder: Path, workers: int) -> Iterator[tuple[int, int, str]]:
    """Prepare every file of the sources. Yields (files done, all files, which one is left out and why or "").

    Stopped at any moment, what is done is kept and the same call goes on. Raises RequestError where a source can't be
    read, its catalogue is wrong, or the folder can't be written.
    """
    with ExitStack() as stack:
        found = list(files(sources, stack))
        if not found:
            raise RequestError(f"There are no MIDI files in {sources[0]}", "Choose a folder or an archive with some")
        shards: list[tuple[str, Group]] = []
        try:
            (folder / SHARDS).mkdir(parents=True, exist_ok=True)
            done = 0
            for name, group in _prepared(found, folder, workers):
                shards.append((name, group))
                faults = _faults(folder, name)
                for place, file in enumerate(group):
                    done += 1
                    yield done, len(found), f"{file.path}: {faults[place]}" if place in faults else ""
            for fault in _assemble(folder, shards):
                yield done, len(found), fault
        except BrokenProcessPool as error:
            raise RequestError(
                "A process was killed, perhaps for want of memory", "Run the same with fewer --workers: it goes on"
            ) from error
        except OSError as error:
            raise RequestError(
                f"{folder} can't be written: {error.strerror}", "See to it and run the same again: it goes on"
            ) from error


def _prepared(found: Iterable[File], folder: Path, workers: int) -> Iterator[tuple[str, Group]]:
    """Prepare the shards that are missing. Yields the name and the files of each, in order, once it is there."""
    waiting: deque[tuple[str, Group, Future[None] | None]] = deque()
    pool = ProcessPoolExecutor(workers, initializer=_begin_worker)
    try:
        for group in _groups(found):
            contents = [(file.path, file.content()) for file in group]
            name = _name(contents)
            path = shard_path(folder, name)
            waiting.append((name, group, None if path.exists() else pool.submit(_prepare_shard, path, contents)))
            while len(waiting) > workers + 1:  # so many are in memory, no more
                yield _finished(*waiting.popleft())
        while waiting:
            yield _finished(*waiting.popleft())
    finally:
        pool.shutdown(cancel_futures=True)  # what is at work is finished and kept


def _finished(name: str, group: Group, work: Future[None] | None) -> tuple[str, Group]:
    if work is not None:
        work.result()
    return name, group


def _groups(found: Iterable[File]) -> Iterator[Group]:
    group: Group = []
    for file in found:
        group.append(file)
        if len(group) == MOST or zlib.crc32(file.path.encode()) % SHARD == 0:
            yield group
            group = []
    if group:
        yield group


def _hash(content: Content) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:24]


def _name(contents: Sequence[tuple[str, Content]]) -> str:
    return _hash(" ".join([VERSION, *(_hash(content) for _, content in contents)]))


def _begin_worker() -> None:
    """Ctrl+C is the first process's to answer; where that one is killed, this one goes too."""
    gc.disable()  # it takes a tenth of the time and finds nothing: a shard's end is soon enough
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _prepare_shard(path: Path, contents: Sequence[tuple[str, Content]]) -> None:
    """Write a shard; what else stands in it: the hash of each file, its sketch, and why some have no events."""
    tables, faults = [], {}
    with tempfile.TemporaryDirectory(dir=path.parent, suffix=".part") as temporary:
        for place, (name, content) in enumerate(contents):
            table = _events_or_reason(Path(temporary, Path(name).name), content)
            if isinstance(table, str):
                faults[place] = table
                table = np.zeros(0, EVENT)
            tables.append(table)
    facts = {"faults": faults, "hashes": [_hash(content) for _, content in contents]}
    sketches = np.stack([sketch(runs(table["symbol"], table["velocity"])) for table in tables])
    save_shard(path, tables, facts, sketches=sketches)
    gc.collect()


def _events_or_reason(path: Path, content: Content) -> NDArray[np.void] | str:
    """The events in the bytes of a file, or why there are none. path: where they may be written, to be read."""
    if isinstance(content, str):
        return content
    try:
        path.write_bytes(content[max(content.find(b"MThd"), 0) :])  # in .rmi, a MIDI file comes after a few bytes
        performance = read_midi(path)
        if len(performance) > MOST_NOTES:
            raise MidiError(f"{path.name} has {len(performance)} notes", f"A performance has {MOST_NOTES} at most")
        table = performance_events(performance)
        return table if (table["symbol"] < KEYS).any() else f"{path.name} has no notes for a piano's keys."
    except EngineError as error:
        return str(error)
    except Exception as error:  # one file, whatever is wrong with it, does not stop the others
        return f"{path.name} can't be prepared: {type(error).__name__}: {error}."
    finally:
        path.unlink(missing_ok=True)


def performance_events(performance: Performance) -> NDArray[np.void]:
    """(events,) EVENT of a performance, melody marked."""
    onsets, symbols, velocities, durations = NoteCodec().events(performance)
    table = np.zeros(len(onsets), EVENT)
    table["onset"], table["symbol"], table["velocity"] = onsets * MS, symbols, velocities
    table["duration"] = np.minimum(durations * MS, np.iinfo("u2").max)
    notes = np.flatnonzero(symbols < KEYS)
    heard = _sounding_until(performance, onsets[notes], symbols[notes], durations[notes])
    index, until = melody_line(onsets[notes], heard, symbols[notes] + LOWEST)
    stay = (until - onsets[notes][index]) * MS
    table["melody"][notes[index]] = np.clip(stay, 1, np.iinfo("u2").max)
    return table


def _sounding_until(
    performance: Performance, onsets: NDArray[np.int64], keys: NDArray[np.int64], durations: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The step to which each note sounds with the pedal applied."""
    moves = [(pedal.time, pedal.value >= DOWN_FROM) for pedal in performance.pedals if pedal.controller == SUSTAIN]
    times, is_down = np.array(moves, np.float64).reshape(-1, 2).T
    times = np.concatenate([onsets, times * STEPS_PER_SECOND])
    ends = np.append(onsets + durations, times[len(onsets) :])
    symbols = np.append(keys, np.where(is_down > 0, PEDAL_DOWN, PEDAL_UP))
    return np.floor(sounding_ends(times, ends, symbols, False)[: len(onsets)] + 0.5).astype(np.int64)


def _faults(folder: Path, name: str) -> dict[int, str]:
    """Why files of a shard have no events, by their places in it."""
    faults = facts_of(open_shard(shard_path(folder, name)))["faults"]
    return {int(place): fault for place, fault in faults.items()}


def _assemble(folder: Path, shards: Sequence[tuple[str, Group]]) -> Iterator[str]:
    """Write the index of the shards and the list of what is left out. Yields which recordings are, for being there."""
    found = [file for _, group in shards for file in group]
    rows, lengths, sketches, ids = [], [], [], []
    for name, group in shards:
        shard = open_shard(shard_path(folder, name))
        after = shard.get_tensor("after")
        rows.append((name, int(after[-1])))
        lengths.append(np.diff(after, prepend=0))
        sketches.append(shard.get_tensor("sketches"))
        hashes = facts_of(shard)["hashes"]
        ids += [file.known.piece_id or digest for file, digest in zip(group, hashes, strict=True)]
    borders = np.cumsum([0, *np.concatenate(lengths)])
    kept = _kept(found, Shards(folder, rows), borders, np.concatenate(sketches))
    pieces = _pieces(found, ids, kept, borders)
    save_index(folder, rows, (pieces(file) for file in sorted(kept) if kept[file] == file))

    left_out = {
        found[file].path: f"The same recording as {found[kept[file]].path}." for file in kept if kept[file] != file
    }
    yield from (f"{path}: {why}" for path, why in left_out.items())
    for name, group in shards:
        left_out |= {group[place].path: fault for place, fault in _faults(folder, name).items()}
    lines = (json.dumps({"path": path, "why": why}, ensure_ascii=False) + "\n" for path, why in left_out.items())
    write_whole(folder / LEFT_OUT, "".join(lines).encode())
    _remove_others(folder, {name for name, _ in shards})


def _kept(found: list[File], events: Shards, borders: NDArray[np.int64], sketches: Hashes) -> dict[int, int]:
    """Of each file with events, which file is kept of its recording: itself, or a better one."""
    lengths = np.diff(borders)
    usable = np.flatnonzero(lengths)
    is_unknown = np.array([not any(found[file].known) for file in usable.tolist()], bool)
    best = usable[np.lexsort((usable, -lengths[usable], is_unknown))]

    def runs_of(place: int) -> Hashes:
        rows = events[int(borders[best[place]]) : int(borders[best[place] + 1])]
        return runs(rows["symbol"], rows["velocity"])

    same = same_recordings(sketches[best], runs_of)
    return dict(zip(best.tolist(), best[same].tolist(), strict=True))


def _pieces(
    found: list[File], ids: list[str], kept: dict[int, int], borders: NDArray[np.int64]
) -> Callable[[int], Piece]:
    """What is known of a file by its number. ids: of the piece of each file, before pieces become one."""
    joined: dict[str, str] = {}

    def joined_id(piece_id: str) -> str:
        while piece_id in joined:
            piece_id = joined[piece_id]
        return piece_id

    for file, other in kept.items():
        one, into = joined_id(ids[file]), joined_id(ids[other])
        if one != into:
            joined[one] = into
    is_few = len(set(kept.values())) < FEW
    splits = {ids[file]: found[file].known.split for file in kept if found[file].known.split}

    def piece(file: int) -> Piece:
        path, known = found[file].path, found[file].known
        piece_id = joined_id(ids[file])
        split = splits.get(piece_id) or ("train" if is_few else _split(piece_id))
        first, after = borders[file : file + 2].tolist()
        return Piece(path, split, piece_id, known.composer, known.performer, first, after)

    return piece


def _split(piece_id: str) -> str:
    """The split that the hash of a piece's id falls in."""
    place = zlib.crc32(piece_id.encode()) / 2**32
    return "train" if place < TRAIN else "validation" if place < TRAIN + VALIDATION else "test"


def _remove_others(folder: Path, names: set[str]) -> None:
    for path in (folder / SHARDS).iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name.removesuffix(path.suffix) not in names:
            path.unlink()
