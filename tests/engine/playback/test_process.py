"""The process's turn, in this process: ports that vanish and return, errors, the owner's death."""

import os

import pytest

from engine.errors import PlaybackError
from engine.performance import Note
from engine.playback import connections
from engine.playback.pipe import CLOSED
from engine.playback.process import LOOK_ROUND, PlayerProcess
from tests.engine.playback.fakes import FakeClock, FakeOutput

HELD = [Note(0.0, 60.0, 60, 80), Note(0.0, 60.0, 64, 80), Note(60.0, 61.0, 65, 80)]


class FakeInbox:
    """Commands at their times; where there is none, the clock goes on to the deadline. Ends with CLOSED."""

    def __init__(self, clock, commands):
        self._clock = clock
        self._commands = sorted([*commands, (100.0, CLOSED)], key=lambda command: command[0])

    def wait(self, deadline, clock, spin):
        at, command = self._commands[0]
        if deadline < 1000 + at:
            self._clock.now = max(deadline, self._clock.now)
            return None
        self._clock.now = max(1000 + at, self._clock.now)
        del self._commands[0]
        return command() if callable(command) else command


class FakeWatch:
    """Sees that the port came or went."""

    def __init__(self, desk):
        self._desk, self._was_there = desk, desk.is_there

    def has_changed(self):
        before, self._was_there = self._was_there, self._desk.is_there
        return before != self._was_there

    def close(self):
        pass


class FakeOutbox(list):
    put = list.append


@pytest.fixture
def desk(monkeypatch):
    """Runs commands on a process whose MIDI ports are fake and called "synth" as long as they are `there`."""

    class Desk:
        def __init__(self):
            self.clock = FakeClock()
            self.outputs = []
            self.statuses = FakeOutbox()
            self.is_there = True

        def open(self, name):
            if not self.is_there or name != "synth":
                raise PlaybackError(f"The MIDI port {name} is not there")
            self.outputs.append(FakeOutput(self.clock, name))
            return self.outputs[-1]

        def plug(self, is_there):
            self.is_there = is_there
            for output in self.outputs:
                output.is_broken = not is_there

        def run(self, *commands):
            start = [(0.0, ("port", "synth")), (0.0, ("load", HELD, True)), (0.0, ("play", None))]
            inbox = FakeInbox(self.clock, [*start, *commands])
            PlayerProcess(inbox, self.statuses, self.clock, is_first=False).run()

        def kinds(self):
            kinds = [status.kind for status in self.statuses]
            return [kind for kind, before in zip(kinds, [None, *kinds], strict=False) if kind != before]

    desk = Desk()
    monkeypatch.setattr(connections, "MidiPort", desk.open)
    monkeypatch.setattr(connections, "Watch", lambda: FakeWatch(desk))
    return desk


def is_silent(output):
    return not output.sounding and not output.pedals and (0xB0, 120, 0) in output.messages()


def test_closing_silences(desk):
    desk.run((1.0, CLOSED))
    assert len(desk.outputs[0].struck()) == 2 and is_silent(desk.outputs[0])


def test_the_death_of_the_owner_silences_though_the_pipe_stays_open(desk, monkeypatch):
    def die():
        monkeypatch.setattr(os, "getppid", lambda: 1)

    desk.run((1.0, die))
    assert is_silent(desk.outputs[0]) and desk.clock.now < 1002


def test_an_error_in_the_program_silences_before_it_is_raised(desk):
    def fail():
        raise RuntimeError("a mistake")

    with pytest.raises(RuntimeError, match="a mistake"):
        desk.run((1.0, fail))
    assert is_silent(desk.outputs[0])


def test_a_port_that_is_not_there_is_a_fault_and_is_waited_for(desk):
    desk.is_there = False
    desk.run((2.0, ("play", None)), (3.0, lambda: desk.plug(True)), (5.0, ("play", None)), (6.0, CLOSED))
    assert desk.kinds().count("fault") == 3, "when chosen, and each time it is to play"
    assert desk.kinds()[-4:] == ["ports", "port", "playing", "paused"]
    assert len(desk.outputs[0].struck()) == 2


def test_a_stop_while_the_port_is_away_is_not_undone_by_its_return(desk):
    desk.run((1.0, lambda: desk.plug(False)), (3.0, ("stop",)), (4.0, lambda: desk.plug(True)), (6.0, CLOSED))
    assert len(desk.outputs) == 2 and desk.outputs[1].struck() == []


def test_a_port_that_vanishes_pauses_within_a_second_and_plays_on_when_it_is_back(desk):
    seen = []
    desk.run(
        (1.2, lambda: desk.plug(False)),
        (3.0, lambda: seen.append((desk.kinds(), desk.statuses[-1].position))),
        (4.0, lambda: desk.plug(True)),
        (5.0, lambda: seen.append((desk.kinds(), desk.statuses[-1].position))),
    )
    (away, paused_at), (back, plays_at) = seen
    assert away[-3:] == ["port", "fault", "paused"] and 1.2 < paused_at < 1.3 + LOOK_ROUND
    assert back[-2:] == ["port", "playing"] and paused_at < plays_at < paused_at + 1
    assert desk.outputs[1].struck()[-1][1] == 65, "the rest of the piece follows"


def test_playing_to_a_port_that_is_away_is_a_fault_again(desk):
    desk.run((1.0, lambda: desk.plug(False)), (3.0, ("play", None)))
    assert desk.kinds().count("fault") == 2
    assert desk.kinds()[-2:] == ["fault", "paused"]


def test_a_port_that_is_back_after_a_pause_stays_paused(desk):
    desk.run((0.5, ("pause",)), (1.0, lambda: desk.plug(False)), (4.0, lambda: desk.plug(True)))
    assert len(desk.outputs) == 2 and desk.outputs[1].struck() == []


def test_a_send_that_fails_pauses(desk):
    def breaks():
        desk.outputs[0].is_present = lambda: True
        desk.outputs[0].is_broken = True

    desk.run((59.9, breaks), (62.0, CLOSED))
    assert desk.kinds()[-3:] == ["playing", "fault", "paused"]
    assert desk.statuses[-1].position == pytest.approx(60.0, abs=0.1)
