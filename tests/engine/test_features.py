"""The eight style features and the overlap of their distributions."""

import random
from statistics import NormalDist, fmean, pvariance

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.features import (
    FEATURES,
    feature_spreads,
    feature_windows,
    overlap,
    overlap_area_exact,
    overlap_area_paper,
    similarity,
)
from engine.performance import Note, Pedal, Performance


def played(seed, pitch=60, velocity=70, seconds=50.0, gap=0.2):
    """Notes at random around a pitch and a velocity, one every `gap` seconds or so."""
    chance = random.Random(seed)
    notes, time = [], 0.0
    while time < seconds:
        length = chance.uniform(0.1, 0.6)
        notes.append(
            Note(time, time + length, chance.randint(pitch - 9, pitch + 9), chance.randint(velocity - 9, velocity + 9))
        )
        time += chance.uniform(0, 2 * gap)
    return Performance.of(notes)


def test_one_window_has_the_eight_features_of_its_notes():
    performance = Performance.of([Note(0, 0.5, 60, 70), Note(0.5, 1, 64, 80), Note(1, 2.5, 68, 90)])
    windows = feature_windows(performance)
    expected = [
        1.5,
        8,
        64,
        pvariance([60, 64, 68]),
        80,
        pvariance([70, 80, 90]),
        fmean([0.5, 0.5, 1.5]),
        pvariance([0.5, 0.5, 1.5]),
    ]
    assert list(windows) == list(FEATURES)
    assert [values.tolist() for values in windows.values()] == [pytest.approx([value]) for value in expected]


def test_windows_of_2_s_begin_every_second_and_hold_what_is_struck_in_them():
    performance = Performance.of([Note(time, time + 5, 60, 70) for time in (0.0, 0.5, 1.0, 2.5, 3.5)])
    assert feature_windows(performance)["note_density"].tolist() == [1.5, 1, 1]  # from 0, 1 and 2 s
    assert feature_windows(performance)["mean_duration"].tolist() == [5, 5, 5]  # notes aren't cut


@pytest.mark.parametrize("last", [0.5, 1.9, 2.0, 2.1, 2.9, 3.0, 7.3])
def test_the_first_and_the_last_note_are_in_a_window(last):
    velocities = feature_windows(Performance.of([Note(0, 1, 60, 70), Note(last, last + 1, 60, 90)]))["mean_velocity"]
    assert velocities[0] < 90
    assert velocities[-1] > 70


def test_windows_without_notes_are_left_out():
    performance = Performance.of([Note(0, 1, 60, 70), Note(100, 101, 60, 70)])
    assert feature_windows(performance)["note_density"].tolist() == [0.5, 0.5]


def test_durations_are_those_heard_with_the_pedal():
    performance = Performance.of([Note(0, 0.5, 60, 70)], [Pedal(0.2, 127), Pedal(3, 0)])
    assert feature_windows(performance)["mean_duration"].tolist() == [3]


@given(st.floats(0, 1000))
def test_where_in_time_the_music_lies_changes_nothing(by):
    performance = played(1, seconds=8)
    assert similarity(performance, performance.shift(by))["average"] == pytest.approx(1)


def test_spreads_are_mean_and_deviation_of_the_windows():
    performance = played(1)
    windows, spreads = feature_windows(performance), feature_spreads(performance)
    for name in FEATURES:
        assert spreads[name] == pytest.approx((windows[name].mean(), windows[name].std(), len(windows[name])))
    assert overlap(spreads, spreads) == similarity(performance, performance)


def test_a_performance_is_as_alike_as_can_be_to_itself():
    alike = similarity(played(1), played(1))
    assert alike == {**dict.fromkeys([*FEATURES, "average"], 1.0), "exact": dict.fromkeys([*FEATURES, "average"], 1.0)}


def test_the_same_manner_is_more_alike_than_another():
    own = similarity(played(1), played(2))
    other = similarity(played(1), played(3, pitch=75, velocity=40, gap=0.1))
    assert own["average"] > 0.8 > 0.6 > other["average"]
    assert own["exact"]["average"] > 0.8 > 0.6 > other["exact"]["average"]


def test_only_what_differs_is_less_alike():
    performance = played(1)
    softer = Performance.of(note._replace(velocity=note.velocity - 30) for note in performance.notes)
    alike = similarity(performance, softer)
    assert alike["mean_velocity"] < 0.01
    assert [alike[name] for name in FEATURES if name != "mean_velocity"] == [pytest.approx(1)] * 7


