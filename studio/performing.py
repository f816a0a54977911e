"""Performing: the keyboard that is played on, what records it and what answers it, with their commands on screen."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtGui import QActionGroup

from engine.playback import Port
from engine.playback.metronome import TapTempo
from studio.clip import MELODY, STYLE
from studio.follow import Follow
from studio.notice import Notice
from studio.recording import Recording, State
from studio.words import filled

if TYPE_CHECKING:
    from studio.app import Studio


class Performing(QObject):
    """Connects input, recording and follow with the menu and the transport bar."""

    def __init__(
        self, studio: Studio, list_ports: Callable[[], list[Port]], list_inputs: Callable[[], list[Port]]
    ) -> None:
        super().__init__(studio)
        self._settings, self._window, self._transport = studio.settings, studio.window, studio.transport
        self._background, self._list_ports, self._list_inputs = studio.background, list_ports, list_inputs
        self._taps = TapTempo()
        self._input = ""  # that is listened to
        self.recording = Recording(studio.session, studio.transport, studio.settings, parent=self)
        self.follow = Follow(
            studio.session,
            studio.composing,
            studio.transport,
            self.recording.capture,
            recipe=lambda: studio.window.panel.recipe,
            beat=lambda: self.recording.metronome.beat,
            parent=self,
        )
        self._connect_recording()
        self._connect_metronome()
        self._connect_follow()
        self._connect_input()

    def _connect_recording(self) -> None:
        window, recording = self._window, self.recording
        window.action("record").triggered.connect(self._record)
        window.action("keep_played").triggered.connect(lambda _: recording.keep_last())
        for role in (MELODY, STYLE):
            action = window.action(f"recording_to_{role}")
            action.setEnabled(False)
            action.triggered.connect(lambda _, role=role: recording.place(role))
        recording.kept.connect(self._allow_placing)
        recording.noticed.connect(window.notice_bar.show_notice)
        recording.state_changed.connect(self._show_state)
        recording.beat_left.connect(self._show_beat)

    def _connect_metronome(self) -> None:
        window, settings = self._window, self._settings
        window.action("metronome").setChecked(settings.clicks)
        window.action("metronome").toggled.connect(self.recording.set_clicks)
        window.action("count_in").setChecked(settings.count_in > 0)
        window.action("count_in").toggled.connect(lambda counts: setattr(settings, "count_in", int(counts)))
        window.action("tap").triggered.connect(lambda _: self._tap())
        window.transport_bar.tempo.setValue(settings.tempo)
        window.transport_bar.tempo.valueChanged.connect(lambda tempo: setattr(settings, "tempo", tempo))
        window.click_ports.aboutToShow.connect(self._list_click_ports)

    def _connect_follow(self) -> None:
        action = self._window.action("follow_playing")
        action.toggled.connect(self._set_follow)
        self.follow.changed.connect(action.setChecked)

    def _connect_input(self) -> None:
        bar = self._window.transport_bar
        bar.input_chosen.connect(self._choose_input)
        bar.inputs_wanted.connect(self._refresh_inputs)
        self._transport.input_changed.connect(self._show_input_state)
        self._transport.ports_changed.connect(self._refresh_inputs)
        self._refresh_inputs()

    # Commands

    def _record(self) -> None:
        if self.recording.state is State.OFF:
            self.follow.set_on(False)  # its answers would end the recording
            self.recording.record()
        else:
            self.recording.stop()
        self._show_state(self.recording.state)

    def _set_follow(self, is_on: bool) -> None:
        if is_on:
            self.recording.stop()
        self.follow.set_on(is_on)

    def _tap(self) -> None:
        tempo = self._taps.tap(time.perf_counter())
        if tempo is not None:
            self._window.transport_bar.tempo.setValue(round(tempo))

    def _choose_input(self, name: str) -> None:
        self._settings.input = name
        self._listen(name)

    def _listen(self, name: str) -> None:
        if name != self._input:
            self._input = name
            self._transport.listen(name)

    def _refresh_inputs(self) -> None:
        self._background.run(self._list_inputs, self._show_inputs)

    # What is shown

    def _show_inputs(self, inputs: list[Port]) -> None:
        """The chosen one is listened to; without a choice the first there is."""
        present = [port.name for port in inputs if port.is_present]
        chosen = self._settings.input or self._input or next(iter(present), "")
        self._window.transport_bar.show_inputs([(port.name, port.name, port.is_present) for port in inputs], chosen)
        if chosen:
            self._listen(chosen)

    def _show_input_state(self, text: str, works: bool) -> None:
        """text: its name, or why it doesn't work."""
        self._window.transport_bar.show_input_state(works)
        if not works:
            self._window.notice_bar.show_notice(Notice(self.tr("The keyboard is not heard"), text))

    def _show_state(self, state: State) -> None:
        action = self._window.action("record")
        action.setChecked(state is not State.OFF)
        action.setText(self.tr("&Record") if state is State.OFF else self.tr("Stop &recording"))
        if state is State.RECORDING:
            self._window.transport_bar.show_title(self.tr("Recording"))

    def _show_beat(self, left: int) -> None:
        if left:
            self._window.transport_bar.show_title(filled(self.tr("Count-in: %1"), left))

    def _allow_placing(self) -> None:
        for role in (MELODY, STYLE):
            self._window.action(f"recording_to_{role}").setEnabled(True)

    def _list_click_ports(self) -> None:
        """The outputs that the metronome may have for its own."""
        menu = self._window.click_ports
        menu.clear()
        choices = QActionGroup(menu)
        names = [port.name for port in self._list_ports() if port.kind == "output" and port.is_present]
        for name in ["", *names]:
            action = menu.addAction(name or self.tr("Where the music is played"))
            action.setCheckable(True)
            action.setChecked(name == self._settings.click_port)
            action.triggered.connect(partial(setattr, self._settings, "click_port", name))
            choices.addAction(action)
