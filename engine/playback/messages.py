"""MIDI messages as three bytes, and what takes them."""

from __future__ import annotations

from typing import NamedTuple, Protocol

Message = tuple[int, int, int]  # status (kind + channel), then two bytes of 0..127; those a kind lacks are 0

NOTE_OFF, NOTE_ON, CONTROL, PROGRAM, PRESSURE = 0x80, 0x90, 0xB0, 0xC0, 0xD0
SONG_POSITION, TICK, START, CONTINUE, STOP = 0xF2, 0xF8, 0xFA, 0xFB, 0xFC  # of all channels: the clock
CLOCK = frozenset({SONG_POSITION, TICK, START, CONTINUE, STOP})
VOLUME, ALL_SOUND_OFF, ALL_NOTES_OFF = 7, 120, 123  # controllers
CHANNELS, KEYS = 16, 128


class Heard(NamedTuple):
    """A message that came in by a port. time: seconds of time.perf_counter; position: in the piece, seconds, then."""

    time: float
    message: Message
    position: float
    port: str


def wire_bytes(message: Message) -> Message | tuple[int, int] | tuple[int]:
    """The message without the bytes that its kind lacks."""
    status = message[0]
    if status < PROGRAM or 0xE0 <= status < 0xF0 or status == SONG_POSITION:
        return message
    return message[:2] if status < 0xE0 else message[:1]


class Receiver(Protocol):
    """What takes messages."""

    def send(self, message: Message, at: float) -> None:
        """Take a message that is due at a time of the player's clock."""


class Output(Receiver, Protocol):
    """A MIDI port or the built-in piano. Methods raise PlaybackError where the port is gone."""

    name: str
    spin: float  # seconds before a deadline from which to wait without sleeping

    def set_volume(self, volume: float) -> None:
        """Set the loudness, 0..1."""

    def is_present(self) -> bool:
        """Whether the port still exists."""

    def close(self) -> None:
        """Give the port back."""
