"""Performances: cut, moved, joined, and sounding with the pedal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.performance import SOFT, SUSTAIN, Note, Pedal, Performance

seconds = st.integers(0, 20_000).map(lambda milliseconds: milliseconds / 1000)
notes = st.builds(
    lambda start, length, pitch, velocity: Note(start, start + length, pitch, velocity),
    seconds,
    st.integers(1, 5000).map(lambda milliseconds: milliseconds / 1000),
    st.integers(0, 127),
    st.integers(1, 127),
)
pedals = st.builds(Pedal, seconds, st.integers(0, 127), st.sampled_from([64, 66, 67]))
performances = st.builds(Performance.of, st.lists(notes, max_size=30), st.lists(pedals, max_size=10))


def is_in_order(performance: Performance) -> bool:
    keys = [(note.start, note.pitch) for note in performance.notes]
    times = [pedal.time for pedal in performance.pedals]
    return keys == sorted(keys) and times == sorted(times)


def is_down_at(performance: Performance, time: float, controller: int = SUSTAIN) -> bool:
    values = [pedal.value for pedal in performance.pedals if pedal.controller == controller and pedal.time <= time]
    return bool(values) and values[-1] >= 64


def test_notes_in_any_order_are_sorted_by_start_then_pitch():
    performance = Performance.of([Note(1, 2, 60, 80), Note(0, 1, 64, 80), Note(0, 1, 60, 80)])
    assert [(note.start, note.pitch) for note in performance.notes] == [(0, 60), (0, 64), (1, 60)]


def test_an_empty_performance_lasts_nothing():
    empty = Performance()
    assert len(empty) == 0
    assert empty.seconds == 0
    assert all(len(column) == 0 for column in empty.arrays)
    assert empty.with_sustain_applied() == empty
    assert empty.shift(2).stretch(2).transpose(2).slice(0, 1).join(empty) == empty


def test_arrays_hold_what_the_notes_hold():
    starts, ends, pitches, velocities = Performance.of([Note(0.5, 1.25, 60, 80), Note(1, 2, 72, 90)]).arrays
    assert (starts.tolist(), ends.tolist()) == ([0.5, 1.0], [1.25, 2.0])
    assert (pitches.tolist(), velocities.tolist()) == ([60, 72], [80, 90])


def test_a_slice_has_the_notes_struck_in_it_moved_to_time_0():
    performance = Performance.of([Note(0, 9, 60, 80), Note(1, 4, 62, 80), Note(3, 4, 64, 80)], name="waltz")
    assert performance.slice(1, 3) == Performance((Note(0, 3, 62, 80),), name="waltz")


def test_a_slice_begins_with_the_pedals_as_they_stand():
    performance = Performance.of(
        [Note(5, 6, 60, 80)],
        [Pedal(0, 127), Pedal(1, 90), Pedal(0, 127, SOFT), Pedal(2, 0, SOFT), Pedal(5.5, 0), Pedal(8, 127)],
    )
    assert performance.slice(5, 7).pedals == (Pedal(0, 90), Pedal(0.5, 0))


def test_a_pedal_moved_exactly_at_the_slices_start_has_the_last_word():
    performance = Performance.of([Note(5, 6, 60, 80)], [Pedal(1, 127), Pedal(5, 0)])
    assert not is_down_at(performance.slice(5, 7), 0)


@given(performances, seconds, seconds)
def test_two_slices_share_out_the_notes(performance, first, second):
    begin, cut = sorted((first, second))
    whole = performance.slice(begin, 100)
    parts = performance.slice(begin, cut), performance.slice(cut, 100)
    assert len(whole) == len(parts[0]) + len(parts[1])
    assert is_in_order(parts[0]) and is_in_order(parts[1])


@given(performances, st.floats(0, 100))
def test_later_and_back_again_is_where_it_was(performance, by):
    back = performance.shift(by).shift(-by)
    assert len(back) == len(performance)
    moved = zip(back.notes, sorted(performance.notes, key=lambda note: (note.start + by, note.pitch)), strict=True)
    assert all(abs(a.start - b.start) < 1e-9 and abs(a.end - b.end) < 1e-9 for a, b in moved)


def test_what_reaches_before_time_0_is_cut_there_and_what_lies_before_it_is_dropped():
    performance = Performance.of([Note(0, 1, 72, 80), Note(0.5, 3, 64, 80), Note(2.5, 4, 60, 80)], [Pedal(1, 127)])
    assert performance.shift(-2) == Performance((Note(0, 1, 64, 80), Note(0.5, 2, 60, 80)), (Pedal(0, 127),))


@given(performances, st.floats(-30, 30))
def test_a_shift_keeps_the_order_and_time_0(performance, by):
    shifted = performance.shift(by)
    assert is_in_order(shifted)
    assert all(note.start >= 0 and note.end >= note.start for note in shifted.notes)


@given(performances, st.integers(-60, 60))
def test_transposing_drops_only_what_leaves_midi(performance, semitones):
    moved = performance.transpose(semitones)
    stays = [note.pitch + semitones for note in performance.notes if 0 <= note.pitch + semitones <= 127]
    assert [note.pitch for note in moved.notes] == stays
    assert is_in_order(moved)


@given(performances, st.floats(0.1, 10))
def test_stretching_scales_every_time(performance, factor):
    stretched = performance.stretch(factor)
    assert stretched.seconds == pytest.approx(performance.seconds * factor)
    assert len(stretched) == len(performance) and len(stretched.pedals) == len(performance.pedals)
    assert is_in_order(stretched)


@pytest.mark.parametrize("factor", [0, -1, float("nan")])
def test_a_factor_that_is_no_tempo_is_refused(factor):
    with pytest.raises(ValueError, match="must be above 0"):
        Performance.of([Note(0, 1, 60, 80)]).stretch(factor)


def test_joining_puts_the_other_after_the_last_key_and_the_gap():
    first, second = Performance.of([Note(0, 2, 60, 80)], name="first"), Performance.of([Note(0.5, 1, 62, 80)])
    joined = first.join(second, gap=1.0)
    assert joined == Performance((Note(0, 2, 60, 80), Note(3.5, 4, 62, 80)), name="first")


def test_a_pedal_left_down_lifts_where_the_next_performance_begins():
    first = Performance.of([Note(0, 2, 60, 80)], [Pedal(0, 127)])
    joined = first.join(Performance.of([Note(0, 1, 62, 80), Note(3, 4, 64, 80)]))
    assert not is_down_at(joined, 2.0)
    assert [note.end for note in joined.with_sustain_applied().notes] == [2, 3, 6]


def test_pedalling_after_the_last_key_does_not_reach_into_the_next_performance():
    first = Performance.of([Note(0, 2, 60, 80)], [Pedal(0, 127), Pedal(2.5, 0)])
    joined = first.join(Performance.of([Note(0, 1, 62, 80)], [Pedal(0.2, 127), Pedal(1.5, 0)]))
    assert joined.pedals == (Pedal(0, 127), Pedal(2, 0), Pedal(2.2, 127), Pedal(3.5, 0))


@given(performances, performances, st.floats(0, 5))
def test_joining_keeps_every_note_and_the_order(first, second, gap):
    joined = first.join(second, gap)
    assert len(joined) == len(first) + len(second)
    assert is_in_order(joined)


SUSTAINED = [
    ("a note held by the pedal ends when it lifts", [Pedal(0.5, 127), Pedal(3, 0)], [(0, 1)], [3]),
    ("a pedal up leaves the key's end", [Pedal(0.2, 127), Pedal(0.8, 0)], [(0, 1)], [1]),
    ("half a pedal from 64 on holds", [Pedal(0, 64), Pedal(3, 63)], [(0, 1)], [3]),
    ("less than 64 does not", [Pedal(0, 63), Pedal(3, 0)], [(0, 1)], [1]),
    ("the key's next stroke ends it sooner", [Pedal(0, 127), Pedal(3, 0)], [(0, 1), (2, 2.5)], [2, 3]),
    ("a pedal pressed as the key rises catches it", [Pedal(1, 127), Pedal(3, 0)], [(0, 1)], [3]),
    ("a pedal lifted as the key rises does not", [Pedal(0, 127), Pedal(1, 0)], [(0, 1)], [1]),
    ("a key held longer than the pedal ends with the key", [Pedal(0, 127), Pedal(1, 0)], [(0, 2)], [2]),
    ("a pedal never lifted holds to the last key's end", [Pedal(0, 127)], [(0, 1), (4, 6)], [4, 6]),
    ("movements while down change nothing", [Pedal(0, 127), Pedal(1, 80), Pedal(2, 0)], [(0, 0.5)], [2]),
    ("the soft pedal holds nothing", [Pedal(0, 127, SOFT), Pedal(3, 0, SOFT)], [(0, 1)], [1]),
]


@pytest.mark.parametrize(
    ("movements", "keys", "ends"), [row[1:] for row in SUSTAINED], ids=[row[0] for row in SUSTAINED]
)
def test_sustain_applied(movements, keys, ends):
    performance = Performance.of([Note(start, end, 60, 80) for start, end in keys], movements)
    heard = performance.with_sustain_applied()
    assert [note.end for note in heard.notes] == ends
    assert heard.pedals == ()


@given(performances)
def test_sustain_never_shortens_a_note_nor_changes_its_stroke(performance):
    heard = performance.with_sustain_applied()
    for before, after in zip(performance.notes, heard.notes, strict=True):
        assert before._replace(end=after.end) == after
        assert after.end >= before.end
    assert heard.with_sustain_applied() == heard


def test_a_key_struck_again_ends_its_earlier_note():
    both = Performance.of([Note(0, 3, 60, 80), Note(1, 2, 60, 70), Note(0, 3, 64, 60)], [Pedal(0, 127)], "a name")
    assert both.with_repeats_cut() == Performance.of(
        [Note(0, 1, 60, 80), Note(1, 2, 60, 70), Note(0, 3, 64, 60)], [Pedal(0, 127)], "a name"
    )


def test_a_note_that_ends_before_its_key_is_struck_again_stays():
    apart = Performance.of([Note(0, 1, 60, 80), Note(1, 2, 60, 80), Note(3, 4, 60, 80)])
    assert apart.with_repeats_cut() == apart


def test_of_two_strokes_at_one_moment_one_is_left():
    assert len(Performance.of([Note(0, 1, 60, 80), Note(0, 2, 60, 70)]).with_repeats_cut()) == 1


@given(performances)
def test_with_repeats_cut_no_key_sounds_twice_and_nothing_else_changes(performance):
    cut = performance.with_repeats_cut()
    ends: dict[int, float] = {}
    for note in cut.notes:
        assert note.start >= ends.get(note.pitch, 0)
        ends[note.pitch] = note.end
    assert {(note.start, note.pitch) for note in cut.notes} == {(note.start, note.pitch) for note in performance.notes}
    assert is_in_order(cut)
    assert cut.with_repeats_cut() == cut
