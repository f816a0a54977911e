"""The metronome: where beats and bars stand in time, clicks as notes, and a tempo tapped with a finger."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from engine.performance import Note
from engine.playback.ports import BUILT_IN

SLOWEST, FASTEST = 20.0, 300.0  # beats a minute
CLICK_SECONDS = 0.05
WOOD_BLOCKS = (76, 77)  # first beat of a bar, other beats: General MIDI's, on the drum channel
TOP_KEYS = (108, 103)  # the same for a piano: where its strings are short and dry
VELOCITIES = (112, 80)
EARLY = 0.25  # of a beat: what is struck so little before a bar belongs to it
FEWEST_TAPS, MOST_TAPS = 2, 8
UNEVEN = 1.5  # a tap so many times later, or earlier, than the ones before is the first of another tempo
RESOLUTION = 1e-9  # seconds: a beat so near before the beginning is in


def keys_on(port: str) -> tuple[int, int]:
    """The keys that click on an output."""
    return TOP_KEYS if port == BUILT_IN else WOOD_BLOCKS


@dataclass(frozen=True)
class Metronome:
    """tempo: beats a minute; beats: in a bar; keys: pitches of the first beat and of the others."""

    tempo: float = 120.0
    beats: int = 4
    keys: tuple[int, int] = TOP_KEYS

    @property
    def beat(self) -> float:
        """Seconds."""
        return 60.0 / self.tempo

    @property
    def bar(self) -> float:
        """Seconds."""
        return self.beat * self.beats

    def clicks(self, start: float, end: float) -> Iterator[Note]:
        """The clicks from `start` up to `end`, in seconds from the first beat of a bar."""
        beat = math.ceil((start - RESOLUTION) / self.beat)
        while (time := beat * self.beat) < end - RESOLUTION:
            is_other = beat % self.beats != 0
            yield Note(time, time + CLICK_SECONDS, self.keys[is_other], VELOCITIES[is_other])
            beat += 1

    def bar_begin(self, time: float) -> float:
        """Seconds at which the bar begins that a stroke at this time belongs to."""
        return math.floor((time + EARLY * self.beat) / self.bar) * self.bar


class TapTempo:
    """The tempo at which a finger taps."""

    def __init__(self) -> None:
        self._taps: list[float] = []

    def tap(self, time: float) -> float | None:
        """A tap at a time of the clock; the tempo of the last taps in beats a minute, from the second one on."""
        if self._taps and not self._fits(time - self._taps[-1]):
            self._taps = self._taps[-1:] if time - self._taps[-1] <= 60 / SLOWEST else []
        self._taps = [*self._taps, time][-MOST_TAPS:]
        if len(self._taps) < FEWEST_TAPS:
            return None
        return 60 / max(self._usual_gap(), 60 / FASTEST)

    def _fits(self, gap: float) -> bool:
        """Whether a tap so long after the last one goes on with the tempo."""
        if len(self._taps) < FEWEST_TAPS:
            return gap <= 60 / SLOWEST
        return self._usual_gap() / UNEVEN <= gap <= min(self._usual_gap() * UNEVEN, 60 / SLOWEST)

    def _usual_gap(self) -> float:
        return (self._taps[-1] - self._taps[0]) / (len(self._taps) - 1)
