"""The token tables: which fields a step has, how many values each takes, and what the values mean."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.performance import HIGHEST, LOWEST

STEPS_PER_SECOND = 100  # 10 ms
KEYS = HIGHEST - LOWEST + 1  # 88
VELOCITY_BINS = 32
VELOCITY_STEP = 4  # ceil(127 / 32) MIDI velocities a bin


class Field(NamedTuple):
    """One field of a token. size: how many values it takes."""

    name: str
    size: int


class Bins(NamedTuple):
    """Whole steps of time in bins: exact up to one second, then ever coarser.

    first, after: (bins,) lowest step of each bin and the one after its highest; table: step -> bin.
    """

    first: NDArray[np.int64]
    after: NDArray[np.int64]
    table: NDArray[np.int64]

    @classmethod
    def of(cls, lowest: int, exact_to: int, highest: int, coarse: int) -> Bins:
        """Bins of one step for lowest..exact_to, then `coarse` bins, each longer by the same ratio, to highest."""
        edges = np.unique(np.round(np.geomspace(exact_to + 1, highest + 1, coarse + 1)).astype(np.int64))
        exact = np.arange(lowest, exact_to + 1)
        first = np.concatenate([exact, edges[:-1]])
        after = np.concatenate([exact + 1, edges[1:]])
        table = np.zeros(highest + 1, np.int64)
        for index, (begin, end) in enumerate(zip(first, after, strict=True)):
            table[begin:end] = index
        return cls(first, after, table)

    @property
    def middle(self) -> NDArray[np.int64]:
        """The step each bin is decoded to."""
        return (self.first + self.after - 1) // 2

    @property
    def log_width(self) -> NDArray[np.float64]:
        """Nats to name one step within each bin: added to a likelihood, it makes codecs comparable."""
        return np.asarray(np.log(self.after - self.first))


MAX_GAP = 1000  # steps: ten seconds; a longer pause takes several tokens
MAX_DURATION = 2000  # steps: twenty seconds
GAPS = Bins.of(0, 100, MAX_GAP, 30)
DURATIONS = Bins.of(1, 100, MAX_DURATION, 40)

PEDAL_UP = KEYS  # symbols of the pitch field after the 88 keys
PEDAL_DOWN = KEYS + 1
END = KEYS + 2
MELODY = KEYS + 3  # "the next melody note, now": written only where a melody is given
NOTE_FIELDS: tuple[Field, ...] = (
    Field("gap", len(GAPS.first)),
    Field("pitch", KEYS + 4),
    Field("velocity", VELOCITY_BINS),
    Field("duration", len(DURATIONS.first)),
)
RANK = np.concatenate([np.arange(KEYS)[::-1], [PEDAL_UP, PEDAL_DOWN, END]])  # order within one step: top key first

MELODY_NOTE_FIELDS: tuple[Field, ...] = (
    Field("gap", len(GAPS.first)),
    Field("pitch", KEYS),
    Field("duration", len(DURATIONS.first)),
)

# The paper's performance events: one field, one value an event (Choi et al. 2020, section 4.1, as in their release).
PAD, EOS = 0, 1  # reserved: padding, the end
NOTE_ON = 2  # first of the 88 keys struck
NOTE_OFF = NOTE_ON + KEYS  # first of the 88 keys released
TIME_SHIFT = NOTE_OFF + KEYS  # first of the shifts by 1..MAX_SHIFT steps
MAX_SHIFT = STEPS_PER_SECOND  # steps: one second; a longer pause takes several tokens
VELOCITY = TIME_SHIFT + MAX_SHIFT  # first of the velocity bins; one holds until the next
EVENT_FIELDS: tuple[Field, ...] = (Field("event", VELOCITY + VELOCITY_BINS),)
DEFAULT_VELOCITY = 100  # MIDI: until the first velocity event

FRAME = 10  # steps: the paper's melody has one token every 100 ms
FRAME_RATE = STEPS_PER_SECOND // FRAME  # a second
NO_CHANGE, MELODY_OFF = 2, 3  # after PAD and EOS
MELODY_ON = 4  # first of the 88 keys struck
MELODY_EVENT_FIELDS: tuple[Field, ...] = (Field("event", MELODY_ON + KEYS),)


def velocity_bin(velocity: NDArray[np.int64]) -> NDArray[np.int64]:
    """MIDI velocities 1..127 -> bins 0..31."""
    return (np.clip(velocity, 1, 127) - 1) // VELOCITY_STEP


def velocity_of(velocity_bins: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bins -> MIDI velocities in the middle of each bin."""
    return np.asarray(velocity_bins) * VELOCITY_STEP + 2
