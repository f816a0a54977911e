"""Shared passages are found in any key, at any tempo and wherever they stand; what is new is called new."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ModelError
from engine.originality import GRAM, SURE_NOTES, WINNOW, index_of, load_index, longest_shared, save_index
from engine.performance import Note, Performance
from tests.engine.small import made_up


def wandering(seed: int, notes: int, chords: bool = False) -> Performance:
    """Notes that nobody played before."""
    random = np.random.default_rng(seed)
    starts = np.cumsum(random.uniform(0.1, 0.5, notes))
    if chords:
        starts = np.repeat(starts[::3], 3)[:notes]
    pitches = random.integers(30, 96, notes)
    return Performance.of(
        Note(start, start + 0.3, pitch, 64) for start, pitch in zip(starts.tolist(), pitches.tolist(), strict=True)
    )


@given(st.integers(SURE_NOTES, 60), st.integers(-12, 12), st.floats(0.5, 2.0), st.booleans(), st.integers(0, 50))
def test_a_shared_passage_is_found(length, semitones, tempo, chords, before):
    known = wandering(1, 120, chords)
    first = 30 if chords else 31
    passage = known.notes[first : first + length]
    ours = list(wandering(2, before).notes)
    begin = max((note.end for note in ours), default=0.0) + 2
    ours += [Note(begin - 1, begin - 0.9, 0, 64), Note(begin - 0.8, begin - 0.7, 127, 64)]  # a step known nowhere
    ours += [
        note._replace(
            start=begin + (note.start - passage[0].start) * tempo,
            end=begin + (note.end - passage[0].start) * tempo,
            pitch=note.pitch + semitones,
        )
        for note in passage
    ]
    ours += [Note(begin + 98, begin + 98.1, 0, 64), Note(begin + 99, begin + 99.1, 127, 64)]
    ours += wandering(3, 40).shift(begin + 100).notes
    found = longest_shared(Performance.of(ours), index_of([wandering(9, 300), known]))
    assert GRAM < found.notes <= length
    assert found.notes >= length - 2 * WINNOW
    assert begin - 0.01 <= found.start and found.end <= begin + (passage[-1].end - passage[0].start) * tempo + 0.31


def test_what_is_new_is_new():
    index = index_of(wandering(seed, 2000) for seed in range(50))
    assert longest_shared(wandering(99, 5000), index).notes == 0


def test_figures_are_nobodys():
    scale = Performance.of(Note(n / 8, n / 8 + 0.1, 30 + n % 60, 64) for n in range(600))
    trill = Performance.of(Note(n / 8, n / 8 + 0.1, 60 + n % 2, 64) for n in range(600))
    assert longest_shared(trill, index_of([trill])).notes == 0
    assert longest_shared(scale, index_of([scale])).notes == 0


def test_a_performance_is_wholly_its_own():
    ours = made_up(0, 30)
    found = longest_shared(ours, index_of([ours]))
    assert found.notes >= len(ours) - SURE_NOTES


@pytest.mark.parametrize("notes", [0, 1, GRAM, GRAM + 1, SURE_NOTES - 1, SURE_NOTES])
def test_short_performances(notes):
    ours = wandering(4, notes)
    assert longest_shared(ours, index_of([ours])).notes in ({0} if notes <= GRAM else set(range(GRAM + 1, notes + 1)))


def test_an_index_is_kept_and_small(tmp_path: Path):
    index = index_of(wandering(seed, 5000) for seed in range(20))
    save_index(tmp_path / "index", index)
    assert (load_index(tmp_path / "index") == index).all()
    assert (tmp_path / "index").stat().st_size < 5 * len(index)
    assert len(index) < 0.3 * 20 * 5000


def test_a_broken_index_is_one_sentence(tmp_path: Path):
    (tmp_path / "index").write_text("no index")
    with pytest.raises(ModelError, match="can't be read"):
        load_index(tmp_path / "index")
    with pytest.raises(ModelError, match="can't be read"):
        load_index(tmp_path / "none")
