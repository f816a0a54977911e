"""The MIDI clock, out and in, over a clock that is set by hand."""

import random
from itertools import pairwise

import pytest

from engine.performance import Note
from engine.playback.clock_in import GONE, ClockIn
from engine.playback.messages import CONTINUE, SONG_POSITION, START, STOP, TICK
from tests.engine.playback.fakes import Rig

LONG = [Note(i * 0.5, i * 0.5 + 0.4, 60, 80) for i in range(240)]  # two minutes


@pytest.fixture
def rig():
    rig = Rig()
    rig.sequencer.load(LONG, is_finished=True)
    return rig


def clock_of(rig):
    """(seconds since the clock began, message) of the MIDI clock."""
    return [(round(at - 1000, 6), m) for at, m in rig.output.received if m[0] >= 0xF0]


def test_it_starts_ticks_24_times_a_beat_and_stops(rig):
    rig.sequencer.set_clock_out("fake")
    rig.sequencer.play()
    rig.run(1.01)
    rig.sequencer.pause()
    sent = clock_of(rig)
    assert sent[0] == (0.0, (START, 0, 0)) and sent[-1][1] == (STOP, 0, 0)
    assert [at for at, m in sent if m[0] == TICK] == pytest.approx([i / 48 for i in range(49)], abs=1e-5)


def test_it_goes_on_from_the_next_sixteenth_with_its_number(rig):
    rig.sequencer.set_clock_out("fake")
    rig.sequencer.play(100.03)
    rig.run(0.1)
    (_, position), (_, go_on), (first, _), *_ = clock_of(rig)
    assert position == (SONG_POSITION, 801 & 0x7F, 801 >> 7) and go_on == (CONTINUE, 0, 0)
    assert first == pytest.approx(801 * 0.125 - 100.03, abs=1e-5)


def test_it_follows_the_tempo_and_a_loop(rig):
    rig.sequencer.set_clock_out("fake")
    rig.sequencer.set_rate(2.0)
    rig.sequencer.set_loop(0.5, 1.5)
    rig.sequencer.play()
    rig.run(1.2)
    ticks = [at for at, m in clock_of(rig) if m[0] == TICK]
    assert ticks == pytest.approx([i / 96 for i in range(len(ticks))], abs=1e-5)
    assert [m for _, m in clock_of(rig) if m[0] == SONG_POSITION] == [(SONG_POSITION, 4, 0)], "where the loop begins"


class Master:
    """A clock that ticks with a jitter, and a sequencer that follows it."""

    def __init__(self, rig, jitter=0.002):
        self.rig, self.clock_in = rig, ClockIn(rig.sequencer)
        self._draw, self._jitter = random.Random(5), jitter

    def take(self, *message):
        self.clock_in.take((*message, 0, 0)[:3], self.rig.clock())

    def tick(self, count, beats_per_minute):
        """Ticks that come late by 0 to twice the jitter. Returns how far the piece is from each, in seconds."""
        begin, errors = self.rig.clock(), []
        for number in range(count):
            due = begin + number * 2.5 / beats_per_minute
            late = due + self._draw.uniform(0, 2 * self._jitter)
            self.rig.run(max(late - self.rig.clock(), 0.0))
            self.take(TICK)
            errors.append(
                self.rig.sequencer.position
                - (self.clock_in._next - 1) * 0.5 / 24
                - (late - due) * beats_per_minute / 120
            )
        self.rig.run(max(begin + count * 2.5 / beats_per_minute - self.rig.clock(), 0.0))
        return errors


@pytest.mark.parametrize("tempo", [120, 90, 181])
def test_a_jittery_clock_is_locked_to_within_two_beats_and_held_to_3_ms(rig, tempo):
    master = Master(rig)
    master.take(START)
    errors = master.tick(480, tempo)[48:]
    middle = sum(errors) / len(errors)
    assert max(abs(error - middle) for error in errors) < 0.003
    assert abs(middle) < 0.003, "the jitter's mean and no more"


def test_a_change_of_tempo_is_followed(rig):
    master = Master(rig, jitter=0.0005)
    master.take(START)
    master.tick(96, 120)
    assert max(map(abs, master.tick(96, 150)[48:])) < 0.003


def test_song_position_start_continue_and_stop(rig):
    master = Master(rig, jitter=0.0)
    master.take(SONG_POSITION, 16, 1)  # sixteenth 144
    assert rig.sequencer.position == 18.0
    master.take(CONTINUE)
    master.tick(25, 120)
    assert rig.sequencer.position == pytest.approx(18.5, abs=0.03)
    master.take(STOP)
    assert not rig.sequencer.is_playing and rig.is_silent()
    master.take(START)
    master.tick(1, 120)
    assert rig.sequencer.is_playing and rig.sequencer.position < 0.1


def test_a_clock_that_vanishes_stands(rig):
    master = Master(rig)
    master.take(START)
    master.tick(48, 120)
    rig.run(GONE + 0.1)
    master.clock_in.look(rig.clock())
    assert not rig.sequencer.is_playing


def test_a_loop_goes_round_under_another_clock(rig):
    rig.sequencer.set_loop(0.0, 2.0)
    master = Master(rig, jitter=0.0005)
    master.take(START)
    master.tick(480, 120)
    struck = [at for at, _ in rig.output.struck()]
    assert len(struck) == 20 and max(b - a for a, b in pairwise(struck)) < 0.51
