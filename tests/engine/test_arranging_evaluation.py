"""The evaluations of composing with music that is there: what they say of a case, and of what is known."""

from pathlib import Path

import numpy as np
import pytest

from engine.composer import Composer
from engine.performance import Note, Performance
from engine.training.arranging_evaluation import (
    FLAT,
    GRID,
    Regeneration,
    ScorePerformance,
    Variation,
    flattened,
    timing_distance,
    velocity_distance,
)
from engine.training.evaluation import Excerpt, measured
from engine.training.report import write_report
from tests.engine.small import made_up, small_model

STYLES = [Excerpt(made_up(seed, 14), made_up(seed + 9, 14), str(seed)) for seed in range(2)]


@pytest.fixture(scope="module")
def composer() -> Composer:
    return Composer(small_model(infills=True), "small", "cpu")


def test_each_is_measured_and_summed_up(composer: Composer, tmp_path: Path) -> None:
    for evaluation in (
        Regeneration(composer, STYLES, seed=0, takes=2),
        ScorePerformance(composer, STYLES, seed=0),
        Variation(composer, STYLES, seed=0, share=0.5),
    ):
        assert list(measured(evaluation, tmp_path, {"model": "small"}))[-1] == (2, 2)
    report = write_report(tmp_path)
    assert report["regenerate"]["is_outside_kept"] == 1
    assert report["regenerate"]["join_best"] <= report["regenerate"]["join_first"]
    assert report["regenerate"]["is_border_met_human"] == 1
    assert report["perform"]["is_every_note_kept"] == report["perform"]["is_nothing_added"] == 1
    low, high = report["perform"]["velocity_distance_interval"]
    assert low <= report["perform"]["velocity_distance"] <= high
    for by in ("bars", "surprise"):
        assert report["vary"][f"{by}_is_kept"] == 1
        assert report["vary"][f"{by}_off_share"] <= 0.05
    assert "is outside kept" in (tmp_path / "report.html").read_text()


def test_a_row_is_the_same_each_time(composer: Composer) -> None:
    assert Regeneration(composer, STYLES, 1, takes=1).row(0) == Regeneration(composer, STYLES, 1, takes=1).row(0)


def test_a_performance_on_a_grid_has_no_expression() -> None:
    own = STYLES[0].own
    flat = flattened(own)
    assert not flat.pedals
    assert {note.velocity for note in flat.notes} == {FLAT}
    assert np.allclose(flat.arrays[0] / GRID, np.round(flat.arrays[0] / GRID))
    cells = {(round(note.start / GRID), note.pitch) for note in own.notes}
    assert sorted(cells) == sorted((round(note.start / GRID), note.pitch) for note in flat.notes)


def test_distances_are_how_far_notes_must_be_moved() -> None:
    own = Performance.of(Note(0.25 * i, 0.25 * i + 0.2, 60, 40 + i % 20) for i in range(100))
    louder = Performance.of(note._replace(velocity=note.velocity + 7) for note in own.notes)
    assert velocity_distance(own, own) == timing_distance(own, own) == 0
    assert velocity_distance(louder, own) == pytest.approx(7)
    assert timing_distance(own.stretch(2), own) == pytest.approx(np.log(2))
