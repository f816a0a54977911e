"""The whole way with real input events on an X server: drags from another program, a click, a take dragged out."""

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.midi import read_midi, write_midi
from engine.performance import Performance
from tests.fakes import scale_notes
from tests.studio.hands import MELODY, STYLE

ROOT = Path(__file__).parents[2]
MISSING = [name for name in ("Xvfb", "xdotool", "openbox") if shutil.which(name) is None]
PATIENCE = 20.0  # seconds until a program is held to be stuck
Place = tuple[int, int]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]


class Program:
    """A process that says JSON lines."""

    def __init__(self, environment: dict[str, str], *command: str) -> None:
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def next(self) -> dict[str, Any]:
        try:
            said: dict[str, Any] = json.loads(self._lines.get(timeout=PATIENCE))
        except queue.Empty:
            self.process.kill()
            raise AssertionError(f"nothing happened; it said: {self.process.communicate()[1]}") from None
        return said

    def end(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=PATIENCE)


@pytest.fixture
def display() -> Iterator[dict[str, str]]:
    """The environment of programs on an X server of their own, with a window manager."""
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", "1", "-screen", "0", "1600x900x24", "-nolisten", "tcp"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    number = server.stdout.readline().strip()
    environment = {**os.environ, "DISPLAY": f":{number}", "QT_QPA_PLATFORM": "xcb", "PYTHONPATH": str(ROOT)}
    manager = subprocess.Popen(["openbox"], env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    yield environment
    for process in (manager, server):
        process.terminate()
        process.wait(PATIENCE)


class Hand:
    """Moves the real pointer."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def _do(self, *arguments: object) -> None:
        subprocess.run(["xdotool", *map(str, arguments)], env=self._environment, check=True)

    def click(self, place: Place) -> None:
        self._do("mousemove", *place, "click", 1)

    def drag(self, start: Place, end: Place) -> None:
        """In steps, as a hand does: a drag begins only after some movement."""
        self._do("mousemove", *start, "mousedown", 1)
        steps = 20
        for step in range(1, steps + 1):
            x, y = (round(a + (b - a) * step / steps) for a, b in zip(start, end, strict=True))
            self._do("mousemove", x, y)
            time.sleep(0.02)  # the X server sends one movement for several that come at once
        self._do("mousemove", end[0] + 1, end[1])
        time.sleep(0.2)  # the target answers that it takes the files
        self._do("mouseup", 1)

    def press(self, keys: str) -> None:
        self._do("key", keys)


def test_files_dragged_from_another_program_become_a_take_that_is_dragged_back(
    display: dict[str, str], tmp_path: Path
) -> None:
    playing, tune = tmp_path / "playing.mid", tmp_path / "tune.mid"
    write_midi(playing, STYLE)
    write_midi(tune, MELODY)
    studio = Program(display, sys.executable, "-m", "tests.studio.xvfb_studio", str(tmp_path))
    partner = Program(display, sys.executable, "-m", "tests.studio.xvfb_partner", str(playing), str(tune))
    hand = Hand(display)
    try:
        where, (playing_at, tune_at, desktop_at) = studio.next(), partner.next()["places"]
        hand.drag(playing_at, where["style"])
        assert studio.next() == {"event": "clip", "role": "style", "name": "Playing"}
        hand.drag(tune_at, where["melody"])
        assert studio.next() == {"event": "clip", "role": "melody", "name": "Tune"}
        hand.click(where["compose"])
        assert studio.next() == {"event": "composed", "takes": 1}
        hand.drag(where["take"], desktop_at)
        (path,) = partner.next()["paths"]
        assert Path(path).name == "Tune – Playing – 1.mid"
        assert read_midi(path).notes == Performance.of(scale_notes(16)).notes
        hand.click(where["style"])
        hand.press("ctrl+q")
        assert studio.process.wait(PATIENCE) == 0
    finally:
        studio.end()
        partner.end()
