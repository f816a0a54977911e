"""What comes in from a keyboard becomes a performance; where a phrase is over; what was recorded to a metronome."""

import math

from hypothesis import given
from hypothesis import strategies as st

from engine.performance import SOFT, Note, Pedal, Performance
from engine.playback.capture import KEPT, Capture
from engine.playback.messages import ALL_NOTES_OFF, CONTROL, NOTE_OFF, NOTE_ON, Message
from engine.playback.metronome import Metronome
from engine.playback.phrase import Phrase
from engine.playback.recorder import AHEAD, Recorder

SUSTAIN_DOWN, SUSTAIN_HALF, SUSTAIN_UP = ((CONTROL, 64, value) for value in (127, 70, 0))


def down(pitch: int, velocity: int = 80, channel: int = 0) -> Message:
    return NOTE_ON | channel, pitch, velocity


def up(pitch: int, channel: int = 0) -> Message:
    return NOTE_OFF | channel, pitch, 0


def captured(*heard: tuple[float, Message]) -> Capture:
    capture = Capture()
    for time, message in heard:
        capture.add(time, message)
    return capture


def messages_of(performance: Performance) -> list[tuple[float, Message]]:
    """What a keyboard sends that plays it: keys that are struck again come up first."""
    timed = [(note.start, 2, down(note.pitch, note.velocity)) for note in performance.notes]
    timed += [(note.end, 0, up(note.pitch)) for note in performance.notes]
    timed += [(pedal.time, 1, (CONTROL, pedal.controller, pedal.value)) for pedal in performance.pedals]
    return [(time, message) for time, _, message in sorted(timed)]


moments = st.integers(0, 3000).map(lambda step: step / 100)
notes = st.builds(
    lambda start, length, pitch, velocity: Note(start, start + length, pitch, velocity),
    moments,
    st.integers(1, 300).map(lambda step: step / 100),
    st.integers(0, 127),
    st.integers(1, 127),
)
pedals = st.builds(Pedal, moments, st.integers(0, 127), st.sampled_from((64, 66, 67)))


@given(st.lists(notes, max_size=30), st.lists(pedals, max_size=20, unique_by=lambda pedal: pedal[::2]))
def test_what_is_played_comes_back_as_it_was(played: list[Note], moved: list[Pedal]) -> None:
    performance = Performance.of(played, moved).with_repeats_cut()
    back = captured(*messages_of(performance)).between(0.0, 100.0)
    assert back.notes == performance.notes
    assert sorted(back.pedals) == sorted(performance.pedals)


def test_a_stretch_begins_with_the_pedals_as_they_stood_and_ends_with_what_is_still_down() -> None:
    capture = captured(
        (10.0, SUSTAIN_HALF),
        (10.5, down(48)),
        (11.0, down(60)),
        (11.5, up(60)),
        (12.0, down(62, 33)),
        (13.5, up(48)),
        (14.0, up(62)),
    )
    stretch = capture.between(11.0, 13.0)
    assert stretch.notes == (Note(0.0, 0.5, 60, 80), Note(1.0, 2.0, 62, 33))
    assert stretch.pedals == (Pedal(0.0, 70),)


def test_the_last_minute_begins_with_its_first_stroke() -> None:
    capture = captured((100.0, down(50)), (100.5, up(50)), (170.0, down(60)), (171.0, up(60)), (172.0, down(64)))
    assert capture.last(60.0, 175.0).notes == (Note(0.0, 1.0, 60, 80), Note(2.0, 5.0, 64, 80))
    assert capture.last(60.0, 300.0) == Performance()


def test_old_music_is_forgotten_but_not_where_its_pedals_stand() -> None:
    capture = captured((0.0, SUSTAIN_DOWN), (0.0, (CONTROL, SOFT, 90)), (1.0, down(50)), (2.0, up(50)))
    capture.add(10.0 + KEPT, down(60))
    capture.add(11.0 + KEPT, SUSTAIN_UP)
    kept = capture.between(-math.inf, 12.0 + KEPT)
    assert [note.pitch for note in kept.notes] == [60]
    assert set(capture.between(10.0 + KEPT, 12.0 + KEPT).pedals) == {
        Pedal(0.0, 127),
        Pedal(0.0, 90, SOFT),
        Pedal(1.0, 0),
    }


