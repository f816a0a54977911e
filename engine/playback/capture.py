"""What comes in from a keyboard, remembered for a while whether or not anyone records, and given back as a performance.

All channels are one performer. Times are those of the clock by which each message was stamped.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator

from engine.performance import SOFT, SOSTENUTO, SUSTAIN, Note, Pedal, Performance
from engine.playback.messages import ALL_NOTES_OFF, ALL_SOUND_OFF, CONTROL, NOTE_OFF, NOTE_ON, Message
from engine.playback.timeline import SHORTEST

KEPT = 600.0  # seconds
PEDALS = (SUSTAIN, SOSTENUTO, SOFT)


def is_stroke(message: Message) -> bool:
    """Whether a key is struck."""
    return message[0] & 0xF0 == NOTE_ON and message[2] > 0


class Capture:
    """The messages of the last `kept` seconds."""

    def __init__(self, kept: float = KEPT) -> None:
        self._kept = kept
        self._heard: deque[tuple[float, Message]] = deque()
        self._forgotten_pedals: dict[int, Pedal] = {}  # as they stood before the first message that is remembered

    def add(self, time: float, message: Message) -> None:
        """Remember a message. time: not before that of the last one."""
        self._heard.append((time, message))
        while self._heard[0][0] < time - self._kept:
            self._forgotten_pedals |= {pedal.controller: pedal for pedal in _pedals([self._heard.popleft()])}

    def first_stroke(self, start: float = -math.inf) -> float | None:
        """When the first key was struck from this time on."""
        return next((time for time, message in self._heard if time >= start and is_stroke(message)), None)

    def between(self, start: float, end: float) -> Performance:
        """What was struck from `start` up to `end`, from time 0 on, with the pedals as they stood at the start; keys
        that are still down at the end are let go there."""
        heard = [each for each in self._heard if each[0] < end]
        pedals = [*self._forgotten_pedals.values(), *_pedals(heard)]
        return Performance.of(_notes(heard, end), pedals).slice(start, end)

    def last(self, seconds: float, now: float) -> Performance:
        """What was played in the last seconds, from its first stroke on; without a note if there was none."""
        begin = self.first_stroke(now - seconds)
        return Performance() if begin is None else self.between(begin, now)


def _notes(heard: list[tuple[float, Message]], end: float) -> Iterator[Note]:
    """Each stroke until its key comes up or is struck again."""
    down: dict[int, tuple[float, int]] = {}

    def let_go(pitch: int, time: float) -> Note:
        start, velocity = down.pop(pitch)
        return Note(start, max(time, start + SHORTEST), pitch, velocity)

    for time, (status, number, value) in heard:
        kind = status & 0xF0
        if kind in (NOTE_ON, NOTE_OFF) and number in down:
            yield let_go(number, time)
        if is_stroke((status, number, value)):
            down[number] = time, value
        elif kind == CONTROL and number in (ALL_NOTES_OFF, ALL_SOUND_OFF):
            yield from [let_go(pitch, time) for pitch in [*down]]
    yield from [let_go(pitch, end) for pitch in [*down]]


def _pedals(heard: list[tuple[float, Message]]) -> list[Pedal]:
    movements = ((time, message) for time, message in heard if message[0] & 0xF0 == CONTROL and message[1] in PEDALS)
    return [Pedal(time, value, controller) for time, (_, controller, value) in movements]
