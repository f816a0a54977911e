"""What the player tells: the state it is in and the position reached."""

from __future__ import annotations

from typing import NamedTuple

PLAYING, PAUSED, WAITING, ENDED, FAULT, PORT = "playing", "paused", "waiting", "ended", "fault", "port"


class Status(NamedTuple):
    """kind: one of the six above; position: seconds; text: a sentence (fault) or the port's name (port).

    A fault that halts the playing is followed by `paused`; after any other the playing goes on.
    """

    kind: str
    position: float
    text: str = ""
