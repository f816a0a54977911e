"""What sounds on an output, so that it can be ended by name: the one way by which messages reach a port."""

from __future__ import annotations

from engine.errors import PlaybackError
from engine.performance import SUSTAIN
from engine.playback.messages import (
    ALL_NOTES_OFF,
    ALL_SOUND_OFF,
    CHANNELS,
    CONTROL,
    KEYS,
    NOTE_OFF,
    NOTE_ON,
    Message,
    Receiver,
)


class Sounding:
    """Sends to an output and remembers each key and pedal that is down there, channel by channel."""

    def __init__(self, output: Receiver) -> None:
        self.output = output
        self._strokes: dict[tuple[int, int], int] = {}  # (channel, key) -> stroke
        self._pedals: set[tuple[int, int]] = set()  # (channel, controller)
        self._channels: set[int] = set()  # that were sent to since the last release

    def __bool__(self) -> bool:
        """Whether a key or a pedal is down."""
        return bool(self._strokes or self._pedals)

    def send(self, message: Message, at: float, stroke: int = -1) -> None:
        """Send a message due at `at`. A key that is struck again is let go first; only a key's own stroke ends it."""
        kind, channel, number = message[0] & 0xF0, message[0] & 0x0F, message[1]
        if kind == NOTE_ON:
            self._channels.add(channel)
            if (channel, number) in self._strokes:
                self.output.send((NOTE_OFF | channel, number, 0), at)
            self._strokes[channel, number] = stroke  # before sending: if that fails the key may be down
            self.output.send(message, at)
        elif kind == NOTE_OFF:
            if self._strokes.get((channel, number)) == stroke:
                self.output.send(message, at)
                del self._strokes[channel, number]
        else:
            self._channels.add(channel)
            (self._pedals.add if message[2] else self._pedals.discard)((channel, number))
            self.output.send(message, at)

    def release(self, at: float) -> None:
        """End all that sounds, by name and then by the controllers for all; a port that is gone ends it itself."""
        keys = [(NOTE_OFF | channel, key, 0) for channel, key in self._strokes]
        pedals = [(CONTROL | channel, pedal, 0) for channel, pedal in sorted(self._pedals)]
        self._send_all(keys + pedals + _silence(sorted(self._channels)), at)

    def panic(self, at: float) -> None:
        """The same, then for every channel and key, known to sound or not."""
        self.release(at)
        keys = [(NOTE_OFF | channel, key, 0) for channel in range(CHANNELS) for key in range(KEYS)]
        self._send_all(_silence(list(range(CHANNELS))) + keys, at)

    def _send_all(self, messages: list[Message], at: float) -> None:
        self._strokes.clear()
        self._pedals.clear()
        self._channels.clear()
        try:
            for message in messages:
                self.output.send(message, at)
        except PlaybackError:
            return


def _silence(channels: list[int]) -> list[Message]:
    controllers = (SUSTAIN, ALL_NOTES_OFF, ALL_SOUND_OFF)
    return [(CONTROL | channel, controller, 0) for channel in channels for controller in controllers]
