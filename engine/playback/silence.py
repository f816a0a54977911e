"""An output on which nothing sounds: before a port is chosen, while one is gone, on a machine without audio."""

from __future__ import annotations

from engine.playback.messages import Message


class Silence:
    """Takes the place of the output of this name; time goes on."""

    spin = 0.0

    def __init__(self, name: str) -> None:
        self.name = name

    def send(self, message: Message, at: float) -> None:
        """Nothing sounds."""

    def set_volume(self, volume: float) -> None:
        """Nothing sounds."""

    def is_present(self) -> bool:
        """It is always there."""
        return True

    def close(self) -> None:
        """Nothing to give back."""
