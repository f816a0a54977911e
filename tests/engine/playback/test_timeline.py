"""The order of messages, the place reached, and adding while reading."""

import math

from engine.performance import Note, Pedal
from engine.playback.timeline import Timeline


def taken(timeline: Timeline) -> list[tuple[float, int, int]]:
    """(time, status, first byte) of all that is left."""
    events = []
    while timeline.next_time() < math.inf:
        event = timeline.take()
        events.append((event.time, event.message[0], event.message[1]))
    return events


def test_at_one_time_keys_go_up_then_pedals_move_then_keys_go_down():
    timeline = Timeline([Note(1.0, 2.0, 60, 80), Pedal(1.0, 127), Note(0.0, 1.0, 62, 80)])
    assert taken(timeline) == [(0.0, 0x90, 62), (1.0, 0x80, 62), (1.0, 0xB0, 64), (1.0, 0x90, 60), (2.0, 0x80, 60)]


def test_a_note_without_length_still_goes_down_before_it_goes_up():
    assert [status for _, status, _ in taken(Timeline([Note(1.0, 1.0, 60, 80)]))] == [0x90, 0x80]


def test_seeking_makes_the_first_event_from_there_the_next():
    timeline = Timeline([Note(float(i), i + 0.5, 60 + i, 80) for i in range(5)])
    timeline.seek(2.0)
    assert taken(timeline)[0] == (2.0, 0x90, 62)


def test_what_is_added_ahead_is_played_and_what_is_added_behind_is_not():
    timeline = Timeline([Note(0.0, 1.0, 60, 80), Note(2.0, 3.0, 62, 80)], is_finished=False)
    timeline.take(), timeline.take()
    timeline.add([Note(0.5, 1.5, 40, 80), Note(2.5, 3.5, 64, 80)])
    downs = [(time, key) for time, status, key in taken(timeline) if status == 0x90]
    assert downs == [(2.0, 62), (2.5, 64)]


def test_a_piece_is_known_until_its_last_stroke_not_until_its_last_release():
    timeline = Timeline(is_finished=False)
    assert timeline.known_until == -math.inf
    timeline.add([Note(1.0, 9.0, 60, 80)])
    assert (timeline.known_until, timeline.end) == (1.0, 9.0)


def test_the_pedals_that_are_down_at_a_place_are_known():
    timeline = Timeline([Pedal(0.0, 127), Pedal(1.0, 0), Pedal(1.5, 90), Pedal(1.6, 50, 67), Note(3.0, 4.0, 60, 80)])
    timeline.seek(2.0)
    assert timeline.pedals() == [(0, (0xB0, 64, 90)), (0, (0xB0, 67, 50))]
    timeline.seek(1.2)
    assert timeline.pedals() == []
