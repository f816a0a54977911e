"""MIDI ports by name, through rtmidi. A machine without any MIDI system has just the built-in piano."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import rtmidi

from engine.errors import PlaybackError
from engine.playback.messages import CHANNELS, CONTROL, VOLUME, Message, wire_bytes

BUILT_IN = "Built-in piano"
CLIENT = "Hommage"  # what other programs see us as
VIRTUAL_IN, VIRTUAL_OUT = "Hommage In", "Hommage Out"  # ports that others connect to, where the system has such
OWN_NAMES = {"in": VIRTUAL_IN, "out": VIRTUAL_OUT}
ALSA_SEQUENCER = Path("/dev/snd/seq")
UNIX_SOCKETS = Path("/proc/net/unix")  # those that are open; a JACK server that was killed leaves its file behind
ALSA_NUMBERS = re.compile(r" \d+:\d+$")  # client and port: they change when a device is plugged in again
OWN = re.compile(rf"{CLIENT}(-\d+)?:|{VIRTUAL_IN}|{VIRTUAL_OUT}")  # how our own ports' names begin
JACK_FLUSH = 0.03  # seconds: messages are taken once a period, and closing at once would lose the last
SPIN = 0.0005  # seconds before a deadline that are waited through awake

Direction = Literal["in", "out"]


@dataclass(frozen=True)
class Port:
    """Where music is played, or comes from. kind: "piano" (built in), "output" or "input" (MIDI)."""

    name: str
    kind: str
    is_present: bool = True

    @property
    def direction(self) -> Direction:
        """Whether music comes in by it or goes out."""
        return "in" if self.kind == "input" else "out"


def ports() -> list[Port]:
    """The built-in piano and every MIDI output there is now; last our own, which others connect to."""
    return [Port(BUILT_IN, "piano"), *(Port(name, "output") for _, _, name in _listed("out"))]


def inputs() -> list[Port]:
    """Every MIDI input there is now; last our own, which others connect to."""
    return [Port(name, "input") for _, _, name in _listed("in")]


class Connection:
    """One open port of rtmidi, by the name shown. Raises PlaybackError where there is none of this name."""

    def __init__(self, name: str, direction: Direction) -> None:
        self._is_virtual = name in OWN_NAMES.values()
        self.api, self._system_name = _find(name, direction)
        self.midi = _client(self.api, direction)
        try:
            if self._is_virtual:
                self.midi.open_virtual_port(name)
            else:
                place = self.midi.get_ports().index(self._system_name)
                self.midi.open_port(place, direction.capitalize())
        except (rtmidi.RtMidiError, ValueError, NotImplementedError) as error:
            self.midi.delete()
            raise gone(name) from error

    def is_present(self) -> bool:
        """Whether the port is still there; asked through the open client, so it is cheap."""
        if self.api == rtmidi.API_UNIX_JACK and not _has_jack():
            return False
        try:
            return self._is_virtual or self._system_name in self.midi.get_ports()
        except rtmidi.RtMidiError:
            return False

    def close(self) -> None:
        """Give the port back, with all messages on their way."""
        if self.api == rtmidi.API_UNIX_JACK:
            time.sleep(JACK_FLUSH)
        self.midi.close_port()
        self.midi.delete()


class MidiPort:
    """An open MIDI output. Raises PlaybackError where there is none of this name."""

    spin = SPIN

    def __init__(self, name: str) -> None:
        self.name = name
        self._connection = Connection(name, "out")

    def send(self, message: Message, at: float) -> None:
        """Send at once: the time it is due at is now."""
        try:
            self._connection.midi.send_message(wire_bytes(message))
        except (rtmidi.RtMidiError, ValueError) as error:
            raise gone(self.name) from error

    def set_volume(self, volume: float) -> None:
        """Set the loudness, 0..1, of every channel of the instrument."""
        for channel in range(CHANNELS):
            self.send((CONTROL | channel, VOLUME, round(127 * volume)), 0.0)

    def is_present(self) -> bool:
        """Whether the port is still there."""
        return self._connection.is_present()

    def close(self) -> None:
        """Give the port back, with all messages on their way."""
        self._connection.close()


class Watch:
    """Sees which ports there are without opening any again and again: one idle client for each system and direction."""

    def __init__(self) -> None:
        self._clients: dict[tuple[int, Direction], Any] = {}
        self.names = self._look()

    def has_changed(self) -> bool:
        """Whether ports came or went since this was asked last."""
        before, self.names = self.names, self._look()
        return before != self.names

    def _look(self) -> set[tuple[Direction, str]]:
        systems = _systems()
        for api, direction in [key for key in self._clients if key[0] not in systems]:
            self._clients.pop((api, direction)).delete()
        found: set[tuple[Direction, str]] = set()
        for api in systems:
            with contextlib.suppress(rtmidi.RtMidiError):
                found.update(("in", name) for name in self._names(api, "in"))
                found.update(("out", name) for name in self._names(api, "out"))
        return found

    def _names(self, api: int, direction: Direction) -> list[str]:
        if (api, direction) not in self._clients:
            self._clients[api, direction] = _client(api, direction)
        return [name for name in self._clients[api, direction].get_ports() if not OWN.match(name)]

    def close(self) -> None:
        """Give the clients back."""
        for client in self._clients.values():
            client.delete()
        self._clients.clear()


def _client(api: int, direction: Direction) -> Any:
    return (rtmidi.MidiOut if direction == "out" else rtmidi.MidiIn)(api, name=CLIENT)


def gone(name: str) -> PlaybackError:
    """What is said of a port that can't be used."""
    return PlaybackError(f"The MIDI port {name} is not there", "Connect it, or choose another output")


