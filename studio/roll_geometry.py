"""Where things lie in the piano roll: seconds and pitches to pixels and back, what a rectangle shows. No Qt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.performance import HIGHEST, LOWEST, SUSTAIN, Note, Pedal, Performance

KEYS = HIGHEST - LOWEST + 1
BLACK_KEYS = frozenset({1, 3, 6, 8, 10})  # pitch classes
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600)  # seconds between two lines of the ruler


@dataclass(frozen=True)
class RollView:
    """What is seen of the roll. All but the two zooms in pixels of the viewport."""

    pixels_per_second: float
    row_height: float
    left: int  # right edge of the keyboard strip
    top: int  # lower edge of the ruler
    right: int
    bottom: int  # upper edge of the pedal strip
    scroll_x: float = 0.0
    scroll_y: float = 0.0

    def x(self, seconds: float) -> float:
        """Where a time is."""
        return self.left + seconds * self.pixels_per_second - self.scroll_x

    def seconds(self, x: float) -> float:
        """The time at a pixel."""
        return (x - self.left + self.scroll_x) / self.pixels_per_second

    def y(self, pitch: float) -> float:
        """The upper edge of a key's row."""
        return self.top + (HIGHEST - pitch) * self.row_height - self.scroll_y

    def pitch(self, y: float) -> int:
        """The key whose row is at a pixel."""
        return HIGHEST - int((y - self.top + self.scroll_y) // self.row_height)

    def pitches(self, top: float, bottom: float) -> range:
        """The keys between two pixels, low to high."""
        return range(max(LOWEST, self.pitch(bottom)), min(HIGHEST, self.pitch(top)) + 1)

    def tick(self, least: float) -> float:
        """Seconds between two lines of the ruler that lie at least so many pixels apart."""
        return next((tick for tick in TICKS if tick * self.pixels_per_second >= least), TICKS[-1])


class NoteTable:
    """Notes as arrays in order of their start, for finding what is seen; grows while a take is composed."""

    def __init__(self, performance: Performance | None = None) -> None:
        starts, ends, pitches, velocities = (performance or Performance()).arrays
        self.starts, self.ends, self.pitches, self.velocities = starts, ends, pitches, velocities
        self._longest = float((ends - starts).max(initial=0.0))

    def __len__(self) -> int:
        """Number of notes."""
        return len(self.starts)

    @property
    def seconds(self) -> float:
        """When the last key goes up."""
        return float(self.ends.max(initial=0.0))

    def append(self, notes: Iterable[Note]) -> None:
        """More notes, in any order."""
        more = Performance.of(notes)
        starts, ends, pitches, velocities = more.arrays
        merged = np.concatenate([self.starts, starts])
        order: NDArray[np.intp] = np.argsort(merged, kind="stable")
        self.starts = merged[order]
        self.ends = np.concatenate([self.ends, ends])[order]
        self.pitches = np.concatenate([self.pitches, pitches])[order]
        self.velocities = np.concatenate([self.velocities, velocities])[order]
        self._longest = max(self._longest, float((ends - starts).max(initial=0.0)))

    def within(self, start: float, end: float, pitches: range) -> NDArray[np.intp]:
        """Indices of the notes that sound between two times on some of the keys."""
        first, last = np.searchsorted(self.starts, [start - self._longest, end])
        seen = slice(int(first), int(last))
        keys = self.pitches[seen]
        touches = (self.ends[seen] >= start) & (keys >= pitches.start) & (keys < pitches.stop)
        return np.flatnonzero(touches) + int(first)

    def sounding(self, seconds: float) -> frozenset[int]:
        """The keys that are down at a time."""
        near = self.within(seconds, np.nextafter(seconds, np.inf), range(0, 128))
        down = near[(self.starts[near] <= seconds) & (self.ends[near] > seconds)]
        return frozenset(self.pitches[down].tolist())


class PedalTable:
    """How far the sustain pedal is down, as steps in order of time."""

    def __init__(self, pedals: Iterable[Pedal] = ()) -> None:
        self.times = np.zeros(0)
        self.levels = np.zeros(0)  # 0 is up, 1 all the way down
        self.append(pedals)

    def append(self, pedals: Iterable[Pedal]) -> None:
        """More movements, none earlier than the last."""
        sustain = [pedal for pedal in pedals if pedal.controller == SUSTAIN]
        self.times = np.concatenate([self.times, [pedal.time for pedal in sustain]])
        self.levels = np.concatenate([self.levels, [pedal.value / 127 for pedal in sustain]])

    @property
    def seconds(self) -> float:
        """When it last moves."""
        return float(self.times[-1]) if len(self.times) else 0.0

    def within(self, start: float, end: float) -> list[tuple[float, float]]:
        """(time, level) of the movements between two times, and of the one before them."""
        first, last = np.searchsorted(self.times, [start, end])
        seen = slice(max(int(first) - 1, 0), int(last))
        return list(zip(self.times[seen].tolist(), self.levels[seen].tolist(), strict=True))


def raster(
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
    rows: NDArray[np.int64],
    shades: NDArray[np.int64],
    size: tuple[int, int],
    colours: NDArray[np.uint32],
) -> NDArray[np.uint32]:
    """Notes as an image, for more of them than can be painted one by one.

    starts, ends: (notes,) pixels; rows: (notes,); shades: (notes,) indices into colours; size: (height, width).
    Returns (height, width) uint32 ARGB, 0 where no note is; a louder note covers a softer one.
    """
    height, width = size
    image = np.zeros((height, width), np.uint32)
    first = np.clip(starts.astype(np.int64), 0, width - 1)
    last = np.clip(np.maximum(ends.astype(np.int64), first + 1), 1, width)
    for shade in np.unique(shades):
        mine = (shades == shade) & (rows >= 0) & (rows < height)
        change = np.zeros((height, width + 1), np.int32)
        np.add.at(change, (rows[mine], first[mine]), 1)
        np.add.at(change, (rows[mine], last[mine]), -1)
        image[np.cumsum(change[:, :width], axis=1) > 0] = colours[shade]
    return image
