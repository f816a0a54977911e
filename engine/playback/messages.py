"""MIDI messages as three bytes, and what takes them."""

from __future__ import annotations

from typing import Protocol

Message = tuple[int, int, int]  # status (kind + channel), then two bytes of 0..127

NOTE_OFF, NOTE_ON, CONTROL = 0x80, 0x90, 0xB0
VOLUME, ALL_SOUND_OFF, ALL_NOTES_OFF = 7, 120, 123  # controllers
CHANNELS, KEYS = 16, 128


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
