"""What is due when, over a clock that is set by hand: no test here sleeps."""

import math

from hypothesis import given
from hypothesis import strategies as st

from engine.performance import Note, Pedal
from engine.playback.sequencer import CUSHION, FERMATA, LATE, LOOK_AHEAD, TAIL
from engine.playback.sounding import Sounding
from tests.engine.playback.fakes import FakeClock, FakeOutput, Rig

SCALE = [Note(i * 0.5, i * 0.5 + 0.4, 60 + i, 80) for i in range(8)]  # four seconds


def test_every_note_is_struck_at_its_time():
    rig = Rig()
    rig.sequencer.load(SCALE, is_finished=True)
    rig.sequencer.play()
    rig.run(10)
    assert rig.output.struck() == [(i * 0.5, 60 + i) for i in range(8)]


def test_errors_in_time_do_not_add_up():
    rig = Rig()
    rig.sequencer.load([Note(i * 0.1, i * 0.1 + 0.05, 60, 80) for i in range(36_000)], is_finished=True)
    rig.sequencer.play()
    for _ in range(200_000):  # an hour, each wake-up 0.3 ms late
        due = rig.sequencer.step()
        if due == math.inf:
            break
        rig.clock.now = max(due, rig.clock.now) + 0.0003
    last_time, _ = rig.output.struck()[-1]
    assert len(rig.output.struck()) == 36_000
    assert abs(last_time - 3599.9) < 0.001


def test_it_ends_once_the_last_sound_has_rung():
    rig = Rig()
    rig.sequencer.load(SCALE, is_finished=True)
    rig.sequencer.play()
    rig.run(3.9 + TAIL - 0.1)
    assert rig.kinds()[-1] == "playing"
    rig.run(0.2)
    assert rig.statuses[-1][:2] == ("ended", 3.9)
    assert rig.is_silent() and rig.sleeps()


def test_after_the_end_it_plays_from_the_start():
    rig = Rig()
    rig.sequencer.load(SCALE[:1], is_finished=True)
    for _ in range(2):
        rig.sequencer.play()
        rig.run(5)
    assert [pitch for _, pitch in rig.output.struck()] == [60, 60]


def test_pause_releases_and_play_goes_on_from_there():
    rig = Rig()
    rig.sequencer.load([*SCALE, Pedal(0.0, 100)], is_finished=True)
    rig.sequencer.play()
    rig.run(1.2)
    rig.sequencer.pause()
    assert rig.is_silent()
    assert rig.statuses[-1].kind == "paused" and abs(rig.statuses[-1].position - 1.2) < 1e-6
    rig.run(5)
    rig.sequencer.play()
    rig.run(0.4)
    assert rig.output.struck()[-1] == (6.5, 63)
    assert rig.output.pedals == {(0, 64)}, "the pedal that was down there goes down again"


def test_a_release_is_by_name_then_for_all():
    rig = Rig()
    rig.sequencer.load([Note(0.0, 9.0, 60, 80), Note(0.0, 9.0, 64, 80), Pedal(0.0, 100)], is_finished=True)
    rig.sequencer.play()
    rig.run(1)
    before = len(rig.output.received)
    rig.sequencer.stop()
    assert rig.output.messages()[before:] == [
        (0x80, 60, 0), (0x80, 64, 0), (0xB0, 64, 0), (0xB0, 64, 0), (0xB0, 123, 0), (0xB0, 120, 0),
    ]  # fmt: skip
    assert rig.statuses[-1][:2] == ("paused", 0.0)


def test_seeking_while_playing_plays_on_from_there():
    rig = Rig()
    rig.sequencer.load(SCALE, is_finished=True)
    rig.sequencer.play()
    rig.run(0.2)
    rig.sequencer.seek(3.0)
    assert rig.is_silent()
    rig.run(0.1)
    assert rig.output.struck() == [(0.0, 60), (0.2, 66)]


def test_seeking_while_paused_only_moves():
    rig = Rig()
    rig.sequencer.load(SCALE, is_finished=True)
    rig.sequencer.seek(2.0)
    rig.run(5)
    assert rig.output.struck() == [] and rig.sequencer.position == 2.0


