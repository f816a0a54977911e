"""Recording what is played on the keyboard: count-in, metronome, and the last minute, kept without being asked.

The transport plays clicks meanwhile, as a piece of its own; what is heard is timed by the position in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from engine.midi import DRUM_CHANNEL
from engine.performance import Performance
from engine.playback.capture import Capture
from engine.playback.metronome import Metronome, keys_on
from engine.playback.recorder import COUNT_IN, METRONOME, Recorder
from studio.clip import MELODY, Clip, melody_clip, role_of
from studio.notice import Notice
from studio.session import Session
from studio.settings import Settings
from studio.transport import Transport
from studio.words import filled, notes_text

if TYPE_CHECKING:
    from engine.playback import Heard

LAST_SECONDS = 60.0  # that "keep what I just played" goes back


class State(Enum):
    """What recording does now."""

    OFF = "off"
    COUNT_IN = "count-in"
    RECORDING = "recording"


class Recording(QObject):
    """Records through the transport; what comes of it goes on a card. capture: all that was heard lately."""

    state_changed = Signal(State)
    beat_left = Signal(int)  # beats that the count-in still has, at each of them
    kept = Signal()  # `latest` is another one
    noticed = Signal(Notice)

    def __init__(
        self,
        session: Session,
        transport: Transport,
        settings: Settings,
        clock: Callable[[], float] = time.perf_counter,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._transport, self._settings, self._clock = session, transport, settings, clock
        self.capture = Capture()
        self.latest: Performance | None = None
        self.state = State.OFF
        self._recorder: Recorder | None = None
        self._count = 0  # recordings that were kept
        self._beats_left = 0
        transport.heard.connect(self._hear)
        transport.position_changed.connect(self._advance)
        transport.playing_changed.connect(lambda _: self._end_with_playing())
        transport.source_changed.connect(lambda _: self._end_with_playing())

    @property
    def metronome(self) -> Metronome:
        """As it is set, with keys that suit where it clicks."""
        settings = self._settings
        return Metronome(settings.tempo, settings.beats, keys_on(settings.click_port or settings.port))

    def record(self) -> None:
        """Begin with the count-in, unless it is under way."""
        if self.state is not State.OFF:
            return
        settings, transport = self._settings, self._transport
        is_free = not (settings.count_in or settings.clicks)
        recorder = Recorder(self.metronome, settings.count_in, is_free)
        transport.load(self, Performance())
        for lane in (COUNT_IN, METRONOME):
            transport.set_lane(lane, settings.click_port or None, DRUM_CHANNEL)
        transport.set_mute(METRONOME, not settings.clicks)
        transport.add(self, recorder.count_in(), COUNT_IN)
        transport.add(self, recorder.more_clicks(0.0), METRONOME)
        transport.play()
        if transport.is_playing:
            self._recorder = recorder
            self._advance(0.0)

    def stop(self) -> None:
        """End; what was played is kept, and goes on the card it belongs to."""
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        performance = recorder.performance(self._transport.position)
        if self._transport.source is self:
            self._transport.unload()
        self._settle(State.OFF)
        self._keep(performance)

    def keep_last(self) -> None:
        """What was played in the last minute, as if it had been recorded."""
        self._keep(self.capture.last(LAST_SECONDS, self._clock()))

    def place(self, role: str) -> None:
        """Put the latest recording on a card."""
        if self.latest is not None:
            is_melody = role == MELODY
            clip = melody_clip(self.latest) if is_melody else Clip(self.latest.name, (self.latest,))
            self._session.place(role, clip)

    def set_clicks(self, clicks: bool) -> None:
        """Whether the metronome is heard after the count-in; at once."""
        self._settings.clicks = clicks
        if self._recorder is not None:
            self._transport.set_mute(METRONOME, not clicks)

    def _hear(self, heard: Sequence[Heard]) -> None:
        for each in heard:
            self.capture.add(each.time, each.message)
            if self._recorder is not None:
                self._recorder.hear(each.position, each.message)

    def _advance(self, position: float) -> None:
        recorder = self._recorder
        if recorder is None or self._transport.source is not self:
            return
        clicks = recorder.more_clicks(position)
        if clicks:
            self._transport.add(self, clicks, METRONOME)
        self._settle(State.RECORDING if position >= recorder.begin else State.COUNT_IN)
        beats = recorder.beats_left(position)
        if beats != self._beats_left:
            self._beats_left = beats
            self.beat_left.emit(beats)

    def _end_with_playing(self) -> None:
        """Whatever else ends the playing (Space, panic, another piece, a port that is gone) ends the recording."""
        if self._recorder is not None and not (self._transport.is_playing and self._transport.source is self):
            self.stop()

    def _settle(self, state: State) -> None:
        if state is not self.state:
            self.state = state
            self.state_changed.emit(state)

    def _keep(self, performance: Performance) -> None:
        if not performance.notes:
            title = self.tr("Nothing was played")
            self.noticed.emit(Notice.remark(title, self.tr("Choose the keyboard that you play on as input")))
            return
        self._count += 1
        self.latest = replace(performance, name=filled(self.tr("Recording %1"), self._count))
        self.place(role_of(self.latest))
        text = filled(self.tr("%1 kept as “%2”"), notes_text(len(performance)), self.latest.name)
        self.noticed.emit(Notice.remark(text, self.tr("The menu Live puts it on the other card")))
        self.kept.emit()