def test_averages_are_the_means_of_the_eight():
    alike = similarity(played(1), played(2, pitch=65))
    assert alike["average"] == pytest.approx(fmean(alike[name] for name in FEATURES))
    assert alike["exact"]["average"] == pytest.approx(fmean(alike["exact"][name] for name in FEATURES))


TINY = [
    Performance(),
    Performance.of([Note(3, 4, 60, 70)]),
    Performance.of([Note(0, 1, 60, 70), Note(0, 1, 64, 70)]),
    Performance.of([Note(0, 1, 60, 70), Note(90, 91, 64, 80)]),
    Performance.of([Note(0, 0, 60, 70)]),
]


@pytest.mark.parametrize("tiny", TINY, ids=["nothing", "one note", "one chord", "two far apart", "no length"])
def test_very_little_music_has_numbers_all_the_same(tiny):
    for alike in (similarity(tiny, played(1)), similarity(played(1), tiny), similarity(tiny, tiny)):
        numbers = [alike[name] for name in [*FEATURES, "average"]] + list(alike["exact"].values())
        assert all(0 <= number <= 1 for number in numbers)
    assert not any(np.isnan(number) for spread in feature_spreads(tiny).values() for number in spread)


def test_without_notes_nothing_is_alike():
    assert similarity(Performance(), played(1))["average"] == similarity(Performance(), Performance())["average"] == 0


# (mean, deviation) twice; the exact area; the paper's, which takes one crossing of two
AREAS = [
    ((0, 1), (0, 1), 1.0, 1.0),
    ((0, 1), (0, 2), 0.677, 0.839),
    ((0, 1), (3, 5), 0.305, 0.441),
    ((60, 8), (64, 12), 0.762, 0.789),
    ((60, 8), (64, 8), 0.803, 0.803),
    ((0, 1), (100, 1), 0.0, 0.0),
    ((5, 0), (5, 0), 1.0, 1.0),
    ((5, 0), (6, 0), 0.0, 0.0),
]


@pytest.mark.parametrize(("one", "other", "exact", "paper"), AREAS)
def test_overlap_areas_known_from_elsewhere(one, other, exact, paper):
    assert overlap_area_exact(*one, *other) == pytest.approx(exact, abs=6e-4)
    assert overlap_area_paper(*one, *other) == pytest.approx(paper, abs=6e-4)


means, deviations = st.floats(-100, 100), st.floats(0.01, 100)


@given(means, deviations, means, deviations)
@example(1.0, 1.0, 1.0, 1.0 + 1e-12)
@example(80.0, 8.0, 84.0, 8.0 + 1e-13)
@example(0.0, 0.0, 0.0, 0.0)
def test_overlap_areas_are_areas(mean_1, deviation_1, mean_2, deviation_2):
    exact = overlap_area_exact(mean_1, deviation_1, mean_2, deviation_2)
    paper = overlap_area_paper(mean_1, deviation_1, mean_2, deviation_2)
    assert 0 <= exact <= 1 and exact - 1e-5 <= paper <= 1
    assert exact == pytest.approx(overlap_area_exact(mean_2, deviation_2, mean_1, deviation_1), abs=1e-5)
    assert paper == pytest.approx(overlap_area_paper(mean_2, deviation_2, mean_1, deviation_1), abs=1e-9)


@given(means, deviations, means, st.floats(1.01, 10))
def test_the_papers_formula_as_it_is_printed(mean_1, s1, mean_2, ratio):
    (m1, s1), (m2, s2) = sorted([(mean_1, s1), (mean_2, s1 * ratio)])
    root = np.sqrt((m1 - m2) ** 2 + 2 * (s1**2 - s2**2) * np.log(s1 / s2))
    c = (m2 * s1**2 - s2 * (m1 * s2 + s1 * root)) / (s1**2 - s2**2)
    area = 1 - NormalDist(m1, s1).cdf(c) + NormalDist(m2, s2).cdf(c)
    assert overlap_area_paper(m1, s1, m2, s2) == pytest.approx(area, abs=1e-6)


@given(means, deviations, means, deviations)
def test_the_exact_area_is_the_standard_librarys(m1, s1, m2, s2):
    if abs(s1 - s2) > 1e-3 * s1:
        assert overlap_area_exact(m1, s1, m2, s2) == pytest.approx(
            NormalDist(m1, s1).overlap(NormalDist(m2, s2)), abs=1e-6
        )
