"""Playing a performance: on the built-in piano or a MIDI port, in a process of its own. No torch, no Qt."""

from engine.playback.player import Player
from engine.playback.ports import BUILT_IN, Port, ports
from engine.playback.status import Status

__all__ = ["BUILT_IN", "Player", "Port", "Status", "ports"]
