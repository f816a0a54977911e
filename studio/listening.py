"""Listening: which music the transport plays, the commands that play it, and where on screen it is seen to play."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from engine.playback import BUILT_IN, Port
from studio.clip import MELODY, Clip
from studio.icons import icon
from studio.takes import State, Take
from studio.words import filled

if TYPE_CHECKING:
    from studio.app import Studio


class Listening(QObject):
    """Connects the transport with its bar, the cards, the roll and the take list.

    A source of the transport is a take's number, or the role of a card.
    """

    def __init__(self, studio: Studio, list_ports: Callable[[], list[Port]]) -> None:
        super().__init__(studio)
        self._studio, self._settings, self._window = studio, studio.settings, studio.window
        self._session, self._transport, self._composing = studio.session, studio.transport, studio.composing
        self._background, self._list_ports = studio.background, list_ports
        self._length = 0.0
        self._connect_transport()
        self._connect_commands()
        self._recall()
        self.refresh()

    def _connect_transport(self) -> None:
        transport, bar = self._transport, self._window.transport_bar
        transport.playing_changed.connect(lambda _: self.refresh())
        transport.source_changed.connect(lambda _: self.refresh())
        transport.position_changed.connect(self._show_position)
        transport.failed.connect(self._window.notice_bar.show_notice)
        transport.port_changed.connect(lambda _, works: bar.show_port_state(works))
        self._window.take_list.take_chosen.connect(lambda _: self.refresh())
        self._session.takes.take_changed.connect(lambda _: self.refresh())
        self._session.clip_changed.connect(self._forget_clip)

    def _connect_commands(self) -> None:
        window, bar = self._window, self._window.transport_bar
        window.action("play").triggered.connect(lambda _: self.play_or_pause())
        window.action("stop").triggered.connect(lambda _: self._transport.stop())
        window.action("panic").triggered.connect(lambda _: self._transport.panic())
        window.action("live").toggled.connect(self._set_live)
        window.take_list.play_requested.connect(self.play_from_start)
        window.roll.seek_requested.connect(self.seek)
        for role, card in window.cards.items():
            card.play_requested.connect(lambda role=role: self.play_clip(role))
        window.candidate_bar.play_requested.connect(self.play_candidate)
        bar.port_chosen.connect(self.choose_port)
        bar.volume_changed.connect(self._set_volume)
        bar.ports_wanted.connect(self.refresh_ports)

    def _recall(self) -> None:
        """The settings of the last time."""
        settings, bar = self._settings, self._window.transport_bar
        self._window.action("live").setChecked(settings.plays_while_composing)
        self._composing.plays = settings.plays_while_composing
        self._show_ports([Port(BUILT_IN, "piano")])
        bar.show_volume(settings.volume)
        self._transport.set_volume(settings.volume)
        if settings.port != BUILT_IN:
            self._transport.set_port(settings.port)
        self.refresh_ports()

    # Commands

    def play_or_pause(self) -> None:
        """The chosen take, or what is loaded if there is none."""
        take = self._studio.desk.chosen_take()
        if self._transport.is_playing:
            self._transport.pause()
            return
        if take is not None:
            self._load(take)
        self._transport.play()

    def play_from_start(self) -> None:
        """The chosen take, from its start."""
        take = self._studio.desk.chosen_take()
        if take is not None:
            self._load(take)
            self._transport.seek(0.0)
            self._transport.play()

    def play_clip(self, role: str) -> None:
        """A card's music, or silence if it plays already."""
        clip = self._session.clip(role)
        if self._transport.source == role and self._transport.is_playing:
            self._transport.pause()
        elif clip is not None:
            if self._transport.source != role:
                self._transport.load(role, clip.whole)
            self._transport.play()

    def play_candidate(self, candidate: int) -> None:
        """Another line of the melody's file on its card, and heard; silence if it plays already."""
        clip = self._session.clip(MELODY)
        if clip is not None and candidate != clip.chosen:
            self._session.choose_melody(candidate)
        self.play_clip(MELODY)

    def seek(self, seconds: float) -> None:
        """A place in the chosen take; it plays on from there if something played."""
        was_playing = self._transport.is_playing
        take = self._studio.desk.chosen_take()
        if take is not None:
            self._load(take)
        self._transport.seek(seconds)
        if was_playing:
            self._transport.play()

    def choose_port(self, name: str) -> None:
        """Another output, remembered by name."""
        self._settings.port = name
        self._window.transport_bar.show_port_state(True)
        self._transport.set_port(name)

    def refresh_ports(self) -> None:
        """Ask which outputs there are."""
        self._background.run(self._list_ports, self._show_ports)

    def refresh(self) -> None:
        """What plays, on every widget that shows it."""
        source, is_playing = self._transport.source, self._transport.is_playing
        window = self._window
        play = window.action("play")
        play.setText(self.tr("Pause") if is_playing else self.tr("Play"))
        play.setIcon(icon("pause" if is_playing else "play", self._studio.theme.window))
        for role, card in window.cards.items():
            card.show_playing(is_playing and source == role)
        window.take_list.show_playing(source if is_playing and isinstance(source, int) else None)
        self._length = self._source_length()
        window.transport_bar.show_title(self._source_title())
        self._show_position(self._transport.position)

    # What is shown

    def _load(self, take: Take) -> None:
        """Into the transport, unless it is there already; one that is being composed goes on growing there."""
        if self._transport.source != take.number:
            self._transport.load(take.number, take.performance, is_finished=take.state is not State.COMPOSING)

    def _show_position(self, seconds: float) -> None:
        window, source = self._window, self._transport.source
        window.transport_bar.show_position(seconds, self._length)
        is_shown = isinstance(source, int) and source == self._studio.desk.chosen_number
        window.roll.move_playhead(seconds if is_shown else None)
        if isinstance(source, str) and self._transport.is_playing:
            window.cards[source].miniature.move_playhead(seconds)

    def _source_title(self) -> str:
        source = self._transport.source
        clip = self._session.clip(source) if isinstance(source, str) else None
        if clip is not None:
            return clip.name
        return filled(self.tr("Take %1"), source) if isinstance(source, int) else ""

    def _source_length(self) -> float:
        source = self._transport.source
        clip = self._session.clip(source) if isinstance(source, str) else None
        if clip is not None:
            return clip.whole.seconds
        take = self._session.takes.numbered(source) if isinstance(source, int) else None
        return max(take.performance.seconds, self._composing.expected(take)) if take is not None else 0.0

    def _forget_clip(self, role: str, clip: Clip | None) -> None:
        """Another clip on a card: the old one does not go on under its name."""
        if self._transport.source == role:
            self._transport.unload()

    def _show_ports(self, ports: list[Port]) -> None:
        shown = []
        for port in ports:
            text = self.tr("Built-in piano") if port.name == BUILT_IN else port.name
            shown.append((port.name, text, port.is_present))
        self._window.transport_bar.show_ports(shown, self._settings.port)

    def _set_volume(self, volume: float) -> None:
        self._settings.volume = volume
        self._transport.set_volume(volume)

    def _set_live(self, is_live: bool) -> None:
        self._settings.plays_while_composing = is_live
        self._composing.plays = is_live
