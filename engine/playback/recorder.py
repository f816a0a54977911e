"""One recording: the clicks that lead in and go along, and the performance of what was played to them.

It knows no clock: its times are positions of the piece that the player plays meanwhile, which is nothing but clicks.
"""

from __future__ import annotations

import math

from engine.performance import Note, Performance
from engine.playback.capture import Capture
from engine.playback.messages import Message
from engine.playback.metronome import EARLY, Metronome

COUNT_IN, METRONOME = 8, 9  # lanes of the player: the second may be mute, but goes on, so that the position does
AHEAD = 60.0  # seconds of clicks that the player is given before their time: where they end, so does the piece


class Recorder:
    """Recording to a metronome after so many bars of count-in. is_free: no beat is heard, so bars mean nothing."""

    def __init__(self, metronome: Metronome, count_in: int = 0, is_free: bool = False) -> None:
        self._metronome, self._is_free = metronome, is_free
        self._played = Capture(kept=math.inf)
        self._last = 0.0  # position of what was heard last
        self.begin = count_in * metronome.bar  # position: the count-in is over
        self._clicks_until = self.begin

    def hear(self, position: float, message: Message) -> None:
        """Take a message that came at a position."""
        self._last = position
        self._played.add(position, message)

    def count_in(self) -> list[Note]:
        """The clicks before the beginning."""
        return [*self._metronome.clicks(0.0, self.begin)]

    def more_clicks(self, position: float) -> list[Note]:
        """The clicks that follow those given before, if it is time for more."""
        if position + AHEAD / 2 < self._clicks_until:
            return []
        start, self._clicks_until = self._clicks_until, max(position, self.begin) + AHEAD
        return [*self._metronome.clicks(start, self._clicks_until)]

    def beats_left(self, position: float) -> int:
        """Beats that the count-in still has, with the one that sounds; 0 after it."""
        return max(math.ceil((self.begin - position) / self._metronome.beat), 0)

    def performance(self, end: float) -> Performance:
        """What was played until a position, and all that was heard; without a note if nothing was.

        Time 0 is the beginning of the bar of the first stroke, or the first stroke itself where no beat was heard.
        """
        first = self._played.first_stroke(self.begin - EARLY * self._metronome.beat)
        if first is None:
            return Performance()
        bar = first if self._is_free else self._metronome.bar_begin(first)
        begin = min(first, bar)
        return self._played.between(begin, max(end, math.nextafter(self._last, math.inf))).shift(begin - bar)
