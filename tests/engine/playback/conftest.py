"""A JACK server of our own with the dummy driver, an instrument on it that remembers what it was sent, a keyboard."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
import rtmidi

from engine.errors import PlaybackError
from engine.playback.loopback import SERVER_NAME, Instrument, Server, dummy_server

__all__ = ["Instrument", "Keyboard"]


class Keyboard:
    """A MIDI keyboard on JACK: a port of its own, or plugged into the port of another program whose name has `into`."""

    def __init__(self, name: str, into: str | None = None) -> None:
        self.name = f"{name}:out"
        self._midi = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name=name)
        if into is None:
            self._midi.open_virtual_port("out")
        else:
            names = self._midi.get_ports()
            self._midi.open_port(next(place for place, each in enumerate(names) if into in each), "out")

    def send(self, *message: int) -> None:
        self._midi.send_message(message)

    def close(self) -> None:
        self._midi.close_port()
        self._midi.delete()


@contextlib.contextmanager
def server_or_skip(name: str = "") -> Iterator[Server]:
    """A server, or the reason why there is none."""
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(dummy_server(name))
        except PlaybackError as error:
            pytest.skip(str(error))
        yield server


@pytest.fixture(scope="session")
def jack_server() -> Iterator[str]:
    """The name of a server of this test run."""
    with server_or_skip() as server:
        yield server.name


@pytest.fixture
def jack(jack_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server is the one that this test, and what it starts, connects to."""
    monkeypatch.setenv(SERVER_NAME, jack_server)
    return jack_server


@pytest.fixture
def instrument(jack: str) -> Iterator[Instrument]:
    instrument = Instrument("instrument")
    yield instrument
    instrument.close()


@pytest.fixture
def keyboard(jack: str) -> Iterator[Keyboard]:
    keyboard = Keyboard("keyboard")
    yield keyboard
    keyboard.close()
