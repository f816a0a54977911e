"""The player's own process: commands in by standard input, statuses out by standard output, music to a port.

It is started with `python -m`, not by multiprocessing, which would run the caller's script again. Whatever ends it but
SIGKILL (a command, the owner's death, SIGTERM, an exception) silences the port first.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import BinaryIO

from engine.errors import EngineError, PlaybackError
from engine.playback.messages import Output
from engine.playback.pipe import CLOSED, Inbox, Outbox
from engine.playback.ports import BUILT_IN, MidiPort
from engine.playback.priority import raise_priority
from engine.playback.sequencer import Sequencer
from engine.playback.silence import Silence
from engine.playback.status import FAULT, Status

LOOK_ROUND = 0.5  # seconds between looks at whether the port and the owner are there
KEPT_STATUSES = 1000  # for an owner that doesn't ask; about half a minute
ROOM_TO_LOOK = 0.02  # seconds that must be free before the next thing due for such a look


class PlayerProcess:
    """Runs a sequencer by the clock until it is told to close."""

    def __init__(self, inbox: Inbox, outbox: Outbox, clock: Callable[[], float]) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._has_audio = True
        self._clock = clock
        self._owner = os.getppid()
        self._next_look = 0.0
        self._volume: float | None = None
        self._lost: str | None = None  # name of the port that vanished
        self._plays_on_return = False
        self._sequencer = Sequencer(Silence(BUILT_IN), clock, outbox.put)
        self._commands: dict[str, Callable[..., None]] = {
            "load": self._sequencer.load,
            "add": self._sequencer.add,
            "finish": self._sequencer.finish,
            "play": self._play,
            "pause": self._sequencer.pause,
            "stop": self._sequencer.stop,
            "seek": self._sequencer.seek,
            "panic": self._sequencer.panic,
            "audio": self._set_audio,
            "port": self._set_port,
            "volume": self._set_volume,
        }

    def run(self) -> None:
        """Until told to close; the port is silent and closed after, however this ends."""
        try:
            while self._turn():
                pass
        finally:
            with contextlib.suppress(EngineError):
                self._sequencer.pause()
                self._sequencer.output.close()

    def _turn(self) -> bool:
        """Do what is due, then wait for a command or for the next thing due. False: closed."""
        try:
            due = self._sequencer.step()
            self._look_round(due)
            command = self._inbox.wait(min(due, self._next_look), self._clock, self._sequencer.output.spin)
            if command == CLOSED or os.getppid() != self._owner:
                return False
            if command is not None:
                self._commands[command[0]](*command[1:])
        except PlaybackError as error:
            self._sequencer.fail(str(error))
        return True

    def _look_round(self, due: float) -> None:
        """Now and then, when nothing is due soon: is the port still there, or there again?"""
        now = self._clock()
        if now < self._next_look:
            return
        self._next_look = now + (LOOK_ROUND if due > now + ROOM_TO_LOOK else ROOM_TO_LOOK)
        if due <= now + ROOM_TO_LOOK:
            return
        if self._lost is not None:
            with contextlib.suppress(PlaybackError):
                self._return_to(MidiPort(self._lost))
        elif not self._sequencer.output.is_present():
            self._lose(self._sequencer.output.name)

    def _lose(self, name: str) -> None:
        self._plays_on_return = self._sequencer.is_playing
        self._replace(Silence(name))
        self._lost = name
        raise PlaybackError(f"The MIDI port {name} is gone", "Connect it again, or choose another output")

    def _return_to(self, port: MidiPort) -> None:
        self._replace(port)
        if self._plays_on_return:
            self._sequencer.play()

    def _play(self, position: float | None) -> None:
        if self._lost is not None:
            raise PlaybackError(f"The MIDI port {self._lost} is gone", "Connect it again, or choose another output")
        self._sequencer.play(position)

    def _set_audio(self, has_audio: bool) -> None:
        """Whether the piano, when it is chosen next, opens the audio device."""
        self._has_audio = has_audio

    def _set_port(self, name: str) -> None:
        self._replace(self._open_piano() if name == BUILT_IN else MidiPort(name))

    def _replace(self, output: Output) -> None:
        self._lost = None
        old = self._sequencer.output
        self._sequencer.set_output(output)
        old.close()
        if self._volume is not None:
            output.set_volume(self._volume)

    def _open_piano(self) -> Output:
        from engine.playback.piano import LivePiano  # loads its sounds: half a second that a MIDI port needn't wait

        if not self._has_audio:
            return Silence(BUILT_IN)
        try:
            return LivePiano(self._clock)
        except PlaybackError as error:
            self._outbox.put(Status(FAULT, self._sequencer.position, str(error)))
            return Silence(BUILT_IN)

    def _set_volume(self, volume: float) -> None:
        self._volume = min(max(volume, 0.0), 1.0)
        self._sequencer.output.set_volume(self._volume)


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
    raise_priority()
    inbox, outbox = Inbox(commands), Outbox(statuses, KEPT_STATUSES)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the owner's; it closes us
    for number in {signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}:
        signal.signal(number, lambda number, frame: inbox.put(CLOSED))
    gc.collect()
    gc.freeze()
    gc.disable()  # nothing here makes cycles, and a collection would come between two notes
    PlayerProcess(inbox, outbox, time.perf_counter).run()


if __name__ == "__main__":
    main()
