"""Drawing a value: temperature, top-p, what is not allowed, how strongly the conditions pull."""

from collections import Counter

import pytest
import torch

from engine.sampling import SamplingOptions, allowed_symbols, conditions, guided, pick
from engine.vocabulary import END, KEYS, MELODY, PEDAL_DOWN, PEDAL_UP

LOGITS = torch.tensor([0.5, 0.25, 0.15, 0.1]).log()


def draws(logits=LOGITS, count=2000, temperature=1.0, top_p=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [pick(logits, temperature, generator, top_p) for _ in range(count)]


def test_values_are_drawn_as_often_as_they_are_probable():
    counted = Counter(draws(count=10_000, seed=100))
    for value, probability in enumerate((0.5, 0.25, 0.15, 0.1)):
        assert counted[value] / 10_000 == pytest.approx(probability, abs=0.02)


@pytest.mark.parametrize(
    ("top_p", "kept"), [(0.01, {0}), (0.5, {0}), (0.51, {0, 1}), (0.75, {0, 1}), (0.95, {0, 1, 2, 3})]
)
def test_top_p_keeps_the_least_set_that_is_probable_enough(top_p, kept):
    assert set(draws(top_p=top_p)) == kept


def test_top_p_keeps_proportions_within_the_set():
    counted = Counter(draws(top_p=0.7))
    assert counted[0] / counted[1] == pytest.approx(2, rel=0.15)


@pytest.mark.parametrize("temperature", [0.0, 1e-6, 0.01])
def test_a_temperature_near_nothing_takes_the_likeliest(temperature):
    logits = torch.randn(50, generator=torch.Generator().manual_seed(3))
    assert set(draws(logits, 20, temperature)) == {int(logits.argmax())}


def test_a_high_temperature_evens_out():
    counted = Counter(draws(temperature=100.0))
    assert min(counted.values()) / 2000 == pytest.approx(0.25, abs=0.04)


def test_what_is_ruled_out_is_never_drawn():
    assert set(draws(LOGITS.masked_fill(torch.tensor([True, False, True, False]), float("-inf")))) == {1, 3}


def test_a_seed_repeats_and_another_differs():
    assert draws(seed=5) == draws(seed=5)
    assert draws(seed=5) != draws(seed=6)


# How strongly the conditions pull


@pytest.mark.parametrize(
    ("strengths", "expected"),
    [
        ((1.0, 1.0), [(True, True)]),
        ((2.0, 1.0), [(True, True), (False, True)]),
        ((1.0, 0.0), [(True, True), (True, False)]),
        ((2.0, 2.0), [(True, True), (False, True), (True, False)]),
    ],
)
def test_a_condition_is_left_out_once_where_its_strength_is_not_one(strengths, expected):
    options = SamplingOptions(style_strength=strengths[0], melody_strength=strengths[1])
    assert conditions(options, True, True) == expected


def test_a_condition_that_is_not_given_pulls_nothing():
    options = SamplingOptions(style_strength=2, melody_strength=2)
    assert conditions(options, False, False) == [(False, False)]
    assert conditions(options, False, True) == [(False, True), (False, False)]


def test_strengths_enlarge_what_each_condition_changes():
    whole, no_style, no_melody = torch.tensor([[1.0, 2.0], [0.0, 2.0], [1.0, 5.0]])
    options = SamplingOptions(style_strength=3.0, melody_strength=0.0)
    logits = guided(torch.stack([whole, no_style, no_melody]), options, True, True)
    torch.testing.assert_close(logits, whole + 2 * (whole - no_style) - (whole - no_melody))


def test_strength_one_is_as_learned_and_strength_nothing_as_without():
    rows = torch.randn(2, 5)
    assert torch.equal(guided(rows[:1], SamplingOptions(), True, True), rows[0])
    torch.testing.assert_close(guided(rows, SamplingOptions(style_strength=0.0), True, False), rows[1])


# What may follow within a step


def allowed(after=None, pedal=False, melody_key=None, may_end=False):
    return set(allowed_symbols(after, pedal, melody_key, may_end).nonzero()[:, 0].tolist())


def test_at_a_new_step_every_key_may_be_struck():
    assert allowed() == {*range(KEYS), PEDAL_DOWN}


def test_within_a_step_keys_go_down_and_the_pedal_comes_last():
    assert allowed(after=40) == {*range(40), PEDAL_DOWN}
    assert allowed(after=0) == {PEDAL_DOWN}


@pytest.mark.parametrize(("pedal", "move"), [(True, PEDAL_UP), (False, PEDAL_DOWN)])
def test_the_pedal_moves_only_the_other_way(pedal, move):
    assert allowed(pedal=pedal) & {PEDAL_UP, PEDAL_DOWN} == {move}


def test_a_pedal_lifted_may_be_pressed_again_at_once_and_then_nothing_follows():
    assert allowed(after=PEDAL_UP, pedal=False) == {PEDAL_DOWN}
    assert allowed(after=PEDAL_DOWN, pedal=True) == set()


def test_the_end_comes_only_where_it_may_and_last():
    assert END in allowed(may_end=True)
    assert END not in allowed()
    assert allowed(after=PEDAL_DOWN, pedal=True, may_end=True) == {END}


@pytest.mark.parametrize(("after", "may"), [(None, True), (51, True), (50, False), (49, False), (PEDAL_UP, False)])
def test_the_melody_note_keeps_its_place_in_the_chord(after, may):
    assert (MELODY in allowed(after=after, melody_key=50)) == may


def test_without_a_melody_note_due_there_is_none():
    assert MELODY not in allowed()
