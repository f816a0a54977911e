"""Performances in a folder with a catalogue -> a prepared data set (see `dataset`), its melodies found."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.codec import NoteCodec
from engine.errors import EngineError
from engine.melody import melody_line
from engine.midi import read_midi
from engine.performance import LOWEST, Performance
from engine.training.dataset import EVENT, Piece, save
from engine.vocabulary import KEYS, STEPS_PER_SECOND

MS = 1000 // STEPS_PER_SECOND  # milliseconds in a step


def prepare(source: Path, folder: Path, workers: int) -> Iterator[tuple[int, int, str]]:
    """Prepare every performance of `source/catalogue.csv`. Yields (done, all, what went wrong or "")."""
    rows = list(csv.DictReader((source / "catalogue.csv").open(newline="")))
    events: list[NDArray[np.void]] = []
    pieces: list[Piece] = []
    first = 0
    with ProcessPoolExecutor(workers) as pool:
        found = pool.map(_events_or_reason, [source / row["path"] for row in rows], chunksize=8)
        for done, (row, table) in enumerate(zip(rows, found, strict=True), 1):
            if isinstance(table, str):
                yield done, len(rows), table
                continue
            keep = {name: row[name] for name in ("path", "split", "piece_id", "composer", "performer")}
            pieces.append(Piece(**keep, first=first, after=first + len(table)))
            events.append(table)
            first += len(table)
            yield done, len(rows), ""
    save(folder, events, pieces)


def _events_or_reason(path: Path) -> NDArray[np.void] | str:
    try:
        return performance_events(read_midi(path))
    except EngineError as error:
        return f"{path.name}: {error}"


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
    from engine.codec import to_steps
    from engine.performance import Note

    notes = [
        Note(on / STEPS_PER_SECOND, (on + length) / STEPS_PER_SECOND, key + LOWEST, 64)
        for on, key, length in zip(onsets.tolist(), keys.tolist(), durations.tolist(), strict=True)
    ]
    heard = Performance.of(notes, performance.pedals).with_sustain_applied()
    ends = {(note.start, note.pitch): note.end for note in heard.notes}
    return to_steps(np.array([ends[note.start, note.pitch] for note in notes], dtype=np.float64))
