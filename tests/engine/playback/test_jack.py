"""Over a real MIDI system: all notes arrive in order and on time, and nothing sounds on, whoever dies."""

import os
import random
import signal
import time

import numpy as np
import pytest

from engine.performance import Note, Pedal, Performance
from engine.playback import BUILT_IN, VIRTUAL_IN, VIRTUAL_OUT, Player, ports
from engine.playback.loopback import Instrument, connected_to
from engine.playback.player import CLOSING
from tests.engine.playback.conftest import Keyboard, server_or_skip
from tests.engine.playback.kills import ENDS, is_silenced, kill_at_random, wait_until

CHORD = [Note(0.0, 60.0, pitch, 80) for pitch in (48, 55, 64, 72)]
KILLS = 6  # one of each


def test_the_instrument_is_listed(instrument):
    assert [port.name for port in ports()] == [BUILT_IN, instrument.name, VIRTUAL_OUT]


def test_all_notes_arrive_in_order(instrument):
    wanted, time_ = [], 0.0
    draw = random.Random(1)
    for i in range(2000):
        time_ += draw.choice([0.0, 0.001, 0.002, 0.004, 0.008])
        wanted.append(Note(time_, time_ + 0.0004, i % 128, 1 + i // 128))
    with Player(instrument.name) as player:
        player.load(Performance(tuple(wanted)))
        player.play()
        wait_until(lambda: len(instrument.struck()) >= 2000, "2000 notes")
    got = [(m[1], m[2]) for _, m in instrument.received if m[0] == 0x90]
    assert got == [(note.pitch, note.velocity) for note in wanted]
    at = np.array([when for when, m in instrument.received if m[0] == 0x90])
    late = at - np.array([note.start for note in wanted])
    assert np.median(np.abs(late - np.median(late))) < 0.005, "spread beyond a period of the server"


def test_five_thousand_notes_at_once_all_arrive_though_the_receiver_stands_still(instrument):
    """As it does for a moment on a machine that writes a new installation to its disk."""
    notes = [Note(0.1, 0.2, i % 128, 1 + i // 128) for i in range(5000)]
    with Player(instrument.name) as player:
        player.load(Performance(tuple(notes)))
        player.play()
        wait_until(lambda: len(instrument.struck()) > 0, "the first note")
        instrument.process.send_signal(signal.SIGSTOP)
        time.sleep(0.3)
        instrument.process.send_signal(signal.SIGCONT)
        wait_until(lambda: len(instrument.struck()) >= 5000, "5000 notes")
        wait_until(lambda: not instrument.down(), "silence")
    got = [(m[1], m[2]) for _, m in instrument.received if m[0] == 0x90]
    assert got == [(note.pitch, note.velocity) for note in notes]


@pytest.mark.parametrize("command", ["stop", "pause", "panic", "close"])
def test_a_command_silences_within_a_moment(instrument, command):
    with Player(instrument.name) as player:
        player.load(Performance.of(CHORD, [Pedal(0.0, 127)]))
        player.play()
        wait_until(lambda: len(instrument.down()) == 5, "a chord and its pedal")
        getattr(player, command)()
        wait_until(lambda: is_silenced(instrument), "silence")
    assert {64, 123, 120} <= set(instrument.controllers())


def test_a_change_of_port_silences_the_old_one(instrument):
    other = Instrument("other")
    try:
        with Player(instrument.name) as player:
            player.load(Performance.of([*CHORD, Note(0.5, 60.0, 80, 80), *(Note(t, 60.0, 90, 80) for t in (5, 10))]))
            player.play()
            wait_until(lambda: len(instrument.down()) == 4, "a chord")
            player.set_port(other.name)
            wait_until(lambda: is_silenced(instrument), "silence")
            wait_until(lambda: bool(other.struck()), "notes on the other port")
        assert not other.down()
    finally:
        other.close()


@pytest.mark.parametrize("end", ENDS)
def test_nothing_sounds_on_whatever_is_killed_at_any_moment(instrument, end):
    draw = random.Random(end)
    for _ in range(KILLS // len(ENDS)):
        kill_at_random(instrument, end, draw)


def test_a_player_that_is_killed_is_missed_within_a_second_and_another_stands_where_it_was(instrument):
    with Player(instrument.name) as player:
        player.load(Performance.of([*CHORD, Note(1.0, 60.0, 80, 80)]))
        player.play()
        wait_until(lambda: len(instrument.down()) == 5, "a chord and a note")
        player.poll()
        killed = time.perf_counter()
        os.kill(player._process.pid, signal.SIGKILL)
        wait_until(lambda: any(status.kind == "fault" for status in player.poll()), "the fault")
        assert time.perf_counter() - killed < 1
        wait_until(lambda: is_silenced(instrument), "silence")
        player.play()
        seen = []
        wait_until(lambda: seen.extend(player.poll()) or any(s.kind == "playing" for s in seen), "playing again")
        assert seen[-1].position == pytest.approx(1.0, abs=0.5)


def test_panic_silences_every_port_there_is(instrument):
    other = Instrument("other")
    try:
        with Player(instrument.name) as player:
            player.panic()
            wait_until(lambda: is_silenced(instrument) and is_silenced(other), "silence on both")
            wait_until(lambda: other.received[-1][1][:2] == [0x8F, 127], "the last key of the last channel")
    finally:
        other.close()


def test_a_lane_and_the_clock_have_ports_of_their_own(instrument):
    click, clock = Instrument("click"), Instrument("clock")
    try:
        with Player(instrument.name) as player:
            player.set_lane(1, click.name, 9)
            player.set_clock_out(clock.name)
            player.load(Performance.of(CHORD))
            player.add([Note(i * 0.25, 60.0, 40 + i, 90) for i in range(8)], lane=1)
            player.play()
            wait_until(lambda: len(click.down()) > 3 and len(instrument.down()) == 4, "both")
            os.kill(player._process.pid, signal.SIGTERM)
            wait_until(lambda: is_silenced(click) and is_silenced(instrument), "silence on both")
        bytes_ = [message[0] for _, message in clock.received]
        assert bytes_[0] == 0xFA and bytes_[-1] == 0xFC and bytes_.count(0xF8) > 12
    finally:
        click.close()
        clock.close()


def test_a_keyboard_is_heard_with_its_time_sounds_at_once_and_may_come_and_go(instrument):
    keyboard = Keyboard("keyboard")
    seen, heard = [], []
    with Player(instrument.name) as player:

        def told(kind):
            seen.extend(player.poll())
            return any(status.kind == kind for status in seen)

        player.listen(keyboard.name)
        wait_until(lambda: told("input"), "the input")
        before = time.perf_counter()
        keyboard.send(0x90, 61, 77)
        wait_until(lambda: heard.extend(player.heard()) or bool(heard), "the note")
        assert before < heard[0].time < time.perf_counter() and heard[0].message == (0x90, 61, 77)
        wait_until(lambda: instrument.down() == {(0, 61)}, "its sound")
        keyboard.send(0x90, 61, 0)
        wait_until(lambda: not instrument.down(), "its end")
        keyboard.close()
        wait_until(lambda: told("input_lost"), "the loss")
        seen.clear()
        keyboard = Keyboard("keyboard")
        wait_until(lambda: told("input"), "the return")
        player.listen(None)
    keyboard.close()


def test_another_program_plugs_into_our_own_ports(jack):
    with Player(VIRTUAL_OUT) as player:
        player.listen(VIRTUAL_IN)
        seen, heard = [], []
        wait_until(lambda: seen.extend(player.poll()) or any(s.kind == "input" for s in seen), "the input")
        keyboard = Keyboard("keyboard", VIRTUAL_IN)
        keyboard.send(0x90, 62, 50)
        wait_until(lambda: heard.extend(player.heard()) or bool(heard), "the note")
        assert heard[0][1::2] == ((0x90, 62, 50), VIRTUAL_IN)
        keyboard.close()
        assert not any(status.kind == "fault" for status in player.poll())


def test_a_master_clock_is_followed(instrument, keyboard):
    with Player(instrument.name) as player:
        player.load(Performance.of([Note(i * 0.5, i * 0.5 + 0.4, 60 + i, 80) for i in range(40)]))
        player.set_clock_in(keyboard.name)
        seen = []
        wait_until(lambda: seen.extend(player.poll()) or any(s.kind == "input" for s in seen), "the input")
        keyboard.send(0xFA)
        begin = time.perf_counter()
        for tick in range(120):  # two and a half seconds at 120 played in two, at 150
            time.sleep(max(begin + tick / 60 - time.perf_counter(), 0))
            keyboard.send(0xF8)
        keyboard.send(0xFC)
        wait_until(lambda: is_silenced(instrument), "the stop")
    at = [when for when, m in instrument.received if m[0] == 0x90]
    assert len(at) == 5 and np.diff(at) == pytest.approx(0.4, abs=0.05)


def test_a_server_that_dies_is_a_fault_and_holds_nobody():
    """A port's ring fills where nobody empties it, and a send to it would never come back."""
    with server_or_skip("doomed") as server, connected_to(server.name):
        instrument = Instrument("instrument")
        with Player(instrument.name) as player:
            player.load(Performance.of([Note(i * 0.002, i * 0.002 + 0.001, 60, 80) for i in range(20_000)]))
            player.play()
            wait_until(lambda: bool(instrument.struck()), "notes")
            server.process.kill()
            seen = []
            wait_until(lambda: seen.extend(player.poll()) or any(s.kind == "fault" for s in seen), "the fault")
            started = time.perf_counter()
        assert time.perf_counter() - started < CLOSING
        instrument.process.kill()


def test_a_port_that_vanishes_pauses_and_plays_on_when_it_is_back(jack):
    first = Instrument("comes and goes")
    second = None
    try:
        with Player(first.name) as player:
            notes = [Note(i * 0.1, i * 0.1 + 0.05, 60, 80) for i in range(600)]
            player.load(Performance(tuple(notes)))
            player.play()
            wait_until(lambda: len(first.struck()) > 3, "notes")
            first.close()
            seen = []
            wait_until(lambda: seen.extend(player.poll()) or any(s.kind == "fault" for s in seen), "the fault")
            wait_until(lambda: seen.extend(player.poll()) or seen[-1].kind == "paused", "the pause")
            assert "comes and goes" in next(s.text for s in seen if s.kind == "fault")
            second = Instrument("comes and goes")
            wait_until(lambda: len(second.struck()) > 3, "notes again")
        assert not second.down()
    finally:
        if second:
            second.close()
