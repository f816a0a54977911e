"""The melody of a performance, and how much of a melody a take plays."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.melody import extract_melody, has_chords, melody_f1, melody_recall, top_line
from engine.performance import Note, Pedal, Performance

TWINKLE = [60, 60, 67, 67, 69, 69, 67, 65, 65, 64, 64, 62, 62, 60, 67, 67, 65, 65, 64, 64, 62]


def tune(pitches, beat=0.5, velocity=80):
    return Performance.of(Note(i * beat, (i + 0.9) * beat, pitch, velocity) for i, pitch in enumerate(pitches))


def together(*performances):
    return Performance.of(note for performance in performances for note in performance.notes)


def jittered(performance, seconds, seed=1):
    """Every note up to so many seconds too early or too late."""
    chance = random.Random(seed)
    late = [chance.choice([-1, 1]) * seconds for _ in performance.notes]
    notes = zip(performance.shift(1).notes, late, strict=True)
    return Performance.of(note._replace(start=note.start + by, end=note.end + 1 + by) for note, by in notes)


def random_take(seed=1, seconds=60.0, notes=1000):
    chance = random.Random(seed)
    times = [chance.uniform(0, seconds) for _ in range(notes)]
    return Performance.of(Note(time, time + 0.3, chance.randint(36, 84), 60) for time in times)


MELODY = tune(TWINKLE)
BASS = tune([pitch - 24 for pitch in TWINKLE[::2]], beat=1.0)
ABOVE = tune([pitch + 12 for pitch in TWINKLE for _ in range(2)], beat=0.25)


def test_the_melody_of_one_voice_is_that_voice():
    assert [note[:1] + note[2:] for note in extract_melody(MELODY).notes] == [n[:1] + n[2:] for n in MELODY.notes]


def test_the_melody_lies_above_its_accompaniment():
    take = together(MELODY, BASS)
    assert [(n.start, n.pitch) for n in extract_melody(take).notes] == [(n.start, n.pitch) for n in MELODY.notes]


def test_the_top_of_each_chord_is_the_melody():
    chords = together(MELODY, MELODY.transpose(-4), MELODY.transpose(-9))
    assert [note.pitch for note in extract_melody(chords).notes] == TWINKLE


def test_a_melody_has_no_pedals_and_keeps_its_name():
    melody = extract_melody(Performance.of(MELODY.notes, [Pedal(0, 127), Pedal(4, 0)], "twinkle"))
    assert melody.pedals == ()
    assert melody.name == "twinkle"


def test_nothing_has_no_melody():
    assert extract_melody(Performance()) == Performance()


@given(st.integers(0, 50), st.integers(1, 60))
def test_a_melody_is_one_voice_of_the_performances_own_notes(seed, notes):
    take = random_take(seed, seconds=8, notes=notes)
    melody = extract_melody(take)
    struck = {(note.start, note.pitch, note.velocity) for note in take.notes}
    assert len(melody) > 0
    assert all((note.start, note.pitch, note.velocity) in struck for note in melody.notes)
    assert not has_chords(melody)


def test_a_take_that_plays_the_melody_has_all_of_it():
    assert melody_recall(MELODY, together(MELODY, BASS)) == 1
    assert melody_f1(MELODY, together(MELODY, BASS)) == 1


ELSEWHERE = [
    ("2.3 s later and 8 % slower", 1.08, 2.3),
    ("a fifth faster", 0.81, 0.0),
    ("a fifth slower", 1.24, 30.0),
]


@pytest.mark.parametrize(("factor", "by"), [row[1:] for row in ELSEWHERE], ids=[row[0] for row in ELSEWHERE])
def test_the_melody_is_found_wherever_and_however_fast_it_is_played(factor, by):
    take = MELODY.stretch(factor).shift(by)
    assert melody_recall(MELODY, take) == 1
    assert melody_f1(MELODY, take) == 1
    assert melody_recall(MELODY, together(take, random_take(seconds=60, notes=500))) == 1


def test_a_melody_that_begins_late_is_found_in_a_take_that_begins_at_once():
    assert melody_recall(MELODY.shift(20), MELODY.stretch(0.9)) == 1


def test_a_melody_of_ten_minutes_is_found():
    chance = random.Random(5)
    long = tune([chance.randint(55, 80) for _ in range(1200)])
    assert melody_recall(long, together(long.stretch(1.1).shift(4), BASS)) == 1


def test_twice_as_slow_is_another_rhythm():
    assert melody_recall(MELODY, MELODY.stretch(2)) < 0.6


def test_wrong_pitches_are_no_melody():
    take = tune([pitch + 20 for pitch in TWINKLE])
    assert melody_recall(MELODY, take) == 0
    assert melody_f1(MELODY, take) == 0


def test_the_right_pitches_in_another_order_are_no_melody():
    order = random.Random(2).sample(TWINKLE, len(TWINKLE))
    assert melody_recall(MELODY, tune(order)) < 0.5


def test_another_take_has_little_of_the_melody():
    chance = random.Random(3)
    melody = tune([chance.randint(50, 80) for _ in range(100)])
    assert melody_recall(melody, random_take(seed=4)) < 0.35


def test_timing_may_breathe_but_not_wander():
    chance = random.Random(5)
    melody = tune([chance.randint(55, 80) for _ in range(80)])
    assert melody_recall(melody, jittered(melody, 0.06)) == 1
    assert melody_recall(melody, jittered(melody, 0.06).stretch(1.1)) == 1
    assert melody_recall(melody, jittered(melody, 0.15)) < 0.8


def test_missing_notes_count():
    assert melody_recall(MELODY, Performance(MELODY.notes[:7] + MELODY.notes[14:])) == pytest.approx(14 / 21)


def test_a_note_of_the_take_counts_once():
    doubled = together(MELODY, MELODY.shift(0.05))
    assert melody_recall(doubled, MELODY) == pytest.approx(0.5)


def test_what_lies_above_hides_the_melody_and_what_lies_below_does_not():
    assert melody_f1(MELODY, together(MELODY, BASS)) == 1
    assert melody_recall(MELODY, together(MELODY, ABOVE)) == 1
    assert melody_f1(MELODY, together(MELODY, ABOVE)) < 0.5


@pytest.mark.parametrize("melody", [Performance(), MELODY], ids=["no melody", "a melody"])
def test_no_music_is_no_match(melody):
    assert melody_recall(melody, Performance()) == melody_f1(melody, Performance()) == 0
    assert melody_recall(Performance(), melody) == melody_f1(Performance(), melody) == 0


def test_two_notes_are_not_stretched_to_fit():
    two = tune([60, 67], beat=2)
    assert melody_recall(two, two.shift(5)) == 1
    assert melody_recall(two, two.stretch(1.2)) == 0.5


def test_a_chord_has_no_tempo_to_fit():
    chord = Performance.of(Note(0, 1, pitch, 80) for pitch in (60, 64, 67, 72))
    assert melody_recall(chord, chord.shift(3)) == 1
    assert melody_recall(chord, tune([60, 64, 67, 72])) == 0.25


def test_one_note_is_found_by_its_pitch():
    assert melody_recall(tune([62]), MELODY) == 1
    assert melody_recall(tune([61]), MELODY) == 0


def test_the_same_question_has_the_same_answer():
    take = random_take(seed=7)
    answers = {melody_f1(MELODY, Performance.of(take.notes)) for _ in range(3)}
    assert len(answers) == 1


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 40), st.integers(0, 40))
def test_recall_and_f1_are_shares(seed, other, melody_notes, take_notes):
    melody, take = random_take(seed, 10, melody_notes), random_take(other, 10, take_notes)
    assert 0 <= melody_recall(melody, take) <= 1
    assert 0 <= melody_f1(melody, take) <= 1


CHORDS = [
    ("one voice", [(0, 1, 60), (1, 2, 62)], False),
    ("legato", [(0, 1.1, 60), (1, 2, 62)], False),
    ("a held finger", [(0, 3, 60), (1, 2, 62)], False),
    ("a grace note", [(0, 0.02, 60), (0.02, 1, 62)], False),
    ("one key twice", [(0, 1, 60), (0, 1, 60)], False),
    ("a third", [(0, 1, 60), (0, 1, 64)], True),
    ("a chord spread by 25 ms", [(0, 1, 60), (0.025, 1, 64)], True),
    ("a chord at the end", [(0, 1, 60), (1, 2, 62), (2, 3, 64), (2, 3, 60)], True),
    ("nothing", [], False),
]


@pytest.mark.parametrize(("keys", "expected"), [row[1:] for row in CHORDS], ids=[row[0] for row in CHORDS])
def test_chords_are_keys_struck_and_sounding_together(keys, expected):
    assert has_chords(Performance.of(Note(start, end, pitch, 80) for start, end, pitch in keys)) is expected


def test_the_top_line_of_chords_is_their_melody_and_one_voice_stays_as_it_is():
    assert top_line(MELODY) is MELODY
    assert [note.pitch for note in top_line(together(MELODY, MELODY.transpose(-5))).notes] == TWINKLE
