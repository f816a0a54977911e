"""Performances to tokens and back, for both codecs: what survives, what is rounded, and how."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.assets import asset
from engine.checkpoint import CODECS, codec_named
from engine.codec import NoteCodec, fingerprint, to_steps
from engine.event_codec import EventCodec, steps_reached
from engine.midi import read_midi
from engine.performance import HIGHEST, LOWEST, Note, Pedal, Performance
from engine.vocabulary import (
    DURATIONS,
    END,
    EOS,
    GAPS,
    KEYS,
    MAX_DURATION,
    MAX_GAP,
    PAD,
    PEDAL_DOWN,
    PEDAL_UP,
    TIME_SHIFT,
    VELOCITY,
    Bins,
)

EXAMPLES = sorted(path.stem for path in asset("examples").glob("*.mid"))
NOTES, EVENTS = NoteCodec(), EventCodec()

times = st.integers(0, 3000).map(lambda step: step / 100)
lengths = st.integers(1, 2500).map(lambda steps: steps / 100)
pitches = st.integers(LOWEST, HIGHEST)
few_pitches = st.sampled_from([60, 64])  # keys repeat
notes = st.builds(
    lambda start, length, pitch, velocity: Note(start, start + length, pitch, velocity),
    times,
    lengths,
    pitches | few_pitches,
    st.integers(1, 127),
)
pedals = st.builds(Pedal, times, st.integers(0, 127))
performances = st.builds(Performance.of, st.lists(notes, max_size=25), st.lists(pedals, max_size=8))
both_codecs = pytest.mark.parametrize("codec", [NOTES, EVENTS], ids=lambda codec: codec.name)


def again(codec, performance):
    return codec.decode(codec.encode(performance))


def onsets(performance):
    return [(round(note.start * 100), note.pitch) for note in performance.notes]


def one(start=0.0, end=0.5, pitch=60, velocity=80):
    return Performance.of([Note(start, end, pitch, velocity)])


def steps_of(seconds):
    return int(to_steps(np.array(seconds)))


# Both codecs


@both_codecs
def test_nothing_is_just_an_end(codec):
    assert len(codec.encode(Performance())) == 1
    assert again(codec, Performance()) == Performance()


@both_codecs
@given(performance=performances)
def test_tokens_are_within_their_fields(codec, performance):
    tokens = codec.encode(performance)
    assert tokens.shape[1] == len(codec.fields)
    assert (tokens >= 0).all()
    assert (tokens < [field.size for field in codec.fields]).all()


@both_codecs
def test_what_comes_after_the_end_says_nothing(codec):
    tokens = codec.encode(one())
    assert codec.decode(np.concatenate([tokens, tokens])) == codec.decode(tokens)


@both_codecs
def test_keys_off_the_piano_are_left_out(codec):
    both = Performance.of([*one(pitch=LOWEST - 1).notes, *one(pitch=HIGHEST + 1).notes, *one().notes])
    assert [note.pitch for note in again(codec, both).notes] == [60]


@both_codecs
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_real_performance_keeps_its_onsets_and_is_stable(codec, name):
    performance = read_midi(asset("examples", f"{name}.mid"))
    once = again(codec, performance)
    assert again(codec, once) == once
    assert Counter(note.pitch for note in once.notes) == Counter(note.pitch for note in performance.notes)
    longest = round(np.diff(performance.arrays[0]).max() * 100)
    half = 0 if codec is EVENTS else (width(GAPS, min(longest, MAX_GAP)) - 1) / 200
    assert np.abs(once.arrays[0] - performance.arrays[0]).max() <= 0.0051 + half  # long gaps are rounded


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=60))
def test_rounding_of_long_gaps_does_not_add_up(gaps):
    onsets = np.cumsum([0, *gaps])
    decoded = NOTES.decode(
        NOTES.encode(Performance.of([Note(t / 100, t / 100 + 0.1, 60, 80) for t in onsets.tolist()]))
    )
    off = np.abs(np.round(decoded.arrays[0] * 100) - onsets)
    assert off.max() <= width(GAPS, MAX_GAP) / 2


@both_codecs
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_melody_is_encoded_within_its_fields(codec, name):
    tokens, moments = codec.encode_melody(read_midi(asset("examples", f"{name}.mid")))
    assert len(tokens) == len(moments) > 0
    assert (tokens < [field.size for field in codec.melody_fields]).all()
    assert (np.diff(moments) >= 0).all()


@both_codecs
def test_windows_are_alike_and_each_begins_with_its_first_note(codec):
    performance = read_midi(asset("examples", "nocturne.mid"))
    whole = codec.encode(performance)
    windows = codec.windows(performance, 100)
    assert all(50 < len(window) < 150 for window in windows)
    assert sum(map(len, windows)) == pytest.approx(len(whole), rel=0.1)
    assert all(codec.decode(window).notes[0].start <= 0.2 for window in windows)


def test_each_codec_is_found_by_its_name_and_has_its_own_fingerprint():
    assert {codec_named(name).name for name in CODECS} == {"notes", "events"}
    assert len({fingerprint(codec_named(name)) for name in CODECS}) == len(CODECS)


@both_codecs
def test_other_borders_of_the_bins_are_another_codec(codec, monkeypatch):
    before = fingerprint(codec)
    monkeypatch.setattr("engine.codec.GAPS", Bins.of(0, 99, MAX_GAP, 31))
    assert len(Bins.of(0, 99, MAX_GAP, 31).first) == len(GAPS.first)
    assert fingerprint(codec) != before


# One step a note


@given(performances)
def test_note_tokens_are_stable_from_the_second_time_on(performance):
    """Only a note that lasts to its own key's next stroke may be rounded twice: the stroke is rounded too."""
    once = again(NOTES, performance)
    twice = again(NOTES, once)
    assert onsets(twice) == onsets(once)
    assert [note.velocity for note in twice.notes] == [note.velocity for note in once.notes]
    assert twice.pedals == once.pedals
    assert again(NOTES, twice) == twice


