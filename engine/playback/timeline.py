"""Notes and pedal movements as timed messages, in order, with a place reached; more may be added while it is read."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from engine.performance import Note, Pedal
from engine.playback.messages import CONTROL, NOTE_OFF, NOTE_ON, Message

KEY_UP, PEDAL, KEY_DOWN = 0, 1, 2  # order of what happens at the same time
SHORTEST = 0.001  # seconds: a key stays down at least so long


class Event(NamedTuple):
    """A message at a time. stroke: number of the note it belongs to, -1 for a pedal."""

    time: float
    order: int
    stroke: int
    message: Message
    lane: int


class Timeline:
    """Events in order of time and the place reached. is_finished: nothing will be added any more.

    known_until: seconds; what lane 0 does before it is known, as it is written in order. Other lanes go along.
    """

    def __init__(self, events: Iterable[Note | Pedal] = (), is_finished: bool = True) -> None:
        self._strokes = 0
        self._events = sorted(event for given in events for event in self._from_given(given, lane=0))
        self._place = 0
        self.is_finished = is_finished
        self.known_until = max((e.time for e in self._events if e.order != KEY_UP), default=-math.inf)

    def add(self, events: Iterable[Note | Pedal], lane: int = 0) -> None:
        """Put more in; what is earlier than the place reached is not played on this pass."""
        for event in (event for given in events for event in self._from_given(given, lane)):
            if self._place and event < self._events[self._place - 1]:
                self._place += 1
            insort(self._events, event)
            if event.order != KEY_UP and lane == 0:
                self.known_until = max(self.known_until, event.time)

    def _from_given(self, given: Note | Pedal, lane: int) -> Iterator[Event]:
        if isinstance(given, Note):
            self._strokes += 1
            end = max(given.end, given.start + SHORTEST)
            yield Event(given.start, KEY_DOWN, self._strokes, (NOTE_ON, given.pitch, given.velocity), lane)
            yield Event(end, KEY_UP, self._strokes, (NOTE_OFF, given.pitch, 0), lane)
        else:
            yield Event(given.time, PEDAL, -1, (CONTROL, given.controller, given.value), lane)

    @property
    def end(self) -> float:
        """Time of the last event; 0 without any."""
        return self._events[-1].time if self._events else 0.0

    def seek(self, position: float) -> None:
        """Make the first event at or after `position` the next one."""
        self._place = bisect_left(self._events, position, key=lambda event: event.time)

    def next_time(self) -> float:
        """When the next event is due; infinity where none is left."""
        return self._events[self._place].time if self._place < len(self._events) else math.inf

    def take(self) -> Event:
        """The next event, and on to the one after it."""
        self._place += 1
        return self._events[self._place - 1]

    def pedals(self) -> list[tuple[int, Message]]:
        """The pedals that are down at the place reached, each with its lane."""
        latest = {(e.lane, e.message[1]): e.message for e in self._events[: self._place] if e.order == PEDAL}
        return [(lane, message) for (lane, _), message in latest.items() if message[2] > 0]
