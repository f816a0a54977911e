"""How fast a take is written, beside re-reading the whole window for each step: both in one run, in turn."""

import statistics
import time
from collections.abc import Callable

import pytest

from engine.assets import asset
from engine.composer import Composer, Request
from engine.decoding import NoteWriter
from engine.midi import read_midi

STEPS, ROUNDS = 24, 3

pytestmark = pytest.mark.benchmark


def seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def test_a_step_with_the_cache_costs_a_part_of_reading_the_window_again(capsys: pytest.CaptureFixture[str]) -> None:
    composer = Composer.load(device="cpu")
    style = composer.style(read_midi(asset("examples", "prelude.mid")))
    request = Request(style=style, melody=read_midi(asset("examples", "twinkle.mid")), seconds=28)
    writer = composer.writer(request)
    assert isinstance(writer, NoteWriter)
    for _ in range(200):
        writer.write_step()
    pairs = []
    for _ in range(ROUNDS):
        cached = seconds(lambda: [writer.write_step() for _ in range(STEPS)]) / STEPS
        again = seconds(lambda: writer.open_window(writer.first))
        pairs.append((cached, again))
    ratio = statistics.median(again / cached for cached, again in pairs)
    step = statistics.median(cached for cached, _ in pairs)
    with capsys.disabled():
        print(f"\n{1000 * step:.1f} ms a step; reading the window again costs {ratio:.1f} times that")
    assert ratio > 3
