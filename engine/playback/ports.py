"""MIDI output ports by name, through rtmidi. A machine without any MIDI system has just the built-in piano."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import rtmidi

from engine.errors import PlaybackError
from engine.playback.messages import CHANNELS, CONTROL, VOLUME, Message

BUILT_IN = "Built-in piano"
CLIENT = "Hommage"  # what other programs see us as
ALSA_SEQUENCER = Path("/dev/snd/seq")
JACK_SOCKETS = Path("/dev/shm")
ALSA_NUMBERS = re.compile(r" \d+:\d+$")  # client and port: they change when a device is plugged in again
JACK_FLUSH = 0.03  # seconds: messages are taken once a period, and closing at once would lose the last
SPIN = 0.0005  # seconds before a deadline that are waited through awake


@dataclass(frozen=True)
class Port:
    """Where music can be played. kind: "piano" (built in) or "output" (MIDI)."""

    name: str
    kind: str
    is_present: bool = True


def ports() -> list[Port]:
    """The built-in piano and every MIDI output there is now."""
    return [Port(BUILT_IN, "piano"), *(Port(name, "output") for _, _, name in _outputs())]


class MidiPort:
    """An open MIDI output. Raises PlaybackError where there is none of this name."""

    spin = SPIN

    def __init__(self, name: str) -> None:
        self.name = name
        self._api, self._system_name = _find(name)
        self._midi = rtmidi.MidiOut(self._api, name=CLIENT)
        try:
            self._midi.open_port(self._midi.get_ports().index(self._system_name), "Out")
        except (rtmidi.RtMidiError, ValueError) as error:
            self._midi.delete()
            raise _gone(name) from error

    def send(self, message: Message, at: float) -> None:
        """Send at once: the time it is due at is now."""
        try:
            self._midi.send_message(message)
        except (rtmidi.RtMidiError, ValueError) as error:
            raise _gone(self.name) from error

    def set_volume(self, volume: float) -> None:
        """Set the loudness, 0..1, of every channel of the instrument."""
        for channel in range(CHANNELS):
            self.send((CONTROL | channel, VOLUME, round(127 * volume)), 0.0)

    def is_present(self) -> bool:
        """Whether the port is still there; asked through the open client, so it is cheap."""
        try:
            return self._system_name in self._midi.get_ports()
        except rtmidi.RtMidiError:
            return False

    def close(self) -> None:
        """Give the port back, with all messages on their way."""
        if self._api == rtmidi.API_UNIX_JACK:
            time.sleep(JACK_FLUSH)
        self._midi.close_port()
        self._midi.delete()


def _gone(name: str) -> PlaybackError:
    return PlaybackError(f"The MIDI port {name} is not there", "Connect it, or choose another output")


def _find(name: str) -> tuple[int, str]:
    for api, system_name, shown in _outputs():
        if shown == name:
            return api, system_name
    raise _gone(name)


def _outputs() -> Iterator[tuple[int, str, str]]:
    """System, name there and name shown of each output; names that repeat are numbered."""
    seen: dict[str, int] = {}
    for api in _systems():
        try:
            midi = rtmidi.MidiOut(api, name=CLIENT)
        except rtmidi.RtMidiError:
            continue
        try:
            names = midi.get_ports()
        finally:
            midi.delete()
        for system_name in names:
            shown = ALSA_NUMBERS.sub("", system_name)
            seen[shown] = seen.get(shown, 0) + 1
            yield api, system_name, shown if seen[shown] == 1 else f"{shown} ({seen[shown]})"


def _systems() -> list[int]:
    """The MIDI systems that run here. Those that don't are not tried: their libraries complain on the terminal."""
    runs = {rtmidi.API_LINUX_ALSA: ALSA_SEQUENCER.exists, rtmidi.API_UNIX_JACK: _has_jack}
    known = (rtmidi.API_MACOSX_CORE, rtmidi.API_WINDOWS_MM, rtmidi.API_LINUX_ALSA, rtmidi.API_UNIX_JACK)
    compiled = rtmidi.get_compiled_api()
    return [api for api in known if api in compiled and (api not in runs or runs[api]())]


def _has_jack() -> bool:
    """Whether a JACK server of this user can be reached: it has a socket by its name and the user's number."""
    if not sys.platform.startswith("linux"):
        return False
    server = os.environ.get("JACK_DEFAULT_SERVER", "default")
    return any(JACK_SOCKETS.glob(f"jack_{server}_{os.getuid()}_*"))
