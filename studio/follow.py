"""Style follow: a phrase is played on the keyboard, and after a rest of one beat the program answers in the style.

An answer is a take like any other, composed to the phrase as its melody; playing again silences it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from engine.playback.capture import Capture, is_stroke
from engine.playback.phrase import Phrase
from studio.clip import MELODY, melody_clip
from studio.composing import Composing
from studio.recipe import Recipe
from studio.session import Session
from studio.transport import Transport
from studio.words import filled

if TYPE_CHECKING:
    from engine.playback import Heard


class Follow(QObject):
    """Answers while it is on. capture: where what is heard is found, fed before this; recipe, beat (seconds): asked
    for at each phrase."""

    changed = Signal(bool)  # whether it is on

    def __init__(
        self,
        session: Session,
        composing: Composing,
        transport: Transport,
        capture: Capture,
        recipe: Callable[[], Recipe],
        beat: Callable[[], float],
        clock: Callable[[], float] = time.perf_counter,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._composing, self._transport = session, composing, transport
        self._capture, self._recipe, self._beat, self._clock = capture, recipe, beat, clock
        self.is_on = False
        self._phrase = Phrase(beat())
        self._count = 0  # phrases that were answered
        self._is_answering = False  # from the rest on, until something is played again
        self._waits = False  # for the end of what is being composed, to compose the answer
        self._is_composing = False  # the answer, and nothing else
        self._answer: int | None = None  # number of its take
        self._has_sounded = False
        self._timer = QTimer(self, singleShot=True, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self.look)
        transport.heard.connect(self._hear)
        transport.input_changed.connect(lambda *_: self._forget())
        transport.playing_changed.connect(self._note_sound)
        composing.take_begun.connect(self._take_number)
        composing.ended.connect(self._end_composing)

    def set_on(self, is_on: bool) -> None:
        """Begin to listen, or be silent."""
        if is_on == self.is_on:
            return
        self.is_on = is_on
        self._interrupt()
        self._forget()
        self.changed.emit(is_on)

    def look(self) -> None:
        """Answer if the phrase is over; else look again when it may be."""
        if not self.is_on or self._is_answering or self._phrase.over_at == math.inf:
            return
        left = self._phrase.over_at - self._clock()
        if left > 0:
            self._timer.start(math.ceil(1000 * left))
            return
        self._is_answering, self._waits, self._has_sounded, self._answer = True, True, False, None
        self._compose()

    def _hear(self, heard: Sequence[Heard]) -> None:
        if not self.is_on:
            return
        self._phrase.rest = self._beat()
        for each in heard:
            if is_stroke(each.message):
                self._interrupt()
            self._phrase.hear(each.time, each.message)
        self.look()

    def _compose(self) -> None:
        """The answer, once nothing else is being composed."""
        if not self._waits or self._composing.is_composing or self._phrase.begin is None:
            return
        self._waits = False
        self._count += 1
        name = filled(self.tr("Phrase %1"), self._count)
        phrase = self._capture.between(self._phrase.begin, self._clock())
        self._session.place(MELODY, melody_clip(replace(phrase, name=name)))
        self._is_composing = True
        self._composing.compose(replace(self._recipe(), takes=1, seconds=None), must_play=True)

    def _interrupt(self) -> None:
        """Silence the answer. What was played before it belongs to the next phrase only if it was not heard yet."""
        if not self._is_answering:
            return
        is_begun = self._has_sounded or not (self._waits or self._is_composing)
        self._is_answering = self._waits = False
        if self._is_composing:
            self._composing.cancel()
        if self._answer is not None and self._transport.source == self._answer:
            self._transport.unload()  # what is still on its way from the engine finds nobody to play it
        if is_begun:
            self._phrase.start_anew()

    def _forget(self) -> None:
        """Whatever key was down, on this input or another: the next stroke begins a phrase."""
        self._timer.stop()
        self._phrase = Phrase(self._beat())

    def _take_number(self, row: int, length: float) -> None:
        if self._is_composing:
            self._answer = self._session.takes.take(row).number

    def _note_sound(self, is_playing: bool) -> None:
        self._has_sounded |= is_playing and self._answer is not None and self._transport.source == self._answer

    def _end_composing(self) -> None:
        self._is_composing = False
        if self._waits:
            QTimer.singleShot(0, self._compose)  # when everyone knows that the one before has ended