def test_keys_end_by_velocity_zero_by_another_stroke_by_all_notes_off_and_on_any_channel() -> None:
    capture = captured(
        (0.0, down(60)),
        (1.0, down(60, 0)),
        (2.0, down(60)),
        (3.0, down(60, channel=5)),
        (4.0, up(60, channel=5)),
        (5.0, down(72)),
        (6.0, (CONTROL, ALL_NOTES_OFF, 0)),
        (6.0, up(72)),
    )
    ends = [(note.start, note.end) for note in capture.between(0.0, 9.0).notes]
    assert ends == [(0.0, 1.0), (2.0, 3.0), (3.0, 4.0), (5.0, 6.0)]


def test_a_phrase_is_over_a_rest_after_the_last_key_came_up() -> None:
    phrase = Phrase(rest=0.5)
    assert phrase.over_at == math.inf
    for time, message in ((1.0, down(60)), (1.4, down(64)), (2.0, up(60))):
        phrase.hear(time, message)
    assert phrase.over_at == math.inf, "64 is still down"
    phrase.hear(2.2, up(64))
    phrase.hear(2.3, SUSTAIN_DOWN)
    phrase.hear(2.4, up(64))
    assert phrase.over_at == 2.7
    phrase.hear(2.6, down(67))
    assert phrase.over_at == math.inf
    phrase.hear(2.9, down(67, 0))
    assert (phrase.begin, phrase.over_at) == (1.0, 3.4)
    phrase.start_anew()
    assert phrase.over_at == math.inf
    phrase.hear(5.0, down(60))
    assert phrase.begin == 5.0


def recorded(recorder: Recorder, *heard: tuple[float, Message], end: float = 20.0) -> Performance:
    for position, message in heard:
        recorder.hear(position, message)
    return recorder.performance(end)


def test_a_recording_begins_with_the_bar_of_its_first_stroke_after_the_count_in() -> None:
    recorder = Recorder(Metronome(tempo=120, beats=4), count_in=1)
    during_count_in = ((0.5, down(50)), (0.6, up(50)), (1.0, SUSTAIN_DOWN))
    played = recorded(recorder, *during_count_in, (4.5, down(60)), (5.0, up(60)), (5.5, SUSTAIN_UP))
    assert played.notes == (Note(0.5, 1.0, 60, 80),)
    assert played.pedals == (Pedal(0.0, 127), Pedal(1.5, 0))


def test_a_stroke_just_before_the_bar_is_its_first_beat() -> None:
    recorder = Recorder(Metronome(tempo=120, beats=4), count_in=1)
    played = recorded(recorder, (1.92, down(60)), (2.4, up(60)), (2.5, down(62)), (3.0, up(62)))
    times = [(round(note.start, 6), round(note.end, 6)) for note in played.notes]
    assert times == [(0.0, 0.4), (0.5, 1.0)]


def test_without_a_beat_a_recording_begins_with_its_first_stroke() -> None:
    played = recorded(Recorder(Metronome(), is_free=True), (4.5, down(60)), (5.0, up(60)))
    assert played.notes == (Note(0.0, 0.5, 60, 80),)
    assert recorded(Recorder(Metronome(), is_free=True)) == Performance()


def test_the_clicks_of_a_recording_follow_each_other_without_a_gap() -> None:
    metronome = Metronome(tempo=90, beats=3)
    recorder = Recorder(metronome, count_in=2)
    clicks = recorder.count_in()
    assert len(clicks) == 6
    position, given_ahead = 0.0, []
    while position < 100.0:
        clicks += recorder.more_clicks(position)
        given_ahead.append(clicks[-1].start - position)
        position += 0.7
    assert clicks == [*metronome.clicks(0.0, clicks[-1].end)]
    assert min(given_ahead) > AHEAD / 3
