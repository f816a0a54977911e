"""How surprising notes are: as the decoder says it step by step, over windows, and of what follows a border."""

import numpy as np
import pytest
import torch

from engine.decoding import NoteWriter, steps_of
from engine.performance import Note, Performance
from engine.sampling import SamplingOptions
from engine.surprise import JOIN, join_surprise, note_surprises, surprises
from engine.torch_decoder import TorchDecoder
from engine.vocabulary import GAPS, KEYS
from tests.engine.small import made_up, small_model

MODEL = small_model(infills=True)
STYLE = np.random.default_rng(0).normal(size=32).astype(np.float32)
PIECE = made_up(0, 20)


def test_nats_are_those_of_the_decoder_step_by_step() -> None:
    steps = steps_of(PIECE)[:30]
    nats = surprises(MODEL, steps, STYLE)
    for number in (5, 17, 29):
        style, options = torch.from_numpy(STYLE)[None], SamplingOptions()
        writer = NoteWriter(
            TorchDecoder(MODEL), style, [], 9999, options, 0, steps=list(steps[:number]), begin=steps[0].at
        )
        step = steps[number]
        gap = int(GAPS.table[step.at - steps[number - 1].at])
        symbols = writer.decoder.arrive(gap, writer._situation(step.at), step.at - writer.origin)
        found = [-torch.log_softmax(writer.gaps[0], -1)[gap], -torch.log_softmax(symbols[0], -1)[step.symbol]]
        assert nats[number, :2] == pytest.approx([float(value) for value in found], abs=1e-4)


def test_a_long_piece_is_told_in_windows_that_overlap() -> None:
    steps = steps_of(PIECE)
    window = MODEL.config.window
    assert len(steps) > 2 * window
    nats = surprises(MODEL, steps, STYLE)
    assert nats.shape == (len(steps), 4)
    assert nats[:window] == pytest.approx(surprises(MODEL, steps[:window], STYLE), abs=1e-4)
    later = surprises(MODEL, steps, STYLE, first=window)
    assert later == pytest.approx(nats[window:], abs=1e-4)
    assert len(surprises(MODEL, [], None)) == 0


def test_each_note_has_its_surprise() -> None:
    off_the_piano = Note(3, 4, 120, 80)
    piece = Performance.of([*PIECE.notes, off_the_piano], PIECE.pedals)
    found = note_surprises(MODEL, piece, STYLE)
    assert set(found) == set(PIECE.notes)
    steps = steps_of(PIECE)
    nats = surprises(MODEL, steps, STYLE).sum(1)
    assert sum(found.values()) == pytest.approx(sum(n for n, s in zip(nats, steps, strict=True) if s.symbol < KEYS))


def test_a_join_is_of_the_first_notes_after_a_border_given_what_is_before() -> None:
    found = join_surprise(MODEL, PIECE, 5.0, STYLE)
    after = [note for note in PIECE.notes if note.start >= 5]
    far = Performance.of([n for n in PIECE.notes if n not in after[JOIN + 8 :]], PIECE.pedals)
    assert join_surprise(MODEL, far, 5.0, STYLE) == pytest.approx(found, abs=1e-4)
    other = Performance.of([*after, *(n._replace(velocity=127) for n in PIECE.notes if n not in after)], PIECE.pedals)
    assert join_surprise(MODEL, other, 5.0, STYLE) != pytest.approx(found, abs=1e-3)
    assert join_surprise(MODEL, PIECE, 100.0, STYLE) is None