def test_a_key_struck_again_is_let_go_first_and_its_old_end_does_not_cut_the_new_note():
    rig = Rig()
    rig.sequencer.load([Note(0.0, 2.0, 60, 80), Note(1.0, 3.0, 60, 90)], is_finished=True)
    rig.sequencer.play()
    rig.run(2.5)
    assert rig.output.messages() == [(0x90, 60, 80), (0x80, 60, 0), (0x90, 60, 90)]


def test_it_waits_when_the_notes_run_out_and_goes_on_when_they_come():
    rig = Rig()
    rig.sequencer.load([], is_finished=False)
    rig.sequencer.play()
    rig.run(1)
    assert rig.kinds()[-1] == "waiting"
    rig.sequencer.add(SCALE[:3])
    rig.run(5)
    assert rig.kinds()[-1] == "waiting"
    assert abs(rig.sequencer.position - (1.0 - LOOK_AHEAD)) < 1e-6
    rig.sequencer.add(SCALE[3:])
    rig.sequencer.finish()
    rig.run(10)
    assert [pitch for _, pitch in rig.output.struck()] == list(range(60, 68))
    gaps = [b - a for (a, _), (b, _) in zip(rig.output.struck()[1:], rig.output.struck()[2:], strict=False)]
    assert max(gaps[1:]) < 0.501, "after the wait the rhythm is as written"
    assert rig.kinds()[-1] == "ended"


def test_after_waiting_it_goes_on_only_with_a_cushion():
    rig = Rig()
    rig.sequencer.load([Note(0.0, 0.4, 60, 80)], is_finished=False)
    rig.sequencer.play()
    rig.run(1)
    rig.sequencer.add([Note(CUSHION - 0.2, 1.0, 61, 80)])
    rig.run(1)
    assert rig.kinds()[-1] == "waiting"
    rig.sequencer.add([Note(CUSHION + 0.2, 2.0, 62, 80)])
    rig.run(0.1)
    assert rig.kinds()[-1] == "playing"


def test_sounds_are_held_while_waiting_but_not_for_ever():
    rig = Rig()
    rig.sequencer.load([Note(0.0, 9.0, 60, 80), Note(1.0, 9.0, 64, 80)], is_finished=False)
    rig.sequencer.play()
    rig.run(1.5)
    assert rig.output.sounding == {(0, 60)}
    rig.run(FERMATA)
    assert rig.is_silent() and rig.sleeps()


def test_a_machine_that_slept_goes_on_where_it_was_and_rushes_nothing():
    rig = Rig()
    rig.sequencer.load(SCALE, is_finished=True)
    rig.sequencer.play()
    rig.run(0.7)
    rig.clock.now += 3600
    rig.run(3)
    gaps = [b - a for (a, _), (b, _) in zip(rig.output.struck(), rig.output.struck()[1:], strict=False)]
    assert [pitch for _, pitch in rig.output.struck()] == list(range(60, 68))
    assert all(gap > 0.5 - LATE for gap in gaps)


def test_a_late_moment_is_made_good():
    rig = Rig()
    rig.sequencer.load(SCALE, is_finished=True)
    rig.sequencer.play()
    rig.run(0.49)
    rig.clock.now += 0.05
    rig.run(1)
    assert rig.output.struck() == [(0.0, 60), (0.54, 61), (1.0, 62), (1.5, 63)]


def test_a_port_that_breaks_pauses_with_a_sentence_and_loses_nothing():
    rig = Rig()
    rig.sequencer.load(SCALE, is_finished=True)
    rig.sequencer.play()
    rig.run(1.2)
    rig.sequencer.fail("The port is gone.")
    assert [status.kind for status in rig.statuses[-2:]] == ["fault", "paused"]
    other = FakeOutput(rig.clock, "other")
    rig.sequencer.set_output(other)
    rig.sequencer.play()
    rig.run(5)
    assert [pitch for _, pitch in other.struck()] == [63, 64, 65, 66, 67]


