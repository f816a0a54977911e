"""A clock that is set, an output that remembers, and a way to let a sequencer's time pass without sleeping."""

from __future__ import annotations

import math

from engine.errors import PlaybackError
from engine.playback.messages import CONTROL, NOTE_OFF, NOTE_ON, Message
from engine.playback.sequencer import Sequencer
from engine.playback.status import Status

STEPS = 200_000  # so many without reaching the time asked for: the sequencer spins


class FakeClock:
    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class FakeOutput:
    """An instrument that obeys note-offs and pedals only: what it still holds was not released by name."""

    spin = 0.0

    def __init__(self, clock: FakeClock, name: str = "fake") -> None:
        self.name = name
        self.is_broken = False
        self.received: list[tuple[float, Message]] = []
        self.sounding: set[tuple[int, int]] = set()
        self.pedals: set[tuple[int, int]] = set()
        self._clock = clock

    def send(self, message: Message, at: float) -> None:
        if self.is_broken:
            raise PlaybackError("The fake port is gone")
        self.received.append((self._clock.now, message))
        kind, place = message[0] & 0xF0, (message[0] & 0x0F, message[1])
        if kind == NOTE_ON:
            self.sounding.add(place)
        elif kind == NOTE_OFF:
            self.sounding.discard(place)
        elif kind == CONTROL and message[1] in (64, 66, 67):
            (self.pedals.add if message[2] else self.pedals.discard)(place)

    def struck(self) -> list[tuple[float, int]]:
        """(seconds since the clock began at 1000, pitch) of each note-on."""
        return [(round(time - 1000, 6), m[1]) for time, m in self.received if m[0] & 0xF0 == NOTE_ON]

    def messages(self) -> list[Message]:
        return [message for _, message in self.received]

    def set_volume(self, volume: float) -> None:
        pass

    def is_present(self) -> bool:
        return not self.is_broken

    def close(self) -> None:
        pass


class Rig:
    """A sequencer with its fakes."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.output = FakeOutput(self.clock)
        self.statuses: list[Status] = []
        self.sequencer = Sequencer(self.output, self.clock, self.statuses.append)

    def run(self, seconds: float) -> None:
        """Let time pass, doing what is due when it is due."""
        until = self.clock.now + seconds
        for _ in range(STEPS):
            due = self.sequencer.step()
            if due > until:
                self.clock.now = until
                return
            self.clock.now = max(due, self.clock.now)
        raise AssertionError("the sequencer never comes to rest")

    def kinds(self) -> list[str]:
        """Kinds of status in the order they came, repeats left out."""
        kinds = [status.kind for status in self.statuses]
        return [kind for kind, before in zip(kinds, [None, *kinds], strict=False) if kind != before]

    def is_silent(self) -> bool:
        return not self.output.sounding and not self.output.pedals

    def sleeps(self) -> bool:
        """Whether nothing is due any more."""
        return self.sequencer.step() == math.inf