@given(performances)
def test_a_note_starts_within_half_the_bins_that_lead_to_it(performance):
    original, _, _, _ = NOTES.events(performance)
    tokens = NOTES.encode(performance)[:-1]
    reached = np.cumsum(GAPS.middle[tokens[:, 0]])
    half = (GAPS.after - GAPS.first)[tokens[:, 0]] / 2
    slack = np.cumsum(np.where(half > 0.5, half, 0))
    is_event = np.ones(len(tokens), bool) if len(tokens) == len(original) else _not_a_filler(tokens)
    assert (np.abs(reached[is_event] - original) <= slack[is_event]).all()


def _not_a_filler(tokens):
    """False where the pedal's state is only repeated, to bridge a long pause."""
    state, keep = PEDAL_UP, []
    for symbol in tokens[:, 1].tolist():
        keep.append(symbol < KEYS or symbol != state)
        state = symbol if symbol in (PEDAL_UP, PEDAL_DOWN) else state
    return np.array(keep)


def borders(bins: Bins):
    return sorted({int(step) for step in (*bins.first, *(bins.after - 1), *bins.middle)})


def width(bins: Bins, step):
    index = bins.table[step]
    return int(bins.after[index] - bins.first[index])


def test_every_step_has_its_bin_and_every_bin_its_steps():
    for bins, lowest, highest in ((GAPS, 0, MAX_GAP), (DURATIONS, 1, MAX_DURATION)):
        assert bins.first[0] == lowest and bins.after[-1] == highest + 1
        assert (bins.first[1:] == bins.after[:-1]).all()
        steps = np.arange(lowest, highest + 1)
        assert (bins.first[bins.table[steps]] <= steps).all() and (steps < bins.after[bins.table[steps]]).all()
        assert (bins.table[bins.middle] == np.arange(len(bins.first))).all()


@pytest.mark.parametrize("step", borders(GAPS))
def test_a_gap_is_kept_to_half_its_bin(step):
    decoded = again(NOTES, Performance.of([Note(1, 1.1, 60, 80), Note(1 + step / 100, 2 + step / 100, 64, 80)]))
    assert abs(round((decoded.notes[1].start - decoded.notes[0].start) * 100) - step) <= width(GAPS, step) / 2


