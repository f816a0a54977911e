"""The player's own process: commands in by standard input, statuses out by standard output, music to ports.

It is started with `python -m`, not by multiprocessing, which would run the caller's script again. Whatever ends it but
SIGKILL (a command, the owner's death, SIGTERM, an exception) silences the ports first. A MIDI system that stands still
can hold a thread in a call that never comes back: then the process ends itself, and its owner starts another.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import signal
import sys
import time
from array import array
from collections.abc import Callable
from typing import BinaryIO

from engine.errors import EngineError, PlaybackError
from engine.performance import Note, Pedal
from engine.playback.clock_in import ClockIn
from engine.playback.connections import Connections
from engine.playback.messages import CLOCK, Heard, Message
from engine.playback.pipe import CLOSED, Inbox, Outbox
from engine.playback.ports import BUILT_IN
from engine.playback.priority import raise_priority
from engine.playback.sequencer import Sequencer
from engine.playback.silence import Silence
from engine.playback.sounding import THRU
from engine.playback.status import Punctuality

LOOK_ROUND = 0.5  # seconds between looks at whether the ports and the owner are there
KEPT_STATUSES = 1000  # for an owner that doesn't ask; about half a minute
ROOM_TO_LOOK = 0.02  # seconds that must be free before the next thing due for such a look
LONGEST_UNLOOKED = 1.0  # seconds after which it looks even so: a system that died would hold us in a call to it
LONGEST_TURN = 5.0  # seconds: a turn that takes longer never ends
OPENING = 60.0  # seconds that opening a port or the piano may take
TURN = 0.0005  # seconds a thread keeps the interpreter that another one wants: 5 ms by default, which is heard
NOWHERE = 1  # the standard output, once its place is taken


class PlayerProcess:
    """Runs a sequencer by the clock until it is told to close. is_first: it goes before ordinary processes."""

    def __init__(self, inbox: Inbox, outbox: Outbox, clock: Callable[[], float], is_first: bool) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._clock = clock
        self._owner = os.getppid()
        self._looked = self._next_look = 0.0
        self._scale = 1.0
        self._sequencer = Sequencer(Silence(BUILT_IN), clock, outbox.put)
        self._clock_in = ClockIn(self._sequencer)
        self._ports = Connections(self._sequencer, clock, outbox.put, lambda *heard: inbox.put(("heard", *heard)))
        self._is_thru = True
        self._is_first = is_first
        self._commands: dict[str, Callable[..., None]] = {
            "load": self._load,
            "add": self._sequencer.add,
            "finish": self._sequencer.finish,
            "play": self._play,
            "pause": self._pause,
            "stop": self._stop,
            "seek": self._sequencer.seek,
            "panic": self._panic,
            "loop": self._sequencer.set_loop,
            "scale": self._set_scale,
            "mute": self._sequencer.set_mute,
            "lane": self._ports.set_lane,
            "audio": self._ports.set_audio,
            "port": self._set_port,
            "volume": self._ports.set_volume,
            "listen": self._listen,
            "thru": self._set_thru,
            "tempo": self._set_tempo,
            "clock_out": self._ports.set_clock_out,
            "clock_in": self._set_clock_in,
            "heard": self._hear,
            "measure": self._measure,
        }

    def run(self) -> None:
        """Until told to close; the ports are silent and closed after, however this ends."""
        try:
            while self._turn():
                pass
        finally:
            with contextlib.suppress(EngineError):
                self._sequencer.pause()
            self._ports.close()
            faulthandler.cancel_dump_traceback_later()

    def _turn(self) -> bool:
        """Do what is due, then wait for a command or for the next thing due. False: closed."""
        try:
            due = self._sequencer.step()
            self._look_round(due)
            command = self._inbox.wait(min(due, self._next_look), self._clock, self._spin())
            if command == CLOSED or os.getppid() != self._owner:
                return False
            if command is not None:
                self._commands[command[0]](*command[1:])
        except PlaybackError as error:
            self._sequencer.fail(str(error))
        return True

    def _spin(self) -> float:
        """Awake before a deadline only while something plays: a look at the ports may be late."""
        return self._sequencer.output.spin if self._sequencer.is_playing else 0.0

    def _look_round(self, due: float) -> None:
        """Now and then, when nothing is due soon: are the ports still there, or there again?"""
        now = self._clock()
        if now < self._next_look:
            return
        if due < now + ROOM_TO_LOOK and now < self._looked + LONGEST_UNLOOKED:
            self._next_look = now + ROOM_TO_LOOK
            return
        self._looked, self._next_look = now, now + LOOK_ROUND
        faulthandler.dump_traceback_later(LONGEST_TURN, exit=True, file=NOWHERE)
        self._clock_in.look(now)
        self._ports.look()

    def _load(self, events: list[Note | Pedal], is_finished: bool) -> None:
        self._ports.plays_on_return = False
        self._sequencer.load(events, is_finished)

    def _play(self, position: float | None) -> None:
        self._ports.check_output()
        self._sequencer.play(position)

    def _pause(self) -> None:
        self._ports.plays_on_return = False
        self._sequencer.pause()

    def _stop(self) -> None:
        self._ports.plays_on_return = False
        self._sequencer.stop()

    def _panic(self) -> None:
        self._ports.plays_on_return = False
        self._sequencer.panic()
        self._ports.panic()

    def _set_port(self, name: str) -> None:
        faulthandler.dump_traceback_later(OPENING, exit=True, file=NOWHERE)
        self._ports.set_port(name)

    def _set_scale(self, scale: float) -> None:
        self._scale = scale
        self._sequencer.set_rate(scale)

    def _set_tempo(self, beats_per_minute: float) -> None:
        self._sequencer.clock_out.beat = self._clock_in.beat = 60 / beats_per_minute

    def _set_clock_in(self, name: str | None) -> None:
        self._clock_in.stop()
        self._sequencer.set_rate(self._scale)
        self._ports.want_input("clock", name)

    def _listen(self, name: str | None) -> None:
        self._sequencer.lanes.let_go(self._clock(), THRU)
        self._ports.want_input("keyboard", name)

    def _set_thru(self, is_thru: bool) -> None:
        self._sequencer.lanes.let_go(self._clock(), THRU)
        self._is_thru = is_thru

    def _hear(self, port: str, message: Message, time: float) -> None:
        """A message came in: to the clock, or to the piano and to the owner."""
        purposes = self._ports.purposes(port)
        if message[0] in CLOCK:
            if "clock" in purposes:
                self._clock_in.take(message, time)
        elif "keyboard" in purposes:
            if self._is_thru:
                self._sequencer.strike(message)
            self._outbox.put(Heard(time, message, self._sequencer.position_at(time), port))

    def _measure(self, is_on: bool) -> None:
        """Begin to note how late each message is sent; at the end tell it."""
        if not is_on and self._sequencer.lateness is not None:
            self._outbox.put(Punctuality(self._is_first, self._sequencer.lateness))
        self._sequencer.lateness = array("d") if is_on else None


def _take_streams() -> tuple[BinaryIO, BinaryIO]:
    """The standard streams for our own use; MIDI and audio libraries, which print to them, get nothing instead."""
    commands, statuses = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with contextlib.suppress(OSError):  # a program without a terminal may have no standard error
        sys.stderr = os.fdopen(os.dup(2), "w")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)
    return commands, statuses


def main() -> None:
    """Run the player for the process that holds the other ends of the standard streams."""
    commands, statuses = _take_streams()
    is_first = raise_priority()
    sys.setswitchinterval(TURN)
    inbox, outbox = Inbox(commands), Outbox(statuses, KEPT_STATUSES)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the owner's; it closes us
    for number in {signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}:
        signal.signal(number, lambda number, frame: inbox.put(CLOSED))
    gc.collect()
    gc.freeze()
    gc.disable()  # nothing here makes cycles, and a collection would come between two notes
    PlayerProcess(inbox, outbox, time.perf_counter, is_first).run()


if __name__ == "__main__":
    main()
