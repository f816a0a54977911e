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
from engine.playback.messages import CHANNELS, KEYS, Heard
from engine.playback.pipe import CLOSED, Inbox, Outbox
from engine.playback.ports import BUILT_IN, ports
from engine.playback.status import FAULT, PAUSED, PLAYING, Punctuality, Status

ROOT = Path(__file__).parents[2]  # where the process finds the package `engine`
PORTION = 200  # events sent at once, so that taking them in never holds up a note
SHORTEST_LOOP = 0.05  # seconds
SLOWEST, FASTEST = 0.25, 4.0  # times the tempo written
CLOSING = 2.0  # seconds that the process may take to silence its port
COMMAND = (sys.executable, "-P", "-m", "engine.playback.process")


class Player:
    """Plays a performance, or one still being written. Raises PlaybackError where there is no such port."""

    def __init__(self, port: str = BUILT_IN, audio: bool = True) -> None:
        if port != BUILT_IN and port not in (known.name for known in ports()):
            raise PlaybackError(f"There is no MIDI port {port}", "See the ports with: hommage ports")
        self._wishes: dict[Any, tuple[Any, ...]] = {"audio": ("audio", audio), "port": ("port", port)}
        self._events: dict[int, list[Note | Pedal]] = {}  # by lane
        self._is_finished = True
        self._position = 0.0
        self._statuses: list[Status] = []
        self._heard: list[Heard] = []
        self._punctuality: Punctuality | None = None
        self._start()

    def _start(self) -> None:
        self._process = _Process()
        for wish in self._wishes.values():
            self._send(*wish)

    def _wish(self, key: Any, *command: Any) -> None:
        """A command that another process is given, too, should this one die."""
        self._wishes[key] = command
        self._send(*command)

    def load(self, performance: Performance, finished: bool = True) -> None:
        """Replace the piece; nothing plays, position 0, no loop. Not finished: `add` brings more, `finish` its end.

        It is lane 0; other lanes are empty until `add`.
        """
        self._events = {0: _checked((*performance.notes, *performance.pedals))}
        self._is_finished = finished
        self._wishes.pop("loop", None)
        self._send_piece()

    def _send_piece(self) -> None:
        self._send("load", (), False)
        for lane, events in self._events.items():
            self._send_events(events, lane)
        if self._is_finished:
            self._send("finish")

    def add(self, events: Iterable[Note | Pedal], lane: int = 0) -> None:
        """Put more in, playing or not: of a piece still being written (lane 0), or what sounds beside it."""
        more = _checked(events)
        self._events.setdefault(lane, []).extend(more)
        self._send_events(more, lane)

    def _send_events(self, events: list[Note | Pedal], lane: int) -> None:
        for first in range(0, len(events), PORTION):
            self._send("add", events[first : first + PORTION], lane)

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
        """Play there from now on. A port that is gone comes back as a fault from `poll`, and is waited for."""
        self._wish("port", "port", name)

    def set_volume(self, volume: float) -> None:
        """Loudness, 0..1: of the built-in piano, or by controller 7."""
        self._wish("volume", "volume", volume)

    def set_loop(self, start: float | None, end: float | None) -> None:
        """Play [start, end) round and round, seconds, without a gap; None: no more. Raises PlaybackError."""
        if start is not None and end is not None and not 0 <= start <= end - SHORTEST_LOOP:
            shortest = f"at least {SHORTEST_LOOP} s long"
            raise PlaybackError(f"From {start} to {end} is no loop", f"Give a start and a later end, {shortest}")
        self._wish("loop", "loop", start, end)

    def set_tempo_scale(self, scale: float) -> None:
        """How fast it plays, 0.25..4 times as written, at the same pitch. Raises PlaybackError."""
        if not SLOWEST <= scale <= FASTEST:
            raise PlaybackError(f"{scale} times the tempo is not possible", f"Give {SLOWEST} to {FASTEST:g}")
        self._wish("scale", "scale", scale)

    def set_mute(self, lane: int, is_muted: bool) -> None:
        """Silence a lane at once, or let it sound again."""
        self._wish(("mute", lane), "mute", lane, is_muted)

    def set_lane(self, lane: int, port: str | None = None, channel: int = 0) -> None:
        """Where a lane sounds: on a port of its own (None: the chosen one) and a channel, 0..15."""
        if not 0 <= channel < CHANNELS:
            raise PlaybackError(f"There is no channel {channel}", "Give 0 to 15")
        self._wish(("lane", lane), "lane", lane, port, channel)

    def set_tempo(self, beats_per_minute: float) -> None:
        """What a beat of the piece is, for the clocks. Raises PlaybackError."""
        if not beats_per_minute > 0:
            raise PlaybackError(f"A tempo of {beats_per_minute} is not possible", "Give beats a minute, as 120")
        self._wish("tempo", "tempo", beats_per_minute)

    def set_clock_out(self, name: str | None) -> None:
        """Send the MIDI clock to this output (None: to none)."""
        self._wish("clock_out", "clock_out", name)

    def set_clock_in(self, name: str | None) -> None:
        """Follow the MIDI clock of this input (None: of none)."""
        self._wish("clock_in", "clock_in", name)

    def listen(self, name: str | None) -> None:
        """Hear this input (None: none); `poll` says whether it is there, `heard` what comes."""
        self._wish("listen", "listen", name)

    def set_thru(self, is_on: bool) -> None:
        """Whether what is heard sounds at once, on the chosen output."""
        self._wish("thru", "thru", is_on)

    def heard(self) -> list[Heard]:
        """What came in since the last call. Never waits."""
        self._read()
        heard, self._heard = self._heard, []
        return heard

    def panic(self) -> None:
        """Pause, and let go every key of every channel."""
        self._send("panic")

    def measure(self) -> None:
        """Note from now on how late each message is sent."""
        self._send("measure", True)

    def punctuality(self) -> Punctuality | None:
        """Ends `measure`: how late messages were sent; None until the process has told it."""
        self._send("measure", False)
        self._read()
        return self._punctuality

    def poll(self) -> list[Status]:
        """What happened since the last call, of consecutive positions only the latest. Never waits."""
        self._read()
        statuses, self._statuses = self._statuses, []
        for status in statuses:
            self._position = status.position
        if self._process.has_died:
            statuses += self._revive()
        kept = [status for status, after in pairwise(statuses) if not status.kind == after.kind == PLAYING]
        return kept + statuses[-1:]

    def _read(self) -> None:
        for said in self._process.read():
            if isinstance(said, Heard):
                self._heard.append(said)
            elif isinstance(said, Punctuality):
                self._punctuality = said
            elif isinstance(said, Status):
                self._statuses.append(said)

    def _revive(self) -> list[Status]:
        """The process died: another one takes its place, silences the port, and stands where that one was."""
        position = self._position
        if not self._process.has_spoken:
            self._process.close()
            return [Status(FAULT, position, "The player doesn't start. Install Hommage again.")]
        self._process.close()
        self._start()
        self._send("panic")
        self._send_piece()
        if "loop" in self._wishes:
            self._send(*self._wishes["loop"])
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

    def read(self) -> list[Any]:
        """What it said since the last call."""
        said = self._inbox.read()
        self.has_died |= self._end.alive and CLOSED in said
        self.has_spoken |= any(isinstance(each, Status) for each in said)
        return said

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
