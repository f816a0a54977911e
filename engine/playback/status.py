"""What the player tells: the state it is in and the position reached."""

from __future__ import annotations

from array import array
from typing import NamedTuple

PLAYING, PAUSED, WAITING, ENDED, FAULT, PORT = "playing", "paused", "waiting", "ended", "fault", "port"
INPUT, INPUT_LOST, PORTS = "input", "input_lost", "ports"


class Status(NamedTuple):
    """kind: one of the nine above; position: seconds; text: a sentence (fault, input_lost) or the port's name (port,
    input); at: seconds of time.perf_counter at which the position was reached, 0 where that does not matter.

    A fault that halts the playing is followed by `paused`; after any other the playing goes on. `ports`: others came
    or went.
    """

    kind: str
    position: float
    text: str = ""
    at: float = 0.0


class Punctuality(NamedTuple):
    """How late messages were sent. is_first: whether the process may go before others; late: seconds of each."""

    is_first: bool
    late: array[float]
