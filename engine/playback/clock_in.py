"""Following another's MIDI clock: its starts, stops, song positions and ticks drive the sequencer.

A tick comes up to some milliseconds late. So a straight line is laid through the last beat of ticks, and its newest
point, not the tick, says where the piece is: with ticks spread over ±2 ms that is right to about half a millisecond.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from engine.playback.clock_out import SIXTEENTH, TICKS
from engine.playback.messages import CONTINUE, SONG_POSITION, START, STOP, TICK, Message

JUMP = 0.5  # share of a tick's length: so far from the line, the tempo is another one and the line begins anew
GONE = 1.0  # seconds without a tick: the clock was unplugged
SLOWEST, FASTEST = 0.1, 10.0  # rates: ticks beyond make no sense as the piece's beat


class Follower(Protocol):
    """What a clock drives."""

    def play(self, position: float | None = None) -> None:
        """Play from there."""

    def pause(self) -> None:
        """Stand."""

    def seek(self, position: float) -> None:
        """Go there."""

    def follow(self, position: float, at: float, rate: float) -> None:
        """Be at a position of the piece at a time, and move on at a rate."""


class ClockIn:
    """beat: seconds of the piece that a beat of the clock stands for."""

    def __init__(self, follower: Follower, beat: float = 0.5) -> None:
        self._follower = follower
        self.beat = beat
        self._ticks: deque[tuple[int, float]] = deque(maxlen=TICKS)  # (number, time)
        self._next = 0  # number of the next tick, from the piece's beginning
        self._runs = False
        self._is_armed = False  # the next tick begins to play

    def take(self, message: Message, time: float) -> None:
        """A message of the clock, and when it came."""
        match message[0]:
            case status if status == TICK:
                self._tick(time)
            case status if status == SONG_POSITION:
                self._next = (message[1] + (message[2] << 7)) * SIXTEENTH
                if not self._runs:
                    self._follower.seek(self._next * self.beat / TICKS)
            case status if status in (START, CONTINUE):
                self._next = 0 if status == START else self._next
                self._is_armed = self._runs = True
                self._ticks.clear()
            case status if status == STOP:
                self.stop()

    def stop(self) -> None:
        """The clock stands, and the piece with it."""
        if self._runs:
            self._runs = self._is_armed = False
            self._follower.pause()

    def look(self, now: float) -> None:
        """A clock that has gone without a word stands."""
        if self._runs and self._ticks and now > self._ticks[-1][1] + GONE:
            self.stop()

    def _tick(self, time: float) -> None:
        if not self._runs:
            return
        number, self._next = self._next, self._next + 1
        if self._is_armed:
            self._is_armed = False
            self._follower.play(number * self.beat / TICKS)
        begin, length = self._line()
        if len(self._ticks) > 2 and abs(time - begin - length * number) > JUMP * length:
            self._ticks = deque([self._ticks[-1]], maxlen=TICKS)
        self._ticks.append((number, time))
        if len(self._ticks) > 1:
            begin, length = self._line()
            rate = self.beat / TICKS / length if length > 0 else 0.0
            if SLOWEST < rate < FASTEST:
                self._follower.follow(number * self.beat / TICKS, begin + length * number, rate)

    def _line(self) -> tuple[float, float]:
        """The straight line nearest to the ticks: time of tick 0 and seconds a tick."""
        count = len(self._ticks)
        if count < 2:
            return 0.0, 0.0
        middle_number = sum(number for number, _ in self._ticks) / count
        middle_time = sum(time for _, time in self._ticks) / count
        spread = sum((number - middle_number) ** 2 for number, _ in self._ticks)
        length = sum((number - middle_number) * (time - middle_time) for number, time in self._ticks) / spread
        return middle_time - length * middle_number, length
