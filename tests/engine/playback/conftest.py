"""A JACK server of our own with the dummy driver, and an instrument on it that remembers what it was sent."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import rtmidi

STARTS_WITHIN = 10.0  # seconds
COMMAND = ("jackd", "-R", "-P", "70", "-S", "-d", "dummy", "-r", "48000", "-p", "256")  # -R -S: without, notes are lost
PORT = "in"


class Instrument:
    """A MIDI instrument on JACK. received: (time, message), by the clock that the player uses too."""

    def __init__(self, name: str) -> None:
        self.client = name
        self.name = f"{name}:{PORT}"
        self.received: list[tuple[float, list[int]]] = []
        self._midi = rtmidi.MidiIn(rtmidi.API_UNIX_JACK, name=name, queue_size_limit=65536)
        self._midi.ignore_types(False, False, False)
        self._midi.set_callback(lambda event, _: self.received.append((time.perf_counter(), event[0])))
        self._midi.open_virtual_port(PORT)

    def struck(self) -> list[int]:
        return [m[1] for _, m in list(self.received) if m[0] & 0xF0 == 0x90 and m[2]]

    def down(self) -> set[tuple[int, int]]:
        """Keys and pedals that were not let go by name: (channel, pitch), (channel, 1000 + controller)."""
        down: set[tuple[int, int]] = set()
        for _, (status, number, value) in list(self.received):
            kind, channel = status & 0xF0, status & 0x0F
            place = (channel, number + 1000 * (kind == 0xB0))
            if (kind == 0x90 and value) or (kind == 0xB0 and number in (64, 66, 67) and value):
                down.add(place)
            elif kind == 0x80 or kind == 0x90 or kind == 0xB0:
                down.discard(place)
        return down

    def controllers(self) -> list[int]:
        return [m[1] for _, m in list(self.received) if m[0] & 0xF0 == 0xB0]

    def close(self) -> None:
        self._midi.close_port()
        self._midi.delete()


@pytest.fixture(scope="session")
def jack_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a server of this test run."""
    if shutil.which("jackd") is None:
        pytest.skip("jackd is not installed (Debian package jackd2)")
    if hasattr(os, "sync"):
        os.sync()  # an installation that is still being written to the disk would stall JACK
    name = f"hommage{os.getpid()}"
    log = tmp_path_factory.mktemp("jack") / "log"
    environment = {**os.environ, "JACK_DEFAULT_SERVER": name, "JACK_NO_AUDIO_RESERVATION": "1"}
    with log.open("wb") as output:
        server = subprocess.Popen(COMMAND, env=environment, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + STARTS_WITHIN
        while not _is_up(name) and server.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        if server.poll() is not None or not _is_up(name):
            pytest.skip(f"jackd can't run here: {log.read_text(errors='replace').strip().splitlines()[-1:]}")
        yield name
    finally:
        server.terminate()
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _is_up(name: str) -> bool:
    """Whether a client can be opened there."""
    if not any(Path("/dev/shm").glob(f"jack_{name}_*")):
        return False
    before = os.environ.get("JACK_DEFAULT_SERVER")
    os.environ["JACK_DEFAULT_SERVER"] = name
    try:
        rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name="probe").delete()
    except rtmidi.RtMidiError:
        return False
    finally:
        if before is None:
            del os.environ["JACK_DEFAULT_SERVER"]
        else:
            os.environ["JACK_DEFAULT_SERVER"] = before
    return True


@pytest.fixture
def jack(jack_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server is the one that this test, and what it starts, connects to."""
    monkeypatch.setenv("JACK_DEFAULT_SERVER", jack_server)
    return jack_server


@pytest.fixture
def instrument(jack: str) -> Iterator[Instrument]:
    instrument = Instrument("instrument")
    yield instrument
    instrument.close()
