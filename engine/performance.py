"""Note, Pedal, Performance: what was played, in seconds. Everything else in the engine reads or makes these."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST = 21, 108  # MIDI pitches of a piano's 88 keys
SUSTAIN, SOSTENUTO, SOFT = 64, 66, 67  # controllers of the three pedals
PEDAL_DOWN = 64  # a controller value from here on is "down"


class Note(NamedTuple):
    """One struck key. start, end: seconds (key down, key up); pitch: MIDI 0..127; velocity: 1..127."""

    start: float
    end: float
    pitch: int
    velocity: int


class Pedal(NamedTuple):
    """One pedal movement. time: seconds; value: 0..127 (half-pedal kept); controller: 64, 66 or 67."""

    time: float
    value: int
    controller: int = SUSTAIN


@dataclass(frozen=True)
class Performance:
    """Notes in order of (start, pitch) and pedal movements in order of time; made with `Performance.of`."""

    notes: tuple[Note, ...] = ()
    pedals: tuple[Pedal, ...] = ()
    name: str = ""

    @classmethod
    def of(cls, notes: Iterable[Note], pedals: Iterable[Pedal] = (), name: str = "") -> Performance:
        """A performance from notes and pedals in any order."""
        ordered = sorted(notes, key=lambda note: (note.start, note.pitch))
        return cls(tuple(ordered), tuple(sorted(pedals, key=lambda pedal: pedal.time)), name)

    def __len__(self) -> int:
        """Number of notes."""
        return len(self.notes)

    @cached_property
    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        """Starts and ends (notes,) float64 seconds, pitches and velocities (notes,) int64."""
        table = np.array(self.notes, dtype=np.float64).reshape(-1, 4)
        return table[:, 0], table[:, 1], table[:, 2].astype(np.int64), table[:, 3].astype(np.int64)

    @cached_property
    def seconds(self) -> float:
        """When the last key goes up; 0 without notes."""
        return max((note.end for note in self.notes), default=0.0)

    def slice(self, start: float, end: float) -> Performance:
        """The notes struck in [start, end), moved to time 0, with the pedals as they stand at the start."""
        notes = (note for note in self.notes if start <= note.start < end)
        held = {pedal.controller: pedal for pedal in self.pedals if pedal.time < start}
        at_start = [pedal._replace(time=start) for pedal in held.values() if pedal.value > 0]
        within = [pedal for pedal in self.pedals if start <= pedal.time < end]
        return replace(self, notes=tuple(notes), pedals=tuple(at_start + within)).shift(-start)

    def shift(self, seconds: float) -> Performance:
        """Everything later by so many seconds, or earlier if negative.

        Nothing moves before time 0: what would reach across it is cut there, and notes wholly before it are dropped.
        """
        moved = (n._replace(start=n.start + seconds, end=n.end + seconds) for n in self.notes)
        notes = (n._replace(start=max(n.start, 0.0)) for n in moved if n.end > 0 or n.start >= 0)
        return Performance.of(notes, (p._replace(time=max(p.time + seconds, 0.0)) for p in self.pedals), self.name)

    def transpose(self, semitones: int) -> Performance:
        """Every pitch moved; notes that would leave MIDI's 0..127 are dropped."""
        moved = (note._replace(pitch=note.pitch + semitones) for note in self.notes)
        return replace(self, notes=tuple(note for note in moved if 0 <= note.pitch <= 127))

    def stretch(self, factor: float) -> Performance:
        """Every time multiplied: 2.0 is half as fast."""
        if not factor > 0:
            raise ValueError(f"stretch factor {factor} is not usable: it must be above 0")
        notes = (n._replace(start=n.start * factor, end=n.end * factor) for n in self.notes)
        return Performance.of(notes, (p._replace(time=p.time * factor) for p in self.pedals), self.name)

    def join(self, other: Performance, gap: float = 0.0) -> Performance:
        """This, then the other one `gap` seconds after this one's last key goes up, where this one's pedals lift."""
        begin = max(self.seconds + gap, 0.0)
        later = other.shift(begin)
        before = [pedal for pedal in self.pedals if pedal.time < begin]
        held = {pedal.controller: pedal.value for pedal in before}
        lifts = [Pedal(begin, 0, controller) for controller, value in held.items() if value > 0]
        return Performance.of(self.notes + later.notes, (*before, *lifts, *later.pedals), self.name)

    def with_repeats_cut(self) -> Performance:
        """The same with a key that is struck again ending its earlier note, as on a piano."""
        following: dict[int, float] = {}
        notes: list[Note] = []
        for note in reversed(self.notes):
            notes.append(note._replace(end=min(note.end, following.get(note.pitch, note.end))))
            following[note.pitch] = note.start
        return Performance.of((note for note in notes if note.end > note.start), self.pedals, self.name)

    def with_sustain_applied(self) -> Performance:
        """Sound instead of keys: each note lasts to the pedal's lift or the key's next stroke; no pedals left.

        As note-seq's `apply_sustain_control_changes`: controller 64 at 64 or more holds.
        """
        notes: list[Note] = []
        lifts = self._sustain_lifts()
        next_stroke: dict[int, float] = {}
        for note in reversed(self.notes):
            end = note.end
            held_until = _release(lifts, note.end)
            if held_until is not None:
                end = max(end, min(held_until, next_stroke.get(note.pitch, held_until)))
            notes.append(note._replace(end=end))
            next_stroke[note.pitch] = note.start
        return Performance.of(reversed(notes), (), self.name)

    def _sustain_lifts(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Start and end of each stretch with the sustain pedal down; the last ends with the last key at least."""
        downs: list[float] = []
        ups: list[float] = []
        is_down = False
        for pedal in self.pedals:
            if pedal.controller == SUSTAIN and (pedal.value >= PEDAL_DOWN) != is_down:
                is_down = not is_down
                (downs if is_down else ups).append(pedal.time)
        if is_down:
            ups.append(max(self.seconds, self.pedals[-1].time))
        return np.array(downs), np.array(ups)


def _release(stretches: tuple[NDArray[np.float64], NDArray[np.float64]], time: float) -> float | None:
    """When the pedal that is down at `time` lifts, or None if it is up."""
    index = int(np.searchsorted(stretches[0], time, side="right")) - 1
    return float(stretches[1][index]) if index >= 0 and time < stretches[1][index] else None
