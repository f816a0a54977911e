"""Loops, tempo and lanes, over a clock that is set by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.performance import Note, Pedal
from engine.playback.sounding import THRU
from tests.engine.playback.fakes import FakeOutput, Rig

SCALE = [Note(i * 0.5, i * 0.5 + 0.4, 60 + i, 80) for i in range(8)]  # four seconds


@pytest.fixture
def rig():
    rig = Rig()
    rig.sequencer.load(SCALE, is_finished=True)
    return rig


def test_a_loop_goes_round_without_a_gap(rig):
    rig.sequencer.set_loop(1.0, 2.0)
    rig.sequencer.play()
    rig.run(4.4)
    in_loop = [(round(1 + i * 0.5, 6), 62 + i % 2) for i in range(7)]
    assert rig.output.struck() == [(0.0, 60), (0.5, 61), *in_loop]
    assert rig.sequencer.position == pytest.approx(1.4)


def test_what_sounds_across_the_end_of_a_loop_is_let_go_there_and_pedals_are_as_at_its_start(rig):
    rig.sequencer.load([Note(0.5, 9.0, 60, 80), Pedal(0.2, 100), Pedal(1.2, 0), Pedal(1.5, 90, 67)], is_finished=True)
    rig.sequencer.set_loop(0.4, 2.0)
    rig.sequencer.play()
    rig.run(2.05)
    assert not rig.output.sounding and rig.output.pedals == {(0, 64)}
    assert (0xB0, 120, 0) not in rig.output.messages()[-4:], "it may ring on"


def test_a_loop_that_is_taken_away_lets_the_music_go_on_and_one_behind_is_not_sought(rig):
    rig.sequencer.set_loop(0.0, 1.0)
    rig.sequencer.play()
    rig.run(1.25)
    rig.sequencer.set_loop(None, None)
    rig.run(1.25)
    assert rig.output.struck()[-1] == (2.5, 63)
    rig.sequencer.set_loop(0.0, 1.0)
    rig.run(0.6)
    assert rig.output.struck()[-1] == (3.0, 64)


def test_a_loop_of_a_piece_still_being_written_waits_for_its_end():
    rig = Rig()
    rig.sequencer.load(SCALE[:3], is_finished=False)
    rig.sequencer.set_loop(0.0, 2.0)
    rig.sequencer.play()
    rig.run(3)
    assert rig.kinds()[-1] == "waiting"
    rig.sequencer.add(SCALE[3:])
    rig.run(3)
    assert [pitch for _, pitch in rig.output.struck()][:6] == [60, 61, 62, 63, 60, 61]


@given(st.floats(0.25, 4), st.floats(0.25, 4), st.floats(0.1, 3))
def test_the_tempo_may_change_on_the_way_and_no_pitch_does(first, second, after):
    rig = Rig()
    rig.sequencer.load(SCALE, is_finished=True)
    rig.sequencer.set_rate(first)
    rig.sequencer.play()
    rig.run(after)
    rig.sequencer.set_rate(second)
    rig.run(20)
    turn = after * first  # position at which the tempo changes
    due = [p / first if p < turn else after + (p - turn) / second for p in (note.start for note in SCALE)]
    assert [pitch for _, pitch in rig.output.struck()] == [note.pitch for note in SCALE]
    assert [at for at, _ in rig.output.struck()] == pytest.approx(due, abs=1e-5)


def test_a_muted_lane_is_silent_at_once_and_sounds_again_from_its_next_note(rig):
    rig.sequencer.add([Note(0.0, 3.0, 40, 80), Note(3.4, 4.0, 41, 80), Pedal(0.0, 100, 66)], lane=1)
    rig.sequencer.play()
    rig.run(0.2)
    rig.sequencer.set_mute(1, True)
    assert rig.output.sounding == {(0, 60)} and not rig.output.pedals
    rig.run(2.0)
    rig.sequencer.set_mute(1, False)
    rig.run(2.0)
    assert [pitch for _, pitch in rig.output.struck()] == [60, 40, 61, 62, 63, 64, 65, 66, 41, 67]


def test_a_lane_sounds_on_a_port_and_channel_of_its_own_and_is_silenced_there(rig):
    click = FakeOutput(rig.clock, "click")
    rig.sequencer.set_lane(1, "click", 9)
    assert rig.sequencer.lanes.missing() == {"click"}
    rig.sequencer.lanes.add_own(click)
    rig.sequencer.add([Note(0.0, 5.0, 37, 100)], lane=1)
    rig.sequencer.play()
    rig.run(0.1)
    assert click.sounding == {(9, 37)} and rig.output.sounding == {(0, 60)}
    rig.sequencer.stop()
    assert not click.sounding and (0xB9, 120, 0) in click.messages()


def test_a_lanes_port_that_breaks_does_not_halt_the_rest(rig):
    click = FakeOutput(rig.clock, "click")
    rig.sequencer.set_lane(1, "click", 9)
    rig.sequencer.lanes.add_own(click)
    rig.sequencer.add([Note(i * 0.5, i * 0.5 + 0.1, 37, 100) for i in range(8)], lane=1)
    rig.sequencer.play()
    rig.run(1.1)
    click.is_broken = True
    rig.run(2.0)
    assert len(rig.output.struck()) == 7 and rig.kinds()[-1] == "playing"
    assert rig.sequencer.lanes.look() == [click] and rig.sequencer.lanes.missing() == {"click"}


def test_what_is_played_by_hand_goes_on_when_the_piece_loops_or_stops_and_ends_with_a_panic(rig):
    rig.sequencer.set_loop(0.0, 1.0)
    rig.sequencer.play()
    rig.run(0.8)
    rig.sequencer.strike((0x90, 30, 70))
    rig.run(0.4)
    assert (0, 30) in rig.output.sounding
    rig.sequencer.strike((0x80, 30, 0))
    assert (0, 30) not in rig.output.sounding
    rig.sequencer.strike((0x90, 31, 70))
    rig.sequencer.stop()
    assert rig.output.sounding == {(0, 31)} and (0xB0, 120, 0) not in rig.output.messages()
    rig.sequencer.panic()
    assert rig.is_silent()


def test_a_key_held_by_hand_and_struck_by_the_piece_belongs_to_the_piece(rig):
    rig.sequencer.strike((0x90, 60, 70))
    rig.sequencer.play()
    rig.sequencer.strike((0x90, 61, 70))
    rig.run(0.6)
    rig.sequencer.lanes.let_go(rig.clock(), THRU)
    assert rig.output.sounding == {(0, 61)}
