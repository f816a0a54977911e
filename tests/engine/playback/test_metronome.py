"""Beats in time, and a tempo from taps."""

import random
from itertools import pairwise

import pytest

from engine.playback.metronome import FASTEST, SLOWEST, TOP_KEYS, Metronome, TapTempo


def tapped(*times: float) -> float | None:
    taps = TapTempo()
    return [taps.tap(time) for time in times][-1]


def test_every_beat_clicks_and_the_first_of_a_bar_by_another_key() -> None:
    clicks = [*Metronome(tempo=60, beats=3).clicks(0.0, 7.0)]
    assert [click.start for click in clicks] == [0, 1, 2, 3, 4, 5, 6]
    first, other = TOP_KEYS
    assert [click.pitch for click in clicks] == [first, other, other, first, other, other, first]


def test_clicks_asked_for_in_pieces_are_the_same_clicks() -> None:
    """An hour, cut anywhere, on beats too: none is missing and none comes twice."""
    metronome, draw = Metronome(tempo=97, beats=5), random.Random(1)
    whole = [*metronome.clicks(0.0, 3600.0)]
    cuts = [0.0, *sorted(draw.choice([click.start, draw.uniform(0, 3600)]) for click in whole[1::40]), 3600.0]
    pieces = [click for start, end in pairwise(cuts) for click in metronome.clicks(start, end)]
    assert pieces == whole
    assert whole[-1].start == pytest.approx((len(whole) - 1) * 60 / 97, abs=1e-6)


@pytest.mark.parametrize(("stroke", "bar"), [(0.0, 0.0), (1.8, 0.0), (1.9, 2.0), (2.0, 2.0), (3.0, 2.0), (5.95, 6.0)])
def test_a_stroke_belongs_to_its_bar_or_just_before_it_to_the_next(stroke: float, bar: float) -> None:
    assert Metronome(tempo=120, beats=4).bar_begin(stroke) == bar


def test_the_tempo_is_that_of_the_last_taps() -> None:
    assert tapped(5.0) is None
    assert tapped(5.0, 5.5) == pytest.approx(120)
    assert tapped(5.0, 5.52, 5.98, 6.5, 7.01, 7.49, 8.0) == pytest.approx(120, abs=0.5)
    assert tapped(*(tap * 0.6 for tap in range(20)), *(11.4 + tap * 0.5 for tap in range(1, 9))) == pytest.approx(120)


def test_another_pace_begins_another_tempo_and_a_long_pause_forgets() -> None:
    assert tapped(0.0, 1.0, 2.0, 2.3, 2.6) == pytest.approx(200)
    assert tapped(0.0, 0.3, 0.6, 1.6, 2.6) == pytest.approx(60)
    assert tapped(0.0, 0.5, 1.0, 20.0) is None
    assert tapped(0.0, 0.5, 1.0, 20.0, 20.4) == pytest.approx(150)


def test_a_tempo_stays_within_what_a_metronome_has() -> None:
    assert tapped(0.0, 0.01) == FASTEST
    assert tapped(0.0, 0.0) == FASTEST
    assert tapped(0.0, 60 / SLOWEST) == pytest.approx(SLOWEST)
    assert tapped(0.0, 60 / SLOWEST + 0.1) is None
