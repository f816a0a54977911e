"""How long the real window leaves its event loop while it composes, and how soon the thread is idle once cancelled."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from PySide6.QtCore import QEventLoop, QObject, QSettings, Qt, QTimer, SignalInstance
from PySide6.QtWidgets import QApplication

from engine.errors import EngineError
from engine.playback import Player
from studio.app import Studio
from studio.engine_thread import Composer
from studio.settings import Settings
from studio.theme import DARK, apply_theme

TICK = 10  # ms between two beats
LONGEST_WAIT = 120_000  # ms, for a take or for the model
FIRST_CANCEL = 60  # ms after the first notes of a take at which it is cancelled
LATER = 70  # ms, each time
IDLE = """
import sys, threading, time
print("ready", flush=True)
stop, last, longest = threading.Event(), time.perf_counter(), 0.0
threading.Thread(target=lambda: (sys.stdin.readline(), stop.set())).start()
while not stop.is_set():
    time.sleep(float(sys.argv[1]))
    now = time.perf_counter()
    last, longest = now, max(longest, now - last)
print(longest)
"""


class Heartbeat(QObject):
    """Beats as often as the event loop lets it; beside it a program that does nothing else beats as well. tick: ms."""

    def __init__(self, tick: int = TICK) -> None:
        super().__init__()
        command = [sys.executable, "-c", IDLE, str(tick / 1000)]
        self._idle = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._idle.stdout is not None
        self._idle.stdout.readline()
        self._beats = [time.perf_counter()]
        self._timer = QTimer(self, interval=tick, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(lambda: self._beats.append(time.perf_counter()))
        self._timer.start()

    def stop(self) -> tuple[float, float]:
        """The longest gaps between two beats in seconds, here and in the program that does nothing else."""
        self._timer.stop()
        self._beats.append(time.perf_counter())
        said, _ = self._idle.communicate("stop\n")
        return max(after - before for before, after in pairwise(self._beats)), float(said)


def measure_window(rounds: int, load_composer: Callable[[], Composer] | None = None) -> dict[str, float]:
    """Of so many takes of the bundled examples, each then composed again and cancelled, later each time: seconds."""
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    apply_theme(app, DARK)
    with TemporaryDirectory() as folder:
        settings = Settings(QSettings(str(Path(folder) / "settings.ini"), QSettings.Format.IniFormat))
        studio = Studio(settings, load_composer, partial(Player, audio=False))
        try:
            studio.start()
            if not studio.background.is_empty:
                _wait(studio.background.emptied)
            _compose(studio, studio.composing.ended)  # the model is loaded
            gaps = [_longest_gaps(studio) for _ in range(rounds)]
            idle: list[float] = []  # when the thread was, by its own account
            thread = studio.engine_thread
            thread.ended.connect(lambda: idle.append(time.perf_counter()), Qt.ConnectionType.DirectConnection)
            keys = [_cancel(studio, FIRST_CANCEL + LATER * number) for number in range(rounds)]
        finally:
            studio.window.close()
    longest, beside = map(max, zip(*gaps, strict=True))
    cancel = max(end - key for end, key in zip(idle, keys, strict=True))
    return {"longest_gap_s": longest, "longest_gap_of_an_idle_program_s": beside, "cancel_s": cancel}


def _longest_gaps(studio: Studio) -> tuple[float, float]:
    heartbeat = Heartbeat()
    _compose(studio, studio.composing.ended)
    return heartbeat.stop()


def _cancel(studio: Studio, delay: int) -> float:
    """Compose and cancel; when the key was pressed."""
    _compose(studio, studio.composing.events_composed)
    _wait(QTimer(studio, interval=delay, singleShot=True))
    key = time.perf_counter()
    if studio.composing.is_composing:
        _wait(studio.composing.ended, studio.window.action("cancel").trigger)
    return key


def _compose(studio: Studio, until: SignalInstance) -> None:
    _wait(until, studio.window.action("compose").trigger)


def _wait(until: SignalInstance | QTimer, begin: Callable[[], object] = lambda: None) -> None:
    """Begin something, and let the window live until a signal comes."""
    loop, is_late = QEventLoop(), QTimer(interval=LONGEST_WAIT, singleShot=True)
    is_late.timeout.connect(lambda: loop.exit(1))
    (until.timeout if isinstance(until, QTimer) else until).connect(loop.quit)
    is_late.start()
    if isinstance(until, QTimer):
        until.start()
    begin()
    if loop.exec():
        raise EngineError("The window did not compose in two minutes", "Try it: hommage studio")