def test_another_port_takes_over_while_playing():
    rig = Rig()
    rig.sequencer.load([*SCALE, Pedal(0.1, 100)], is_finished=True)
    rig.sequencer.play()
    rig.run(1.2)
    other = FakeOutput(rig.clock, "other")
    rig.sequencer.set_output(other)
    assert rig.is_silent() and other.pedals == {(0, 64)}
    assert rig.statuses[-1].kind == "port" and rig.statuses[-1].text == "other"
    rig.run(0.4)
    assert other.struck() == [(1.5, 63)]


def test_panic_lets_go_every_key_of_every_channel():
    rig = Rig()
    rig.output.sounding = {(5, 77)}  # not ours
    rig.sequencer.panic()
    assert rig.is_silent()
    assert {(0xB0 | channel, 120, 0) for channel in range(16)} <= set(rig.output.messages())


def test_positions_come_thirty_times_a_second_at_most():
    rig = Rig()
    rig.sequencer.load([Note(i * 0.001, i * 0.001 + 0.1, i % 128, 80) for i in range(2000)], is_finished=True)
    rig.sequencer.play()
    rig.run(2)
    positions = [status.position for status in rig.statuses if status.kind == "playing"]
    assert 55 <= len(positions) <= 61
    assert positions == sorted(positions)


def test_five_thousand_notes_at_once_are_all_sent_and_commands_get_between_them():
    rig = Rig()
    rig.sequencer.load([Note(0.0, 1.0, i % 128, 80) for i in range(5000)], is_finished=True)
    rig.sequencer.play()
    rig.sequencer.step()
    assert 0 < len(rig.output.struck()) < 200
    rig.run(0.1)
    assert len(rig.output.struck()) == 5000


def test_a_release_on_a_broken_port_is_not_an_error():
    clock = FakeClock()
    output = FakeOutput(clock)
    sounding = Sounding(output)
    sounding.send((0x90, 60, 80), 0.0)
    output.is_broken = True
    sounding.release(0.0)
    assert not sounding


notes = st.builds(
    lambda start, length, pitch, velocity: Note(start, start + length, pitch, velocity),
    st.floats(0, 5), st.floats(0, 3), st.integers(58, 64), st.integers(1, 127),
)  # fmt: skip
pedals = st.builds(Pedal, st.floats(0, 5), st.integers(0, 127), st.sampled_from([64, 66, 67]))
events = st.lists(st.one_of(notes, pedals), max_size=12)
commands = st.one_of(
    st.tuples(st.just("load"), events, st.booleans()),
    st.tuples(st.just("add"), events),
    st.tuples(st.just("finish")),
    st.tuples(st.just("play"), st.one_of(st.none(), st.floats(0, 8))),
    st.tuples(st.just("pause")),
    st.tuples(st.just("seek"), st.floats(0, 8)),
    st.tuples(st.just("panic")),
    st.tuples(st.just("run"), st.floats(0, 3)),
    st.tuples(st.just("sleep"), st.floats(0, 100)),
    st.tuples(st.just("another port")),
)


@given(st.lists(commands, max_size=25), st.sampled_from(["stop", "pause", "load", "fail", "another port"]))
def test_after_any_commands_that_end_in_silence_nothing_sounds(sequence, last):
    rig = Rig()
    rig.sequencer.load([Note(0.0, 4.0, 60, 80), Note(0.5, 4.0, 60, 80), Pedal(0.2, 127)], is_finished=True)
    rig.sequencer.play()
    outputs = [rig.output]

    def obey(name, *arguments):
        if name == "run":
            rig.run(*arguments)
        elif name == "sleep":
            rig.clock.now += arguments[0]
        elif name == "another port":
            outputs.append(FakeOutput(rig.clock))
            rig.sequencer.set_output(outputs[-1])
        else:
            getattr(rig.sequencer, name)(*arguments)

    for command in sequence:
        obey(*command)
        for past in outputs[:-1]:
            assert not past.sounding and not past.pedals
    if last == "another port":
        obey(last)
        outputs.pop()
    else:
        obey(last, *{"load": [[], True], "fail": ["gone"]}.get(last, []))
    for output in outputs:
        assert not output.sounding and not output.pedals