@pytest.mark.parametrize("step", borders(DURATIONS))
def test_a_duration_is_kept_to_half_its_bin(step):
    note = again(NOTES, one(end=step / 100)).notes[0]
    assert abs(round((note.end - note.start) * 100) - step) <= width(DURATIONS, step) / 2


def test_a_duration_beyond_the_longest_is_the_longest():
    assert again(NOTES, one(end=60)).seconds == pytest.approx(DURATIONS.middle[-1] / 100)


@pytest.mark.parametrize("velocity", range(1, 128))
def test_a_velocity_is_kept_to_half_its_bin(velocity):
    assert abs(again(NOTES, one(velocity=velocity)).notes[0].velocity - velocity) <= 2


def test_the_pedals_moves_are_steps_of_their_own():
    performance = Performance.of(one().notes, [Pedal(0.1, 127), Pedal(0.3, 90), Pedal(0.4, 10), Pedal(0.4, 60)])
    assert NOTES.encode(performance)[:, 1].tolist() == [60 - LOWEST, PEDAL_DOWN, PEDAL_UP, END]
    assert again(NOTES, performance).pedals == (Pedal(0.1, 127), Pedal(0.4, 0))


def test_a_pedal_down_for_less_than_a_step_is_left_out():
    assert again(NOTES, Performance.of(one().notes, [Pedal(0.1, 127), Pedal(0.101, 0)])).pedals == ()


def test_notes_of_one_step_come_from_the_top_key_down_then_the_pedal():
    chord = Performance.of([Note(0, 1, pitch, 80) for pitch in (60, 72, 64)], [Pedal(0, 127)])
    assert NOTES.encode(chord)[:-1, 1].tolist() == [72 - LOWEST, 64 - LOWEST, 60 - LOWEST, PEDAL_DOWN]


@pytest.mark.parametrize("pause", [9.99, 10.0, 10.01, 25.0, 120.0])
@pytest.mark.parametrize("pedal", [(), (Pedal(0.2, 127),)])
def test_a_long_pause_takes_several_tokens_that_change_nothing(pause, pedal):
    decoded = again(NOTES, Performance.of([*one().notes, Note(pause, pause + 1, 64, 80)], pedal))
    assert decoded.notes[1].start == pytest.approx(pause, abs=0.4)
    assert decoded.pedals == pedal


def test_a_repeated_key_ends_its_earlier_note():
    decoded = again(NOTES, Performance.of([Note(0, 3, 60, 80), Note(1, 2, 60, 80)]))
    assert [(note.start, note.end) for note in decoded.notes] == [(0, 1), (1, 2)]


def test_a_key_struck_twice_within_a_step_is_one_note():
    assert len(again(NOTES, Performance.of([Note(0, 1, 60, 80), Note(0.004, 2, 60, 80)]))) == 1


def test_the_end_stands_where_the_last_key_goes_up():
    tokens = NOTES.encode(one(start=0.5, end=1.25))
    assert tokens[-1, 1] == END
    assert GAPS.middle[tokens[-1, 0]] == 75


def test_a_melody_note_is_a_gap_a_key_and_a_duration():
    tokens, moments = NOTES.encode_melody(Performance.of([Note(1, 1.5, 60, 80), Note(2, 2.25, 62, 80)]))
    assert tokens.tolist() == [[0, 60 - LOWEST, DURATIONS.table[50]], [100, 62 - LOWEST, DURATIONS.table[25]]]
    assert moments.tolist() == [100, 200]


# The paper's events


@given(performances)
def test_event_tokens_are_stable(performance):
    once = again(EVENTS, performance)
    assert again(EVENTS, once) == once


@given(performances)
def test_events_keep_every_onset_to_the_step(performance):
    steps, _, keys, _ = EVENTS.notes(performance)
    assert Counter(onsets(again(EVENTS, performance))) == Counter(
        zip(steps.tolist(), (keys + LOWEST).tolist(), strict=True)
    )


