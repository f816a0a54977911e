"""Playing a performance: on the built-in piano or a MIDI port, in a process of its own. No torch, no Qt."""

from engine.playback.messages import Heard
from engine.playback.player import Player
from engine.playback.ports import BUILT_IN, VIRTUAL_IN, VIRTUAL_OUT, Port, inputs, ports
from engine.playback.status import Status

__all__ = ["BUILT_IN", "VIRTUAL_IN", "VIRTUAL_OUT", "Heard", "Player", "Port", "Status", "inputs", "ports"]
