"""A score performed: every note once, and as far from the score as is wanted."""

from itertools import pairwise

import numpy as np
import pytest

from engine.composer import Composer, Request
from engine.errors import RequestError
from engine.performance import Note, Pedal, Performance
from engine.performing import Performed, Performing, blended
from tests.engine.small import made_up, small_model


@pytest.fixture(scope="module")
def composer() -> Composer:
    return Composer(small_model(infills=True, style_guidance=3.0), "small", "cpu")


def chorale(bars: int = 12) -> Performance:
    """Four voices on a grid, all as loud; two of them meet on one key at times."""
    random = np.random.default_rng(1)
    notes = []
    for beat in range(2 * bars):
        keys = [*random.choice(range(40, 70), 3, replace=False), 72 + beat % 5]
        notes += [Note(beat * 0.5, beat * 0.5 + 0.5, int(key), 70) for key in keys]
    return Performance.of(notes, name="chorale")


def performed(composer: Composer, score: Performance, **options: object) -> Performed:
    request = Request(style=composer.style(made_up(3, 20)), seed=4, **options)  # type: ignore[arg-type]
    performing = Performing(composer, score, request)
    steps = list(performing.steps())
    assert [step.at for step in steps] == sorted(step.at for step in steps)
    return performing.performed()


@pytest.fixture(scope="module")
def played(composer: Composer) -> Performed:
    return performed(composer, chorale())


def test_every_note_is_played_once_and_none_is_added(played: Performed) -> None:
    score = chorale()
    assert {written for written, _ in played.notes} == set(score.notes)
    whole = blended(played)
    assert sorted(note.pitch for note in whole.notes) == sorted(note.pitch for note in score.notes)
    assert all(written.pitch == as_played.pitch for written, as_played in played.notes)
    assert max(abs(as_played.start - written.start) for written, as_played in played.notes) <= 0.18
    assert len({note.velocity for note in whole.notes}) > 5


def test_a_seed_repeats(composer: Composer, played: Performed) -> None:
    assert performed(composer, chorale()) == played


def test_the_slider_goes_from_the_score_to_what_was_played(played: Performed) -> None:
    score = chorale()
    assert blended(played, 0, 0, has_pedal=False) == score
    half, whole = blended(played, 0.5, 0.5), blended(played)
    by_note = [{(written.start, written.pitch): written for written, _ in played.notes}]
    assert len(by_note[0]) == len(half) == len(whole)
    late = [np.abs(each.arrays[0] - np.round(each.arrays[0] * 2) / 2).mean() for each in (score, half, whole)]
    assert late[0] == pytest.approx(0)
    assert late[1] == pytest.approx(late[2] / 2, rel=0.05)
    apart = [np.abs(each.arrays[3] - 70).mean() for each in (half, whole)]
    assert apart[0] == pytest.approx(apart[1] / 2, rel=0.1)
    assert blended(played, 0, 1).arrays[0] == pytest.approx(score.arrays[0])


def test_the_pedal_moves_with_the_notes_around_it() -> None:
    notes = ((Note(1, 2, 60, 80), Note(1.2, 2, 60, 80)), (Note(2, 3, 62, 80), Note(2.2, 3, 62, 80)))
    score = Performance.of([notes[0][0], notes[1][0]], [Pedal(0.5, 100), Pedal(0.6, 0)])
    one = Performed(score, notes, (Pedal(1.7, 127), Pedal(2.2, 0), Pedal(2.3, 127)))
    assert [pedal.time for pedal in blended(one).pedals] == pytest.approx([1.7, 2.2, 2.3, 3.0])  # it lifts at the end
    assert [pedal.time for pedal in blended(one, timing=0.5).pedals[:2]] == pytest.approx([1.6, 2.1])
    assert [pedal.time for pedal in blended(one, timing=0).pedals[:2]] == pytest.approx([1.5, 2.0])
    assert blended(one, has_pedal=False).pedals == score.pedals


def test_guidance_is_left_to_the_choice_of_notes(composer: Composer) -> None:
    """The model's own guidance is 3; a strength of 3 asked for is another performance."""
    plain = Composer(small_model(infills=True), "plain", "cpu")
    plain.model.load_state_dict(composer.model.state_dict())
    assert performed(plain, chorale(4)) == performed(composer, chorale(4))
    assert performed(composer, chorale(4)) != performed(composer, chorale(4), style_strength=3.0)


def test_what_no_two_hands_could_play_is_played(composer: Composer) -> None:
    cluster = [Note(1.0, 1.1, pitch, 90) for pitch in range(21, 109)]
    trill = [Note(2 + i * 0.02, 2.02 + i * 0.02, 60 + i % 2, 50) for i in range(40)]
    unison = [Note(4, 5, 60, 80), Note(4, 4.5, 60, 80), Note(4, 5, 5, 80), Note(4.004, 5, 60, 80)]
    made = blended(performed(composer, Performance.of([*cluster, *trill, *unison])))
    assert len(made) == 88 + 40 + 1  # of one key at once one note; off the piano none
    for pitch in (60, 61):
        starts = [note.start for note in made.notes if note.pitch == pitch]
        assert all(later > earlier for earlier, later in pairwise(starts))
    assert made.with_repeats_cut() == made


def test_a_score_without_notes_on_the_piano_is_said(composer: Composer) -> None:
    with pytest.raises(RequestError, match="no notes on the piano"):
        Performing(composer, Performance.of([Note(0, 1, 3, 80)]), Request())
    with pytest.raises(RequestError, match="among notes"):
        Performing(Composer(small_model("events"), "events", "cpu"), chorale(), Request())
