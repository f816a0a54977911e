"""How fast a take is written, beside reading the whole window again for each step, and beside torch, in one run."""

import statistics
import time
from collections.abc import Callable

import pytest

from engine.assets import asset
from engine.composer import Composer, Request
from engine.decoding import NoteWriter, TorchDecoder
from engine.midi import read_midi

STEPS, ROUNDS = 24, 3
TIMES_TORCH = 2.5  # measured: 3.7, beside a training on both cores

pytestmark = pytest.mark.benchmark


def seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def writer_under_way(composer: Composer) -> NoteWriter:
    """A writer 200 steps into a take with melody and style."""
    style = composer.style(read_midi(asset("examples", "prelude.mid")))
    request = Request(style=style, melody=read_midi(asset("examples", "twinkle.mid")), seconds=28)
    writer = composer.writer(request)
    assert isinstance(writer, NoteWriter)
    for _ in range(200):
        writer.write_step()
    return writer


def test_a_step_with_the_cache_costs_a_part_of_reading_the_window_again(capsys: pytest.CaptureFixture[str]) -> None:
    writer = writer_under_way(Composer.load(device="cpu"))
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


def test_a_step_costs_a_part_of_what_it_costs_torch(capsys: pytest.CaptureFixture[str]) -> None:
    composer = Composer.load(device="cpu")
    ours = writer_under_way(composer)
    assert not isinstance(ours.decoder, TorchDecoder)
    composer.make_decoder = lambda: TorchDecoder(composer.model)
    reference = writer_under_way(composer)
    pairs = []
    for _ in range(ROUNDS):
        pair = [seconds(lambda w=writer: [w.write_step() for _ in range(STEPS)]) for writer in (ours, reference)]
        pairs.append([spent / STEPS for spent in pair])
    ratio = statistics.median(torch / own for own, torch in pairs)
    own, torch = (1000 * statistics.median(column) for column in zip(*pairs, strict=True))
    with capsys.disabled():
        print(f"\n{own:.2f} ms a step; torch takes {torch:.2f} ms, {ratio:.1f} times that")
    assert ratio > TIMES_TORCH
