"""The player's handle: what a window or a command holds. The playing itself is done by a process of its own.

No method waits for it. Should it die, `poll` says so and starts another one with the same piece, port and position.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import weakref
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

from engine.errors import PlaybackError
from engine.performance import Note, Pedal, Performance
from engine.playback.messages import KEYS
from engine.playback.pipe import CLOSED, Inbox, Outbox
from engine.playback.ports import BUILT_IN, ports
from engine.playback.status import FAULT, PAUSED, PLAYING, Status

ROOT = Path(__file__).parents[2]  # where the process finds the package `engine`
PORTION = 200  # events sent at once, so that taking them in never holds up a note
CLOSING = 2.0  # seconds that the process may take to silence its port
COMMAND = (sys.executable, "-P", "-m", "engine.playback.process")


class Player:
    """Plays a performance, or one still being written. Raises PlaybackError where there is no such port."""

    def __init__(self, port: str = BUILT_IN, audio: bool = True) -> None:
        if port != BUILT_IN and port not in (known.name for known in ports()):
            raise PlaybackError(f"There is no MIDI port {port}", "See the ports with: hommage ports")
        self._has_audio = audio
        self._port = port
        self._volume: float | None = None
        self._events: list[Note | Pedal] = []
        self._is_finished = True
        self._position = 0.0
        self._start()

    def _start(self) -> None:
        self._process = _Process()
        self._send("audio", self._has_audio)
        self._send("port", self._port)

    def load(self, performance: Performance, finished: bool = True) -> None:
        """Replace the piece; nothing plays, position 0. Not finished: more comes by `add`, the end by `finish`."""
        self._events, self._is_finished = _checked((*performance.notes, *performance.pedals)), finished
        self._send_piece()

    def _send_piece(self) -> None:
        self._send("load", (), False)
        self._send_events(self._events)
        if self._is_finished:
            self._send("finish")

    def add(self, events: Iterable[Note | Pedal]) -> None:
        """Put in more of a piece still being written, playing or not."""
        more = _checked(events)
        self._events.extend(more)
        self._send_events(more)

    def _send_events(self, events: list[Note | Pedal]) -> None:
        for first in range(0, len(events), PORTION):
            self._send("add", events[first : first + PORTION])

    def finish(self) -> None:
        """Nothing more will be added: at the end it ends, instead of waiting."""
        self._is_finished = True
        self._send("finish")

    def play(self, position: float | None = None) -> None:
        """Play on, or from a position in seconds; from the start where the end was reached."""
        self._send("play", position)

    def pause(self) -> None:
        """Silence; the position stays."""
        self._send("pause")

    def stop(self) -> None:
        """Silence; back to the start."""
        self._send("stop")

    def seek(self, seconds: float) -> None:
        """Go to a position; play on there if it plays."""
        self._send("seek", seconds)

    def set_port(self, name: str) -> None:
        """Play there from now on. A port that is gone comes back as a fault from `poll`."""
        self._port = name
        self._send("port", name)

    def set_volume(self, volume: float) -> None:
        """Loudness, 0..1: of the built-in piano, or by controller 7."""
        self._volume = volume
        self._send("volume", volume)

    def panic(self) -> None:
        """Pause, and let go every key of every channel."""
        self._send("panic")

    def poll(self) -> list[Status]:
        """What happened since the last call, of consecutive positions only the latest. Never waits."""
        statuses = self._process.read()
        for status in statuses:
            self._position = status.position
        if self._process.has_died:
            statuses += self._revive()
        kept = [status for status, after in pairwise(statuses) if not status.kind == after.kind == PLAYING]
        return kept + statuses[-1:]

    def _revive(self) -> list[Status]:
        """The process died: another one takes its place, silences the port, and stands where that one was."""
        position = self._position
        if not self._process.has_spoken:
            self._process.close()
            return [Status(FAULT, position, "The player doesn't start. Install Hommage again.")]
        self._process.close()
        self._start()
        self._send("panic")
        if self._volume is not None:
            self._send("volume", self._volume)
        self._send_piece()
        self._send("seek", position)
        text = "The player had stopped and was started again. Press play to go on."
        return [Status(FAULT, position, text), Status(PAUSED, position)]

    def _send(self, name: str, *arguments: Any) -> None:
        self._process.write((name, *arguments))

    def close(self) -> None:
        """Silence the port and end the process. May be called twice."""
        self._process.close()

    def __enter__(self) -> Player:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Process:
    """The running process. It ends with this object, with the program, or by `close`."""

    def __init__(self) -> None:
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        assert process.stdin and process.stdout  # for the type checker: both were asked for
        self.pid = process.pid
        self.has_spoken = False
        self.has_died = False  # by itself
        self._outbox = Outbox(process.stdin)
        self._inbox = Inbox(process.stdout)
        self._end = weakref.finalize(self, _end, process, self._outbox)

    def write(self, command: tuple[Any, ...]) -> None:
        """Send a command; to nobody once the process is gone."""
        self._outbox.put(command)

    def read(self) -> list[Status]:
        """What it said since the last call."""
        said = self._inbox.read()
        self.has_died = self._end.alive and CLOSED in said
        statuses = [status for status in said if isinstance(status, Status)]
        self.has_spoken |= bool(statuses)
        return statuses

    def close(self) -> None:
        """End it, and wait until its port is silent."""
        self._end()


def _end(process: subprocess.Popen[bytes], outbox: Outbox) -> None:
    outbox.put(CLOSED)
    try:
        process.wait(CLOSING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):  # closing the first tries to send what nobody will read
            stream.close() if stream else None


def _checked(events: Iterable[Note | Pedal]) -> list[Note | Pedal]:
    """The events, each of which MIDI can say. Raises PlaybackError with the first that it can't."""
    checked = list(events)
    for event in checked:
        numbers = event[2:] if isinstance(event, Note) else event[1:]
        if not all(0 <= number < KEYS for number in numbers):
            raise PlaybackError(f"{event} can't be played: its numbers must be 0..127")
    return checked