def test_the_vocabulary_has_310_events_and_92_melody_tokens():
    assert [field.size for field in EVENTS.fields] == [310]
    assert [field.size for field in EVENTS.melody_fields] == [92]
    assert (PAD, EOS, TIME_SHIFT, VELOCITY) == (0, 1, 178, 278)


def test_events_follow_the_papers_rules():
    """Velocity only where its bin changes, shifts of a second at most, by (step, note), offs of earlier notes first."""
    performance = Performance.of([Note(0, 2.5, 60, 80), Note(0, 2.5, 64, 77), Note(2.5, 2.504, 60, 30)])
    on, off = 2 - LOWEST, 90 - LOWEST
    assert EVENTS.encode(performance)[:, 0].tolist() == [
        *(278 + 19, on + 60, on + 64),
        *(178 + 99, 178 + 99, 178 + 49),
        *(off + 60, off + 64, 278 + 7, on + 60),
        *(178, off + 60),  # nothing is shorter than a step
        EOS,
    ]


def test_events_sound_as_long_as_the_pedal_holds_them():
    held = Performance.of([Note(0, 0.5, 60, 80), Note(1, 1.5, 60, 80)], [Pedal(0.2, 127), Pedal(1.2, 0)])
    decoded = again(EVENTS, held)
    assert [(note.start, note.end) for note in decoded.notes] == [(0, 1), (1, 1.5)]
    assert decoded.pedals == ()


def test_a_note_off_closes_the_oldest_note_of_its_key():
    decoded = again(EVENTS, Performance.of([Note(0, 5, 60, 80), Note(1, 2, 60, 40)]))
    assert [(note.start, note.end, note.velocity) for note in decoded.notes] == [(0, 2, 77), (1, 5, 37)]


def test_events_that_say_nothing_are_ignored():
    on, off, second = 2 + 39, 90 + 39, 178 + 99
    decoded = EVENTS.decode(np.array([off, on, off, on, second]))
    assert decoded.notes == (Note(0, 1, 60, 100),)  # an off without a note, a note of no length, no velocity, no off


@pytest.mark.parametrize("velocity", range(1, 128))
def test_an_events_velocity_is_the_lowest_of_its_bin(velocity):
    assert 0 <= velocity - again(EVENTS, one(velocity=velocity)).notes[0].velocity <= 3


@pytest.mark.parametrize("pause", [0.01, 1.0, 1.01, 2.0, 25.0, 120.0])
def test_events_keep_any_pause_to_the_step(pause):
    decoded = again(EVENTS, Performance.of([Note(pause, pause + 0.1, 60, 80)]))
    assert steps_of(decoded.notes[0].start) == steps_of(pause)


@given(performances)
def test_steps_reached_are_the_times_of_the_events(performance):
    tokens = EVENTS.encode(performance)
    reached = steps_reached(tokens)
    is_on = tokens[:, 0] < 90
    is_on[-1] = False
    assert sorted(reached[is_on].tolist()) == sorted(EVENTS.notes(performance)[0].tolist())


def test_a_melody_has_a_token_every_tenth_of_a_second():
    tune = Performance.of([Note(0.1, 0.3, 60, 80), Note(0.3, 0.44, 62, 80), Note(0.6, 0.8, 64, 80)])
    tokens, moments = EVENTS.encode_melody(tune)
    struck = [4 + pitch - LOWEST for pitch in (60, 62, 64)]
    assert tokens[:, 0].tolist() == [2, struck[0], 2, struck[1], 3, 2, struck[2], 2]
    assert moments.tolist() == list(range(0, 80, 10))


def test_a_melody_of_steps_is_that_of_seconds():
    tune = read_midi(asset("examples", "twinkle.mid"))
    starts, ends, pitches, _ = tune.arrays
    frames = EVENTS.melody_frames(to_steps(starts), to_steps(ends), pitches - LOWEST)
    assert frames[0].tolist() == EVENTS.encode_melody(tune)[0].tolist()
