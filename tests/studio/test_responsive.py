"""The window never waits: the longest time between two turns of its event loop while much goes on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from engine.midi import write_midi
from engine.performance import Note, Performance
from studio.app import Studio
from studio.clip import STYLE
from studio.window_bench import Heartbeat
from tests.fakes import FakeComposer, scale_notes
from tests.studio.hands import drop

pytestmark = pytest.mark.benchmark  # a shared machine halts for longer than the gap that is looked for

LONGEST_GAP = 0.050  # seconds
TRIES = 4  # a window that blocks fails each of them
Open = Callable[..., Studio]
TICK = 2  # ms


def own_gap(heartbeat: Heartbeat) -> float:
    """The longest gap between two beats in seconds, less what a busy machine made of it."""
    longest, beside = heartbeat.stop()
    return longest - beside


def least_of(measure: Callable[[], float]) -> float:
    """The best of some tries, fewer if one is good enough."""
    gaps = []
    for _ in range(TRIES):
        gaps.append(measure())
        if gaps[-1] <= LONGEST_GAP:
            break
    return min(gaps)


def test_the_window_goes_on_while_a_composer_keeps_the_interpreter_busy(qtbot: QtBot, open_studio: Open) -> None:
    studio = open_studio(FakeComposer(events=scale_notes(300), busy=0.004))
    qtbot.wait(200)  # until the first painting is over

    def measure() -> float:
        heartbeat = Heartbeat(TICK)
        with qtbot.waitSignal(studio.composing.ended, timeout=20_000):
            studio.window.action("compose").trigger()
        return own_gap(heartbeat)

    gap = least_of(measure)
    assert len(studio.session.takes.take(0).performance) == 300
    assert gap <= LONGEST_GAP


def test_the_window_goes_on_while_a_long_performance_is_opened(qtbot: QtBot, open_studio: Open, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    starts, pitches = np.sort(rng.uniform(0, 1200, 12_000)).tolist(), rng.integers(30, 100, 12_000).tolist()
    long = tmp_path / "long.mid"
    write_midi(long, Performance.of([Note(t, t + 0.4, p, 80) for t, p in zip(starts, pitches, strict=True)]))
    studio = open_studio()
    qtbot.wait(200)

    def measure() -> float:
        studio.session.clear(STYLE)
        heartbeat = Heartbeat(TICK)
        drop(studio.window, long)
        qtbot.waitUntil(lambda: studio.session.clip(STYLE) is not None, timeout=20_000)
        studio.window.cards[STYLE].grab()
        return own_gap(heartbeat)

    assert least_of(measure) <= LONGEST_GAP
