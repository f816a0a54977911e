"""Open MIDI inputs: whoever wants one by name gets its messages with their times, as long as the port is there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from engine.errors import PlaybackError
from engine.playback.messages import CLOCK, NOTE_OFF, NOTE_ON, Message
from engine.playback.ports import Connection

FETCH = 0.001  # seconds between two looks for messages

Listener = Callable[[str, Message, float], None]  # port, message, time of its arrival


class MidiInput:
    """An open input. `heard` is called in a thread. Raises PlaybackError where there is none of this name.

    Messages are fetched, not called back with: a callback would have the MIDI system's own thread wait for the
    interpreter, and JACK, which waits for that thread, wait with it.
    """

    def __init__(self, name: str, heard: Listener, clock: Callable[[], float] = time.perf_counter) -> None:
        self.name = name
        self._heard, self._clock = heard, clock
        self._connection = Connection(name, "in")
        self._connection.midi.ignore_types(sysex=True, timing=False, active_sense=True)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._fetch, name="input", daemon=True)
        self._thread.start()

    def _fetch(self) -> None:
        fetched = last = self._clock()
        while not self._over.wait(FETCH):
            before, fetched = fetched, self._clock()
            while (event := self._connection.midi.get_message()) is not None:
                message, since_last = event
                last = min(max(last + since_last, before), fetched)
                self._take(message, last)

    def _take(self, message: list[int], at: float) -> None:
        status, first, second = (*message, 0, 0)[:3]
        if status & 0xF0 == NOTE_ON and second == 0:
            status = NOTE_OFF | status & 0x0F
        if NOTE_OFF <= status < 0xF0 or status in CLOCK:
            self._heard(self.name, (status, first, second), at)

    def is_present(self) -> bool:
        """Whether the port is still there."""
        return self._connection.is_present()

    def close(self) -> None:
        """Give the port back."""
        self._over.set()
        self._thread.join()
        self._connection.close()


class Inputs:
    """The inputs that are wanted, by what they are wanted for; one that vanishes is taken up again when it is back."""

    def __init__(self, heard: Listener) -> None:
        self._heard = heard
        self._wanted: dict[str, str] = {}  # purpose -> port
        self._open: dict[str, MidiInput] = {}

    def want(self, purpose: str, name: str | None) -> PlaybackError | None:
        """Take an input for a purpose, and leave the one before. Returns why it can't be used now."""
        self._wanted.pop(purpose, None)
        if name is not None:
            self._wanted[purpose] = name
        self._close_if(lambda port: port.name not in self._wanted.values())
        return self._try(name) if name is not None else None

    def purposes(self, name: str) -> list[str]:
        """What a port is wanted for."""
        return [purpose for purpose, wanted in self._wanted.items() if wanted == name]

    def look(self, tries: bool) -> tuple[list[str], list[str]]:
        """Names of the ports that have vanished and, if absent ones are to be tried, of those that are back."""
        lost = [name for name, port in self._open.items() if not port.is_present()]
        self._close_if(lambda port: port.name in lost)
        missing = set(self._wanted.values()) - set(self._open) - set(lost) if tries else set()
        return lost, [name for name in missing if self._try(name) is None]

    def close(self) -> None:
        """Give all back."""
        self._wanted.clear()
        self._close_if(lambda port: True)

    def _try(self, name: str) -> PlaybackError | None:
        if name in self._open:
            return None
        try:
            self._open[name] = MidiInput(name, self._heard)
        except PlaybackError as error:
            return error
        return None

    def _close_if(self, is_over: Callable[[MidiInput], bool]) -> None:
        for port in [port for port in self._open.values() if is_over(port)]:
            self._open.pop(port.name).close()
