"""A JACK server of our own with the dummy driver, and an instrument on it: what measurements and tests play to.

The instrument is a process of its own (this file, run). It fetches what arrives instead of being called back with it:
JACK would wait for Python.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import rtmidi

from engine.errors import PlaybackError

STARTS_WITHIN = 10.0  # seconds
SERVER_NAME = "JACK_DEFAULT_SERVER"  # in the environment: the server that clients connect to
# Without -R -S notes are lost. JACK gives a cycle up, with all its notes, when a client stands still for ten times -t
# (ms; by default 20 periods, here 0.1 s: too little on a machine that writes to its disk); one that was killed, too.
COMMAND = ("jackd", "-R", "-P", "70", "-S", "-t", "50", "-d", "dummy", "-r", "48000", "-p", "256")
FETCH = 0.0005  # seconds between two looks for messages
KEPT = 1 << 17  # messages that wait to be fetched, at most
ROOT = Path(__file__).parents[2]


class Server(NamedTuple):
    """A server that runs."""

    name: str
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def dummy_server(name: str = "") -> Iterator[Server]:
    """Runs a server, for those `connected_to` its name. Raises PlaybackError where it can't run.

    One that is killed leaves its name behind, of which JACK keeps eight: give such a one always the same.
    """
    if shutil.which("jackd") is None:
        raise PlaybackError("There is no JACK server here", "Install jackd (Debian package jackd2)")
    name = name or f"hommage{os.getpid()}"
    with tempfile.TemporaryFile("w+") as log:
        environment = {**os.environ, SERVER_NAME: name, "JACK_NO_AUDIO_RESERVATION": "1"}
        server = subprocess.Popen(COMMAND, env=environment, stdout=log, stderr=log)
        try:
            _wait_for(server, name, log)
            yield Server(name, server)
        finally:
            server.terminate()
            try:
                server.wait(5)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait_for(server: subprocess.Popen[bytes], name: str, log: IO[str]) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while not _is_up(name):
        if server.poll() is not None or time.monotonic() > deadline:
            log.seek(0)
            raise PlaybackError(f"jackd can't run here: {(log.read().strip().splitlines() or [''])[-1]}")
        time.sleep(0.05)


def _is_up(name: str) -> bool:
    """Whether a client can be opened there."""
    if not any(Path("/dev/shm").glob(f"jack_{name}_*")):
        return False
    with connected_to(name):
        try:
            rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name="probe").delete()
        except rtmidi.RtMidiError:
            return False
    return True


@contextlib.contextmanager
def connected_to(name: str) -> Iterator[None]:
    """Clients of this process, and of those it starts, connect to that server."""
    before = os.environ.get(SERVER_NAME)
    os.environ[SERVER_NAME] = name
    try:
        yield
    finally:
        if before is None:
            del os.environ[SERVER_NAME]
        else:
            os.environ[SERVER_NAME] = before


class Instrument:
    """A MIDI instrument on JACK. received: (seconds of time.perf_counter, message) of what came, in order."""

    def __init__(self, name: str) -> None:
        self.name = f"{name}:in"
        self.received: list[tuple[float, list[int]]] = []
        command = (sys.executable, "-P", "-m", "engine.playback.loopback", name)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        if not self.process.stdout.readline():
            raise PlaybackError(f"The instrument {name} can't be opened", "See whether JACK runs")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            at, *message = line.split()
            self.received.append((float(at), [int(byte) for byte in message]))

    def struck(self) -> list[int]:
        """The pitches struck."""
        return [m[1] for _, m in list(self.received) if m[0] & 0xF0 == 0x90 and m[2]]

    def down(self) -> set[tuple[int, int]]:
        """Keys and pedals that were not let go by name: (channel, pitch), (channel, 1000 + controller)."""
        down: set[tuple[int, int]] = set()
        for _, message in list(self.received):
            kind, channel = message[0] & 0xF0, message[0] & 0x0F
            if kind not in (0x80, 0x90, 0xB0):
                continue
            place = (channel, message[1] + 1000 * (kind == 0xB0))
            is_down = kind == 0x90 or (kind == 0xB0 and message[1] in (64, 66, 67))
            (down.add if is_down and message[2] else down.discard)(place)
        return down

    def controllers(self) -> list[int]:
        """The controllers moved."""
        return [m[1] for _, m in list(self.received) if m[0] & 0xF0 == 0xB0]

    def close(self) -> None:
        """Unplug it; what was received stays."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.wait(10)
        self._reader.join()
        self.process.stdout.close()


def _wait_for_end(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


def main(name: str) -> None:
    """Be the instrument: write what arrives, one message a line after its time, until the standard input is closed."""
    midi = rtmidi.MidiIn(rtmidi.API_UNIX_JACK, name=name, queue_size_limit=KEPT)
    midi.ignore_types(False, False, False)
    midi.open_virtual_port("in")
    print("ready", flush=True)
    ended = threading.Event()
    threading.Thread(target=_wait_for_end, args=(ended,), daemon=True).start()
    last: float | None = None
    while not ended.wait(FETCH):
        has_any = False
        while (event := midi.get_message()) is not None:
            message, since_last = event
            last = time.perf_counter() if last is None else last + since_last
            print(last, *message)
            has_any = True
        if has_any:
            sys.stdout.flush()
    midi.close_port()
    midi.delete()


if __name__ == "__main__":
    main(sys.argv[1])
