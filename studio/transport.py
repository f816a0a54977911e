"""Playing: one player, one piece at a time, with a position that moves on between the player's reports.

The clock is given, so a test need not sleep. The player is made beside the window, since that starts a process;
commands given before it is there wait for it. The transport says at once what a command leads to; a player answers
each command that halts it with one `paused`, and what it reports before that answer is older than the command.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from PySide6.QtCore import QObject, QTimer, Signal

from engine.errors import EngineError
from engine.performance import Note, Pedal, Performance
from engine.playback import BUILT_IN, Heard, Player, Status
from engine.playback import status as kinds
from studio.background import Background
from studio.notice import Notice

log = logging.getLogger(__name__)
POLL_INTERVAL = 16  # ms: once a frame
OF_PORTS = (kinds.FAULT, kinds.PORT, kinds.PORTS, kinds.INPUT, kinds.INPUT_LOST)  # news whatever was ordered
LONG_PIECE = 4000  # events: handing over more than this takes longer than a frame, and is done beside the window


class AnyPlayer(Protocol):
    """What the transport asks of engine.playback.Player."""

    def load(self, performance: Performance, finished: bool = True) -> None: ...
    def add(self, events: Iterable[Note | Pedal], lane: int = 0) -> None: ...
    def finish(self) -> None: ...
    def play(self, position: float | None = None) -> None: ...
    def pause(self) -> None: ...
    def stop(self) -> None: ...
    def seek(self, seconds: float) -> None: ...
    def set_port(self, name: str) -> None: ...
    def set_volume(self, volume: float) -> None: ...
    def panic(self) -> None: ...
    def listen(self, name: str | None) -> None: ...
    def set_lane(self, lane: int, port: str | None = None, channel: int = 0) -> None: ...
    def set_mute(self, lane: int, is_muted: bool) -> None: ...
    def set_loop(self, start: float | None, end: float | None) -> None: ...
    def set_tempo_scale(self, scale: float) -> None: ...
    def close(self) -> None: ...
    def poll(self) -> Sequence[Status]: ...
    def heard(self) -> Sequence[Heard]: ...


@dataclass(frozen=True)
class Order:
    """A command for the player. halts: it is answered by `paused`; is_long: it takes longer than a frame."""

    command: Callable[[AnyPlayer], object]
    halts: bool = False
    is_long: bool = False


class Transport(QObject):
    """Plays the piece called `source` (any name for it, compared by ==)."""

    source_changed = Signal(object)
    playing_changed = Signal(bool)
    position_changed = Signal(float)  # seconds
    port_changed = Signal(str, bool)  # name, whether it works
    input_changed = Signal(str, bool)  # name, or why it doesn't work
    ports_changed = Signal()  # some came or went
    heard = Signal(object)  # list of Heard: what came in
    failed = Signal(Notice)

    def __init__(
        self,
        background: Background,
        make_player: Callable[[], AnyPlayer] = Player,
        clock: Callable[[], float] = time.monotonic,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._clock = clock
        self._player: AnyPlayer | None = None
        self._waiting: list[Order] = []
        self._is_busy = True  # being made, or taking in a long piece
        self._source: object = None
        self._is_growing = False
        self._is_playing = False
        self._is_moving = False  # playing and not waiting for notes to be composed
        self._position = 0.0
        self._since = 0.0  # the clock at `_position`
        self._unanswered = 0  # commands that halt the player
        self._loop: tuple[float, float] | None = None
        self._scale = 1.0  # times the tempo written
        self._port = BUILT_IN
        self._timer = QTimer(self, interval=POLL_INTERVAL)
        self._timer.timeout.connect(self.poll)
        self._make_player = make_player
        self._made: AnyPlayer | None = None
        self._obstacle: Notice | None = None  # why there is no player
        self._background = background
        background.run(self._make, self._take_player)

    @property
    def source(self) -> object:
        """What is loaded."""
        return self._source

    @property
    def is_playing(self) -> bool:
        """Whether it plays (or waits for the next note to be composed)."""
        return self._is_playing

    @property
    def position(self) -> float:
        """Seconds from the start of what is loaded."""
        if not self._is_moving:
            return self._position
        position = self._position + (self._clock() - self._since) * self._scale
        if self._loop is not None and self._position < self._loop[1] <= position:
            start, end = self._loop
            return start + (position - end) % (end - start)
        return position

    def load(self, source: object, performance: Performance, is_finished: bool = True) -> None:
        """Another piece, from its start; one that is still being composed grows by `add` until `finish`."""
        self._source, self._loop = source, None
        self._is_growing = not is_finished
        self._settle(is_playing=False, position=0.0)
        is_long = len(performance.notes) + len(performance.pedals) > LONG_PIECE
        self._order(lambda player: player.load(performance, finished=is_finished), halts=True, is_long=is_long)
        self.source_changed.emit(source)

    def unload(self) -> None:
        """Silence, and nothing to play."""
        self.stop()
        self._source = None
        self.source_changed.emit(None)

    def add(self, source: object, events: Sequence[Note | Pedal], lane: int = 0) -> None:
        """More of a piece, if it is the one that is loaded; on other lanes than 0 what sounds beside it."""
        if source == self._source and (self._is_growing or lane):
            self._order(lambda player: player.add(events, lane))

    def finish(self, source: object) -> None:
        """A piece is whole."""
        if source == self._source and self._is_growing:
            self._is_growing = False
            self._order(lambda player: player.finish())

    def play(self) -> None:
        """From where it stands."""
        if self._source is None or self._is_playing:
            return
        if self._obstacle is not None:
            self.failed.emit(self._obstacle)
            return
        position = self.position
        self._order(lambda player: player.play(position))
        self._settle(is_playing=True, position=position)

    def pause(self) -> None:
        """Stand still here."""
        self._order(lambda player: player.pause(), halts=True)
        self._settle(is_playing=False, position=self.position)

    def stop(self) -> None:
        """Silence, and back to the start."""
        self._order(lambda player: player.stop(), halts=True)
        self._settle(is_playing=False, position=0.0)

    def seek(self, seconds: float) -> None:
        """Go there; it goes on playing if it played."""
        position = max(0.0, seconds)
        if self._is_playing:
            self._order(lambda player: player.pause(), halts=True)  # its answer parts old positions from new ones
            self._order(lambda player: player.play(position))
        else:
            self._order(lambda player: player.seek(position), halts=True)
        self._settle(is_playing=self._is_playing, position=position)

    def set_port(self, name: str) -> None:
        """Play through another output."""
        self._port = name
        self._order(lambda player: player.set_port(name))

    def listen(self, name: str | None) -> None:
        """Hear what comes in at an input; None: nothing."""
        self._order(lambda player: player.listen(name))

    def set_lane(self, lane: int, port: str | None, channel: int) -> None:
        """Where a lane sounds; None: on the chosen output."""
        self._order(lambda player: player.set_lane(lane, port, channel))

    def set_loop(self, start: float | None, end: float | None) -> None:
        """Play from `start` to `end`, seconds, round and round; None: no more. Another piece has no loop."""
        self._order(lambda player: player.set_loop(start, end))
        self._settle(self._is_playing, self.position, self._is_moving)
        self._loop = None if start is None or end is None else (start, end)

    def set_tempo_scale(self, scale: float) -> None:
        """How many times as fast as written, 0.25 to 4."""
        self._order(lambda player: player.set_tempo_scale(scale))
        self._settle(self._is_playing, self.position, self._is_moving)
        self._scale = scale

    def set_mute(self, lane: int, is_muted: bool) -> None:
        """Whether a lane is silent."""
        self._order(lambda player: player.set_mute(lane, is_muted))

    def set_volume(self, volume: float) -> None:
        """0 to 1."""
        self._order(lambda player: player.set_volume(volume))

    def panic(self) -> None:
        """Silence every note of every channel, now."""
        self._order(lambda player: player.panic(), halts=True)
        self._settle(is_playing=False, position=self.position)

    def close(self) -> None:
        """End the player."""
        self._timer.stop()
        player = self._player or self._made  # it may have been made just now, and never been delivered
        self._player = self._made = None
        if player is not None:
            player.close()

    def poll(self) -> None:
        """Take in what the player reports, and say where it is."""
        if self._player is None:
            return
        has_fault = False
        for status in self._player.poll():
            has_fault = has_fault or status.kind == kinds.FAULT
            self._take_in(status, has_fault)
        heard = self._player.heard()
        if heard:
            self.heard.emit(heard)
        if self._is_playing:
            self.position_changed.emit(self.position)

    def _take_in(self, status: Status, has_fault: bool) -> None:
        """has_fault: a fault came just before; the port that follows is then a silent one in its place."""
        if self._unanswered and status.kind not in OF_PORTS:
            self._unanswered -= status.kind == kinds.PAUSED
            return
        match status.kind:
            case kinds.PLAYING:
                self._settle(is_playing=True, position=status.position)
            case kinds.WAITING:
                self._settle(is_playing=True, position=status.position, is_moving=False)
            case kinds.PAUSED:
                self._settle(is_playing=False, position=status.position)
            case kinds.ENDED:
                self._settle(is_playing=False, position=0.0)
            case kinds.PORT:
                self._port = status.text or self._port
                self.port_changed.emit(self._port, not has_fault)
            case kinds.INPUT | kinds.INPUT_LOST:
                self.input_changed.emit(status.text, status.kind == kinds.INPUT)
            case kinds.PORTS:
                self.ports_changed.emit()
            case kinds.FAULT:
                self._unanswered = 0  # the player may be another one
                self.port_changed.emit(self._port, False)
                self.failed.emit(Notice(self.tr("This can't be played"), status.text))

    def _settle(self, is_playing: bool, position: float, is_moving: bool | None = None) -> None:
        was_playing, self._is_playing = self._is_playing, is_playing
        self._is_moving = is_playing if is_moving is None else is_moving
        self._position, self._since = position, self._clock()
        if was_playing != is_playing:
            self.playing_changed.emit(is_playing)
        self.position_changed.emit(position)

    def _make(self) -> None:
        """In a thread beside the window."""
        try:
            self._made = self._make_player()
        except Exception as error:
            log.warning("there is no player", exc_info=True)
            self._obstacle = Notice.of(error)

    def _take_player(self, _: None) -> None:
        if self._obstacle is not None:
            self._settle(is_playing=False, position=0.0)
            self.failed.emit(self._obstacle)
            return
        self._player = self._made
        self._timer.start()
        self._go_on(None)

    def _order(self, command: Callable[[AnyPlayer], object], halts: bool = False, is_long: bool = False) -> None:
        self._waiting.append(Order(command, halts, is_long))
        if not self._is_busy:
            self._go_on(None)

    def _go_on(self, error: EngineError | None) -> None:
        """The player has time: give it the orders that wait, in their order."""
        self._is_busy = False
        self._fail(error)
        while self._waiting and not self._is_busy:
            order = self._waiting.pop(0)
            self._unanswered += order.halts
            if order.is_long:
                self._is_busy = True
                self._background.run(partial(self._obey, order), self._go_on)
            else:
                self._fail(self._obey(order))

    def _obey(self, order: Order) -> EngineError | None:
        try:
            if self._player is not None:
                order.command(self._player)
        except EngineError as error:
            return error
        return None

    def _fail(self, error: EngineError | None) -> None:
        if error is not None:
            self.failed.emit(Notice.of(error))
