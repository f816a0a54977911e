"""Timed messages into blocks of sound: each at the frame that its time asks for.

A message sounds about one block after the time it is due at, wherever in the block that is: late by a little, always
alike. Only the thread that asks for blocks touches the mixer; messages reach it through a queue.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engine.playback.messages import Message
from engine.playback.mixer import RATE, Mixer

RESYNC = 0.03  # seconds: the device's clock and ours may differ so much; more is a gap in the sound
FOLLOW = 0.02  # share of that difference taken back each block


class Stream:
    """A mixer in time."""

    def __init__(self, mixer: Mixer, clock: Callable[[], float]) -> None:
        self._mixer = mixer
        self._clock = clock
        self._messages: deque[tuple[float, Message]] = deque()
        self._reached = 0.0  # the clock's time that the sound has reached

    def send(self, message: Message, at: float) -> None:
        """Let a message sound that is due at `at`."""
        self._messages.append((at, message))

    def next_block(self, frames: int) -> NDArray[np.float32]:
        """The next frames: (frames, 2)."""
        begin = self._next_begin(frames / RATE)
        parts, done = [], 0
        while self._messages and self._messages[0][0] < self._reached:
            at, message = self._messages.popleft()
            place = min(int((at - begin) * RATE), frames)
            if place > done:
                parts.append(self._mixer.mix(place - done))
                done = place
            self._mixer.send(message)
        parts.append(self._mixer.mix(frames - done))
        return np.concatenate(parts)

    def _next_begin(self, seconds: float) -> float:
        """The time at which the block begins: where the last ended, drawn gently to the clock."""
        begin = self._clock() - seconds
        drift = begin - self._reached
        if abs(drift) <= RESYNC:
            begin = self._reached + FOLLOW * drift
        self._reached = begin + seconds
        return begin
