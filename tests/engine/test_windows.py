"""Training windows of both codecs: drawn by number alone, augmented within limits, the melody where it should be."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.codec import NoteCodec
from engine.event_codec import EventCodec
from engine.performance import LOWEST, Note, Pedal, Performance
from engine.situation import melody_state
from engine.training.event_windows import EventWindows, heard_notes
from engine.training.prepare import performance_events
from engine.training.windows import WindowConfig, Windows, collate
from engine.vocabulary import END, EOS, FRAME, GAPS, KEYS, MELODY_OFF, MELODY_ON, NOTE_OFF, NOTE_ON
from tests.engine.small import made_up, made_up_pieces

NOTES = WindowConfig(steps=48, style_steps=32, ahead=12, after=16, overlap=6)
EVENTS = WindowConfig(steps=192, style_steps=128, ahead=12)
PLAIN = {"augment": False, "infill": 0.0, "neither": 0.0, "melody_only": 0.0, "style_only": 0.0}
KINDS = {"notes": (Windows, NOTES), "events": (EventWindows, EVENTS)}
both = pytest.mark.parametrize("codec", KINDS)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return made_up_pieces(tmp_path_factory.mktemp("data"))


def windows(data, codec, seed=1, **changes):
    kind, config = KINDS[codec]
    return kind(data, replace(config, **changes), seed)


def arrays(sample):
    fields = (sample.tokens, sample.steps, sample.releases, sample.struck, *sample.melody, sample.style, *sample.after)
    return [*(array.tolist() for array in fields), sample.pedal, sample.has_style]


@both
def test_a_window_is_a_function_of_its_seed_and_number_alone(data, codec):
    forward, backward = windows(data, codec), windows(data, codec)
    first = [arrays(forward[index]) for index in range(8)]
    assert [arrays(backward[index]) for index in reversed(range(8))] == first[::-1]
    assert arrays(windows(data, codec, seed=2)[3]) != first[3]
    assert first[3] != first[4]


@both
def test_a_window_is_no_longer_than_asked_and_padded_to_the_longest(data, codec):
    samples = [windows(data, codec)[index] for index in range(40)]
    steps = KINDS[codec][1].steps
    assert max(len(sample.tokens) for sample in samples) == steps
    batch = collate(samples)
    window, melody = batch["window"], batch["melody"]
    assert window.tokens.shape == (40, steps, len(windows(data, codec)[0].tokens[0]))
    for row, sample in enumerate(samples):
        assert window.valid[row].tolist() == [True] * len(sample.tokens) + [False] * (steps - len(sample.tokens))
        assert window.tokens[row, : len(sample.tokens)].tolist() == sample.tokens.tolist()
        assert melody.valid[row].sum() == len(sample.melody[0])
        assert melody.steps[row, : len(sample.melody[1])].tolist() == sample.melody[1].tolist()
        assert batch["style_valid"][row].sum() == len(sample.style)
    assert not window.tokens[~window.valid].any()


@both
def test_conditions_are_left_out_as_often_as_asked(data, codec):
    samples = [windows(data, codec, neither=0.2, melody_only=0.2, style_only=0.2)[index] for index in range(300)]
    given_conditions = [(len(sample.melody[0]) > 0, sample.has_style) for sample in samples]
    for conditions, share in (((False, False), 0.2), ((True, False), 0.2), ((False, True), 0.2), ((True, True), 0.4)):
        assert given_conditions.count(conditions) / 300 == pytest.approx(share, abs=0.08)


@both
def test_the_style_is_heard_elsewhere_in_the_piece(data, codec):
    samples = [windows(data, codec, **PLAIN)[index] for index in range(10)]
    lengths = {len(sample.style) for sample in samples}
    assert max(lengths) <= KINDS[codec][1].style_steps
    assert any(sample.style[:20].tolist() != sample.tokens[:20].tolist() for sample in samples)


@both
def test_transposition_and_stretching_stay_within_their_limits(data, codec):
    """One piece of one held key, struck every second: all that can change is how high and how fast."""
    piece = Performance.of(Note(second, second + 0.5, 60, 80) for second in range(100))
    events = performance_events(piece)
    alone = type("OneKey", (), {"events": events, "pieces": [replace(data.pieces[0], first=0, after=len(events))]})()
    samples = [windows(alone, codec, thin=0.0)[index] for index in range(200)]
    decode = {"notes": NoteCodec(), "events": EventCodec()}[codec].decode
    takes = [decode(sample.tokens) for sample in samples]
    styles = [decode(sample.style) for sample in samples]
    assert {take.notes[0].pitch for take in takes} == set(range(57, 64))
    assert {style.notes[0].pitch for style in styles} == set(range(54, 67))
    gaps = [take.notes[1].start - take.notes[0].start for take in takes]
    assert 0.94 <= min(gaps) < 0.97 and 1.03 < max(gaps) <= 1.06


def test_a_style_within_its_window_is_of_the_window(data):
    """A piece that grows louder: the style is as loud as its window, and another's is not."""
    rising = Performance.of(Note(n / 4, n / 4 + 0.2, 60 + n % 12, 20 + n // 10) for n in range(800))
    events = performance_events(rising)
    alone = type("Rising", (), {"events": events, "pieces": [replace(data.pieces[0], first=0, after=len(events))]})()
    away = {}
    for share in (1.0, 0.0):
        samples = [windows(alone, "notes", **PLAIN, style_within=share)[index] for index in range(60)]
        away[share] = np.mean([abs(s.tokens[:, 2].mean() - s.style[:, 2].mean()) for s in samples])
    assert away[1.0] < 0.6 < 3 < away[0.0]


def test_paired_windows_are_of_one_performance(data):
    """Pieces of one key each, struck every second: the key says which piece a window was cut from."""
    tables = [
        performance_events(Performance.of(Note(second, second + 0.5, key, 80) for second in range(100)))
        for key in range(60, 68)
    ]
    pieces = [replace(data.pieces[0], first=100 * index, after=100 * (index + 1)) for index in range(len(tables))]
    several = type("Several", (), {"events": np.concatenate(tables), "pieces": pieces})()
    still = replace(NOTES, paired=True, transpose=0, style_within=0.5)
    keys = [int(Windows(several, still, seed=1)[index].tokens[0, 1]) for index in range(80)]
    assert keys[::2] == keys[1::2]
    assert set(keys) == {key - LOWEST for key in range(60, 68)}
    assert keys[::2] != [int(Windows(several, still, seed=2)[index].tokens[0, 1]) for index in range(0, 80, 2)]


def test_the_notes_after_a_gap_begin_with_the_windows_last_ones(data):
    samples = [windows(data, "notes", infill=0.5)[index] for index in range(200)]
    given_after = [sample for sample in samples if len(sample.after[0])]
    assert 60 < len(given_after) < 110  # a few windows end with their piece
    for sample in given_after:
        tokens, steps = sample.after
        struck = set(zip(sample.steps.tolist(), sample.tokens[:, 1].tolist(), strict=True))
        known = zip(steps.tolist(), tokens[:, 1].tolist(), strict=True)
        assert {note for note in known if note[0] < sample.steps[-1]} <= struck
        assert len(tokens) <= NOTES.after + NOTES.overlap
        assert tokens[0, 0] == 0 and (np.diff(steps) >= 0).all()
    for sample in (windows(data, "notes", **PLAIN | {"infill": 1.0})[index] for index in range(20)):
        if len(sample.after[0]) and sample.tokens[-1, 1] < KEYS:
            assert (sample.after[0][0, 1], sample.after[1][0]) == (sample.tokens[-1, 1], sample.steps[-1])
    batch = collate(samples)
    assert batch["after"].valid.sum(1).tolist() == [len(sample.after[0]) for sample in samples]
    plain = [windows(data, "notes", **PLAIN)[index] for index in range(20)]
    assert not any(len(sample.after[0]) for sample in plain)


@both
def test_steps_are_forgotten_as_often_as_asked_and_only_in_training(data, codec):
    samples = [windows(data, codec, forgetful=0.5)[index] for index in range(200)]
    shares = [sample.forgotten.mean() for sample in samples if sample.forgotten is not None]
    assert len(shares) == pytest.approx(100, abs=25)
    assert min(shares) < 0.2 and max(shares) > 0.8
    batch = collate(samples)["window"]
    assert batch.forgotten.shape == batch.valid.shape and not batch.forgotten[~batch.valid].any()
    assert all(windows(data, codec, **PLAIN, forgetful=1.0)[index].forgotten is None for index in range(5))


def test_the_kth_struck_step_has_the_kth_given_melody_key(data):
    samples = [windows(data, "notes")[index] for index in range(60)]
    with_melody = [sample for sample in samples if len(sample.melody[0])]
    assert len(with_melody) > 20
    for sample in with_melody:
        keys = sample.tokens[sample.struck, 1]
        _, steps, ends, given_keys = sample.melody
        assert keys.tolist() == given_keys[: len(keys)].tolist()
        assert (np.abs(sample.steps[sample.struck] - steps[: len(keys)]) <= 5).all()
        assert (ends > steps).all() and (np.diff(steps) >= 0).all()


def test_a_melody_not_given_is_not_struck(data):
    samples = [windows(data, "notes", neither=1.0)[index] for index in range(5)]
    assert not any(sample.struck.any() or len(sample.melody[0]) or sample.has_style for sample in samples)


def test_the_state_of_the_melody_points_at_the_next_note_of_the_window(data):
    batch = collate([windows(data, "notes", **PLAIN)[index] for index in range(4)])
    window, melody = batch["window"], batch["melody"]
    before = torch.nn.functional.pad(window.struck[:, :-1].long().cumsum(1), (1, 0))
    _, next_key, _ = melody_state(melody, before, window.steps)
    assert (next_key == window.tokens[..., 1])[window.struck].all()


def test_steps_are_those_the_gaps_say(data):
    for index in range(10):
        sample = windows(data, "notes")[index]
        assert sample.steps.tolist() == np.cumsum(GAPS.middle[sample.tokens[:, 0]]).tolist()
        assert sample.tokens[0, 0] == 0


def test_a_window_of_notes_that_reaches_the_end_says_so(data):
    samples = [windows(data, "notes")[index] for index in range(200)]
    assert any(sample.tokens[-1, 1] == END for sample in samples)
    assert all((sample.tokens[:-1, 1] != END).all() for sample in samples)


# Events


def test_a_window_of_events_is_as_long_as_asked_unless_the_piece_ends(data):
    samples = [windows(data, "events")[index] for index in range(60)]
    assert all(len(sample.tokens) == EVENTS.steps or sample.tokens[-1, 0] == EOS for sample in samples)
    assert sum(len(sample.tokens) == EVENTS.steps for sample in samples) > 40


def test_a_window_of_events_begins_with_a_note_and_ends_only_its_own(data):
    for index in range(30):
        sample = windows(data, "events")[index]
        assert sample.steps[0] == 0 and NOTE_ON <= sample.tokens[1, 0] < NOTE_OFF
        down: dict[int, int] = dict.fromkeys(range(KEYS), 0)
        for token in sample.tokens[:, 0].tolist():
            if NOTE_ON <= token < NOTE_OFF:
                down[token - NOTE_ON] += 1
            elif NOTE_OFF <= token < NOTE_OFF + KEYS:
                down[token - NOTE_OFF] -= 1
        assert min(down.values()) == 0


def test_both_codecs_see_the_same_music(data):
    notes, events = windows(data, "notes", **PLAIN), windows(data, "events", rows=NOTES.steps, **PLAIN)
    for index in range(12):
        of_notes, of_events = notes[index], events[index]
        struck = [token for token in of_events.tokens[:, 0].tolist() if NOTE_ON <= token < NOTE_OFF]
        keys = of_notes.tokens[of_notes.tokens[:, 1] < KEYS, 1]
        assert len(struck) == pytest.approx(len(keys), abs=6)  # those struck with the first row left out are not in
        assert {token - NOTE_ON for token in struck} <= set(keys.tolist())
        assert len(of_events.style) > 0


def test_the_melody_of_a_window_of_events_is_on_its_grid(data):
    sample = windows(data, "events", **PLAIN)[0]
    tokens, moments = sample.melody[:2]
    assert moments.tolist() == list(range(0, FRAME * len(tokens), FRAME))
    times = {moment: token - MELODY_ON for moment, token in zip(moments.tolist(), tokens[:, 0].tolist(), strict=True)}
    struck = {moment: key for moment, key in times.items() if key >= 0}
    assert len(struck) > 10 and MELODY_OFF not in tokens[0]
    played = EventCodec().decode(sample.tokens)
    at = {(round(note.start * 100 / FRAME) * FRAME, note.pitch - LOWEST) for note in played.notes}
    inside = {(moment, key) for moment, key in struck.items() if moment < sample.steps[-1] - FRAME}
    near = {(moment + late, key) for moment, key in at for late in (-FRAME, 0, FRAME)}
    assert inside <= near


times = st.integers(0, 800).map(lambda step: step / 100)
lengths = st.integers(1, 300).map(lambda steps: steps / 100)
notes = st.builds(
    lambda start, length, pitch: Note(start, start + length, pitch, 64), times, lengths, st.integers(60, 66)
)
pedals = st.builds(Pedal, times, st.sampled_from([0, 127]))
performances = st.builds(Performance.of, st.lists(notes, min_size=1, max_size=20), st.lists(pedals, max_size=8))


@given(performances)
def test_notes_are_heard_as_a_performance_with_the_pedal_applied(performance):
    performance = NoteCodec().decode(NoteCodec().encode(performance))  # one voice a key, as the data set has
    heard = heard_notes(performance_events(performance), 0, 1000, 0, 1.0)
    onsets, ends, keys, _ = EventCodec().notes(performance)
    found = sorted(zip(heard.onsets.tolist(), heard.ends.tolist(), heard.keys.tolist(), strict=True))
    assert found == sorted(zip(onsets.tolist(), ends.tolist(), keys.tolist(), strict=True))


def test_a_pedal_pressed_before_the_window_still_holds():
    notes = [Note(1, 1.1, 60, 64), Note(3, 3.1, 62, 64)]
    events = performance_events(Performance.of(notes, [Pedal(0, 127), Pedal(2, 0)]))
    assert heard_notes(events, 1, 10, 0, 1.0).ends.tolist() == [200, 310]


def test_a_window_of_a_whole_piece_has_the_codecs_own_tokens(tmp_path):
    data = made_up_pieces(tmp_path, seconds=8)
    whole = EventWindows(data, replace(EVENTS, steps=1000, **PLAIN), 1)
    found = [whole[index].tokens.tolist() for index in range(100)]
    assert EventCodec().encode(NoteCodec().decode(NoteCodec().encode(made_up(0, 8)))).tolist() in found
