"""Where a phrase ends: no key was down for the length of a rest. Pedals don't count: under them a hand may rest."""

from __future__ import annotations

import math

from engine.playback.capture import is_stroke
from engine.playback.messages import ALL_NOTES_OFF, ALL_SOUND_OFF, CONTROL, NOTE_OFF, NOTE_ON, Message


class Phrase:
    """The phrase that is being played. begin: clock time of its first stroke, None before it; rest: seconds."""

    def __init__(self, rest: float) -> None:
        self.rest = rest
        self.begin: float | None = None
        self._down: set[int] = set()
        self._last_lift = -math.inf

    def hear(self, time: float, message: Message) -> None:
        """Take a message that came at a time of the clock."""
        kind, number = message[0] & 0xF0, message[1]
        if is_stroke(message):
            self.begin = time if self.begin is None else self.begin
            self._down.add(number)
        elif kind in (NOTE_ON, NOTE_OFF) and number in self._down:
            self._down.discard(number)
            self._last_lift = time
        elif kind == CONTROL and number in (ALL_NOTES_OFF, ALL_SOUND_OFF):
            self._last_lift = time if self._down else self._last_lift
            self._down.clear()

    @property
    def over_at(self) -> float:
        """When it is over if nothing more is struck; infinity while a key is down or before it has begun."""
        return math.inf if self._down or self.begin is None else self._last_lift + self.rest

    def start_anew(self) -> None:
        """The next stroke begins another phrase."""
        self.begin = None
