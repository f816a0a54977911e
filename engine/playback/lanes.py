"""Where each lane of a piece sounds: the chosen output or a port of its own, on a channel; muted or not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from engine.errors import PlaybackError
from engine.playback.messages import NOTE_OFF, Message, Output
from engine.playback.sounding import Sounding


class Lanes:
    """The chosen output and those that lanes (and the clock) have of their own. Lanes: 0 up; THRU: played by hand.

    An own port that fails is left out, and named in `lost` until it is open again; the chosen one raises PlaybackError.
    """

    def __init__(self, output: Output) -> None:
        self.output = output
        self._main = Sounding(output)
        self._own: dict[str, tuple[Output, Sounding]] = {}
        self._routes: dict[int, tuple[str | None, int]] = {}  # lane -> (port, channel)
        self._muted: set[int] = set()
        self.clock_port: str | None = None
        self.lost: set[str] = set()

    def __bool__(self) -> bool:
        """Whether a key or a pedal is down anywhere."""
        return any(self._soundings())

    def wanted(self) -> set[str]:
        """Names of the ports to open besides the chosen one."""
        names = {self.clock_port, *(port for port, _ in self._routes.values())}
        return {name for name in names if name is not None and name != self.output.name}

    def missing(self) -> set[str]:
        """Those of them that are not open."""
        return self.wanted() - set(self._own)

    def set_output(self, output: Output, at: float) -> Output:
        """Another chosen output; the old one, silenced, is given back."""
        old = self.output
        self._main.release(at)
        self.output, self._main = output, Sounding(output)
        return old

    def add_own(self, output: Output) -> None:
        """One of the wanted ports is open."""
        self._own[output.name] = output, Sounding(output)
        self.lost.discard(output.name)

    def unwanted(self) -> set[str]:
        """Names of own ports that are open for nothing."""
        return set(self._own) - self.wanted()

    def take_own(self, names: set[str] | None, at: float) -> list[Output]:
        """These own ports (None: all), silenced, to be closed."""
        taken = [self._own.pop(name) for name in list(self._own) if names is None or name in names]
        for _, sounding in taken:
            sounding.release(at)
        return [output for output, _ in taken]

    def look(self) -> list[Output]:
        """Own ports that have vanished, to be closed."""
        gone = [name for name, (output, _) in self._own.items() if not output.is_present()]
        self.lost.update(gone)
        return [self._own.pop(name)[0] for name in gone]

    def route(self, lane: int, port: str | None, channel: int, at: float) -> None:
        """Where a lane sounds from now on."""
        self.let_go(at, lane)
        self._routes[lane] = port, channel

    def mute(self, lane: int, is_muted: bool, at: float) -> None:
        """Silence a lane, or let it sound again from its next stroke on."""
        if is_muted:
            self.let_go(at, lane)
        (self._muted.add if is_muted else self._muted.discard)(lane)

    def send(self, message: Message, at: float, stroke: int = -1, lane: int = 0) -> None:
        """Send a lane's message where the lane sounds. The message's own channel is replaced."""
        if lane in self._muted and message[0] & 0xF0 != NOTE_OFF:
            return
        port, channel = self._routes.get(lane, (None, 0))
        routed = (message[0] | channel, message[1], message[2])
        if port is None or port == self.output.name:
            self._main.send(routed, at, stroke, lane)
        elif port in self._own:
            try:
                self._own[port][1].send(routed, at, stroke, lane)
            except PlaybackError:
                self.lost.add(port)

    def send_clock(self, message: Message, at: float) -> None:
        """Send a message of the clock to its port, if that is open."""
        if self.clock_port == self.output.name:
            self.output.send(message, at)
        elif self.clock_port in self._own:
            try:
                self._own[self.clock_port][0].send(message, at)
            except PlaybackError:
                self.lost.add(self.clock_port)

    def let_go(self, at: float, lane: int | None = None) -> None:
        """End by name what a lane holds, or the whole piece; what is played by hand goes on."""
        self._main.let_go(at, lane)
        for name, (_, sounding) in self._own.items():
            try:
                sounding.let_go(at, lane)
            except PlaybackError:
                self.lost.add(name)

    def silence(self, at: float) -> None:
        """End the piece on every port; only by name where a key is held by hand, whose sound the rest would cut."""
        for sounding in self._soundings():
            with contextlib.suppress(PlaybackError):  # a port that is gone ends it itself
                (sounding.let_go if sounding.is_played_by_hand() else sounding.release)(at)

    def release(self, at: float) -> None:
        """End all that sounds on every port."""
        for sounding in self._soundings():
            sounding.release(at)

    def panic(self, at: float) -> None:
        """Let go every key of every channel of every open port."""
        for sounding in self._soundings():
            sounding.panic(at)

    def names(self) -> set[str]:
        """The outputs that are open."""
        return {self.output.name, *self._own}

    def _soundings(self) -> Iterator[Sounding]:
        yield self._main
        yield from (sounding for _, sounding in self._own.values())