def _find(name: str, direction: Direction) -> tuple[int, str]:
    for api, system_name, shown in _listed(direction):
        if shown == name:
            return api, system_name
    raise gone(name)


def _listed(direction: Direction) -> Iterator[tuple[int, str, str]]:
    """System, name there and name shown of each port; names that repeat are numbered. Last our own, on one system."""
    seen: dict[str, int] = {}
    own: int | None = None
    for api in _systems():
        try:
            midi = _client(api, direction)
        except rtmidi.RtMidiError:
            continue
        try:
            names = midi.get_ports()
        finally:
            midi.delete()
        if own is None and api != rtmidi.API_WINDOWS_MM:  # which has no ports of a program's own
            own = api
        for system_name in names:
            if OWN.match(system_name):
                continue  # played there, it would come back to us
            shown = ALSA_NUMBERS.sub("", system_name)
            seen[shown] = seen.get(shown, 0) + 1
            yield api, system_name, shown if seen[shown] == 1 else f"{shown} ({seen[shown]})"
    if own is not None:
        yield own, OWN_NAMES[direction], OWN_NAMES[direction]


def _systems() -> list[int]:
    """The MIDI systems that run here. Those that don't are not tried: their libraries complain on the terminal."""
    runs = {rtmidi.API_LINUX_ALSA: ALSA_SEQUENCER.exists, rtmidi.API_UNIX_JACK: _has_jack}
    known = (rtmidi.API_MACOSX_CORE, rtmidi.API_WINDOWS_MM, rtmidi.API_LINUX_ALSA, rtmidi.API_UNIX_JACK)
    compiled = rtmidi.get_compiled_api()
    return [api for api in known if api in compiled and (api not in runs or runs[api]())]


def _has_jack() -> bool:
    """Whether a JACK server of this user can be reached: it listens on a socket by its name and the user's number."""
    if not sys.platform.startswith("linux"):
        return False
    server = os.environ.get("JACK_DEFAULT_SERVER", "default")
    try:
        return f"/jack_{server}_{os.getuid()}_" in UNIX_SOCKETS.read_text(errors="replace")
    except OSError:
        return False
