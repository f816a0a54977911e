"""What sounds on an output, so that it can be ended by name: the one way by which messages reach a port."""

from __future__ import annotations

from engine.errors import PlaybackError
from engine.performance import SOFT, SOSTENUTO, SUSTAIN
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

PEDALS = frozenset({SUSTAIN, 65, SOSTENUTO, SOFT, 68, 69})  # controllers that hold something until they are lifted
THRU = -1  # the lane of what is played by hand


class Sounding:
    """Sends to an output and remembers which keys and pedals are down there, channel by channel, for which lane."""

    def __init__(self, output: Receiver) -> None:
        self.output = output
        self._strokes: dict[tuple[int, int], tuple[int, int]] = {}  # (channel, key) -> (lane, stroke)
        self._pedals: dict[tuple[int, int], int] = {}  # (channel, controller) -> lane
        self._channels: set[int] = set()  # that were sent to since the last release

    def __bool__(self) -> bool:
        """Whether a key or a pedal is down."""
        return bool(self._strokes or self._pedals)

    def send(self, message: Message, at: float, stroke: int = -1, lane: int = 0) -> None:
        """Send a message due at `at`. A key that is struck again is let go first; only a key's own stroke ends it."""
        kind, channel, number = message[0] & 0xF0, message[0] & 0x0F, message[1]
        if kind == NOTE_ON:
            self._channels.add(channel)
            if (channel, number) in self._strokes:
                self.output.send((NOTE_OFF | channel, number, 0), at)
            self._strokes[channel, number] = lane, stroke  # before sending: if that fails the key may be down
            self.output.send(message, at)
        elif kind == NOTE_OFF:
            if self._strokes.get((channel, number)) == (lane, stroke):
                self.output.send(message, at)
                del self._strokes[channel, number]
        else:
            self._channels.add(channel)
            if kind == CONTROL and number in PEDALS:
                self._pedals.pop((channel, number), None)
                if message[2]:
                    self._pedals[channel, number] = lane
            self.output.send(message, at)

    def let_go(self, at: float, lane: int | None = None) -> None:
        """End by name what a lane holds, or the whole piece; sounds die away as the instrument lets them."""
        keys = [place for place, (of, _) in self._strokes.items() if of == lane or (lane is None and of != THRU)]
        pedals = [place for place, of in self._pedals.items() if of == lane or (lane is None and of != THRU)]
        for channel, key in keys:
            self.output.send((NOTE_OFF | channel, key, 0), at)
            del self._strokes[channel, key]
        for channel, pedal in pedals:
            self.output.send((CONTROL | channel, pedal, 0), at)
            del self._pedals[channel, pedal]

    def is_played_by_hand(self) -> bool:
        """Whether a key is held down by hand."""
        return any(lane == THRU for lane, _ in self._strokes.values())

    def release(self, at: float) -> None:
        """End all that sounds, by name and then by the controllers for all; a port that is gone ends it itself."""
        keys = [(NOTE_OFF | channel, key, 0) for channel, key in self._strokes]
        pedals = [(CONTROL | channel, pedal, 0) for channel, pedal in sorted(self._pedals)]
        self._send_all(keys + pedals + _silence(sorted(self._channels)), at)

    def panic(self, at: float) -> None:
        """The same, then for every channel, pedal and key, known to be down or not."""
        self.release(at)
        pedals = [(CONTROL | channel, pedal, 0) for channel in range(CHANNELS) for pedal in sorted(PEDALS)]
        keys = [(NOTE_OFF | channel, key, 0) for channel in range(CHANNELS) for key in range(KEYS)]
        self._send_all(pedals + _silence(list(range(CHANNELS))) + keys, at)

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
