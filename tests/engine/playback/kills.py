"""Kills at random moments: of the window (its process), of its composing thread, of the player."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from engine.playback.loopback import Instrument

ROOT = Path(__file__).parents[3]
PATIENCE = 20.0  # seconds: the machine may be busy
ENDS = ("SIGKILL", "SIGTERM", "raise", "thread raise", "player SIGTERM", "player SIGKILL")
OWNER = f"""
import sys, threading, time
sys.path.insert(0, {str(ROOT)!r})
from engine.performance import Note, Pedal, Performance
from engine.playback import Player

player = Player(sys.argv[1], audio=False)
player.load(Performance.of([], [Pedal(0.0, 127), Pedal(0.1, 90, 67)]), finished=False)
stop = threading.Event()

def compose():
    for i in range(2000):
        player.add([Note(i * 0.03, i * 0.03 + 60.0 - i % 7, 30 + i % 70, 80)])
        if i > 40 and stop.wait(0.01):
            raise RuntimeError("on purpose")

threading.Thread(target=compose, daemon=True).start()
player.play()
print(player._process.pid, flush=True)
ends = threading.Event()

def obey():
    ends.word = sys.stdin.readline().strip()
    stop.set() if ends.word == "thread raise" else ends.set()

threading.Thread(target=obey, daemon=True).start()
while not ends.wait(0.01):
    player.poll()
raise RuntimeError("on purpose")
"""


def wait_until(is_so: Callable[[], bool], what: str = "") -> None:
    """Wait, but not for ever."""
    deadline = time.perf_counter() + PATIENCE
    while not is_so():
        assert time.perf_counter() < deadline, f"not within {PATIENCE} s: {what}"
        time.sleep(0.002)


def is_silenced(instrument: Instrument) -> bool:
    """Whether nothing sounds there, as it was told in every way."""
    return not instrument.down() and 120 in instrument.controllers()


def kill_at_random(instrument: Instrument, end: str, draw: random.Random) -> float:
    """One playing that ends so. Returns seconds from there to the last key's note-off; fails if any stays down."""
    instrument.received.clear()
    command = [sys.executable, "-c", OWNER, instrument.name]
    owner = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert owner.stdin and owner.stdout
    with owner.stdin, owner.stdout:
        player = int(owner.stdout.readline())
        wait_until(lambda: len(instrument.down()) > 3, "sounding notes")
        time.sleep(draw.uniform(0, 0.3))
        at = time.perf_counter()
        if "raise" in end:
            owner.stdin.write(end.encode() + b"\n")
            owner.stdin.flush()
        else:
            os.kill(player if "player" in end else owner.pid, getattr(signal, end.split()[-1]))
        wait_until(lambda: is_silenced(instrument), f"silence after {end}")
        lifted = max(time for time, message in instrument.received if message[0] & 0xF0 == 0x80)
        owner.kill()
        owner.wait(PATIENCE)
    wait_until(lambda: not Path(f"/proc/{player}").exists() or "player" in end, "the player's end")
    assert not instrument.down(), f"it went on after {end}"
    return lifted - at
