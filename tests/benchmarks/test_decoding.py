"""How fast a take is written, beside reading the window again for each step, torch, and Hugging Face `generate`."""

import json
import statistics
import time
from collections.abc import Callable

import pytest

from engine.assets import asset
from engine.composer import Composer, Request
from engine.decoding import NoteWriter, TorchDecoder
from engine.midi import read_midi
from studio.cli import main

STEPS, ROUNDS = 24, 3
TIMES_TORCH = 2.5  # measured: 3.7, beside a training on both cores
LEAST = {  # and behind each what was measured beside a training on both cores
    "realtime": 20,  # 48
    "ratio_to_eager": 2,  # 3.3
    "ratio_to_hf_generate": 1.5,  # 2.5; in tokens of events, of which a step says four, 10
    "ratio_to_hf_generate_2048": 1.5,  # 2.5
}

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


def test_the_figures_of_the_shipped_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "decode", "--json"]) == 0
    said = capsys.readouterr()
    figures = json.loads(said.out)
    with capsys.disabled():
        print("\n" + said.out + said.err)
    assert figures["first_note_s"] <= 1.5
    assert figures["first_note_cached_s"] <= 0.3
    assert not {name: figures[name] for name, least in LEAST.items() if (figures[name] or least) < least}
