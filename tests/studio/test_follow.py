"""Style follow over a fake player and a fake composer: what is answered, when, and what silences the answer."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from engine.errors import ModelError
from engine.playback.messages import NOTE_OFF, NOTE_ON
from studio.app import Studio
from studio.follow import Follow
from studio.recording import State
from studio.takes import State as TakeState
from tests.fakes import FakeComposer, FakePlayer
from tests.studio.hands import Hands, drop

Open = Callable[..., Studio]
BEAT = 0.5


class Rig:
    """A studio that follows by a clock that is set, and hands that play by it."""

    def __init__(self, qtbot: QtBot, studio: Studio, player: FakePlayer, composer: FakeComposer) -> None:
        self.studio, self.player, self.composer = studio, player, composer
        self.now = 100.0
        self._qtbot, self._hands = qtbot, Hands(studio, player)
        capture, recipe = studio.performing.recording.capture, lambda: studio.window.panel.recipe
        everything = (studio.session, studio.composing, studio.transport, capture, recipe, lambda: BEAT)
        self.follow = Follow(*everything, clock=lambda: self.now, parent=studio)
        self.follow.set_on(True)

    def strike(self, pitch: int) -> None:
        self._hands.send((NOTE_ON, pitch, 80), self.now)

    def lift(self, pitch: int) -> None:
        self._hands.send((NOTE_OFF, pitch, 0), self.now)

    def play(self, *pitches: int) -> None:
        """One key a quarter of a second, the last up just now."""
        for pitch in pitches:
            self.strike(pitch)
            self.now += 0.25
            self.lift(pitch)

    def rest(self, seconds: float = BEAT + 1e-6) -> None:
        self.now += seconds
        self.follow.look()

    def rest_and_answer(self) -> None:
        with self._qtbot.waitSignal(self.studio.composing.ended):
            self.rest()

    def wait_until_it_plays(self) -> None:
        self._qtbot.waitUntil(lambda: self.studio.transport.is_playing)

    def melodies(self) -> list[list[int]]:
        return [[note.pitch for note in job.melody.notes] for job in self.composer.jobs if job.melody]


@pytest.fixture
def gate() -> Iterator[threading.Semaphore]:
    """Each release lets one event be composed; at the end of the test all."""
    gate = threading.Semaphore(0)
    yield gate
    gate.release(1000)


@pytest.fixture
def make_rig(qtbot: QtBot, open_studio: Open) -> Callable[..., Rig]:
    def make(composer: FakeComposer | None = None) -> Rig:
        composer, player = composer or FakeComposer(), FakePlayer()
        return Rig(qtbot, open_studio(composer, player), player, composer)

    return make


def test_a_phrase_is_answered_after_a_rest_of_one_beat_in_the_style_on_the_card(
    qtbot: QtBot, make_rig: Callable[..., Rig], files: dict[str, Path]
) -> None:
    rig = make_rig()
    with qtbot.waitSignal(rig.studio.session.clip_changed):
        drop(rig.studio.window, files["playing"])
    rig.studio.window.action("live").setChecked(False)  # an answer is heard all the same
    rig.now += 20.0
    rig.play(60, 62, 64)
    rig.rest(BEAT - 0.01)
    assert not rig.studio.composing.is_composing
    with qtbot.waitSignal(rig.studio.composing.ended):
        rig.rest(0.011)
    job = rig.composer.jobs[0]
    assert [(note.start, round(note.end, 6), note.pitch) for note in job.melody.notes] == [
        (0.0, 0.25, 60),
        (0.25, 0.5, 62),
        (0.5, 0.75, 64),
    ]
    assert [len(performance) for performance in job.style] == [12]
    assert job.recipe.takes == 1
    assert rig.player.events == rig.composer.events
    assert "play" in rig.player.names()
    assert rig.studio.session.takes.take(0).recipe.melody_name == "Phrase 1"


def test_it_is_answered_once_and_never_while_a_key_is_down(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig()
    rig.play(60, 62)
    rig.strike(64)
    rig.rest(10.0)
    assert not rig.composer.jobs
    rig.lift(64)
    rig.rest_and_answer()
    rig.lift(64)
    rig.rest(10.0)
    assert rig.melodies() == [[60, 62, 64]]


def test_of_chords_the_top_line_is_answered(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig()
    for top in (64, 65, 67):
        for pitch in (48, 55, top):
            rig.strike(pitch)
        rig.now += 0.4
        for pitch in (48, 55, top):
            rig.lift(pitch)
    rig.rest_and_answer()
    assert rig.melodies() == [[64, 65, 67]]


def test_playing_again_silences_the_answer_and_begins_another_phrase(
    qtbot: QtBot, make_rig: Callable[..., Rig], gate: threading.Semaphore
) -> None:
    rig = make_rig(FakeComposer(gate=gate))
    rig.play(60, 62)
    rig.rest()
    gate.release(5)
    rig.wait_until_it_plays()
    rig.strike(72)
    assert rig.player.names()[-1] == "stop"
    assert rig.studio.transport.source is None
    calls = len(rig.player.calls)
    with qtbot.waitSignal(rig.studio.composing.ended):
        gate.release(5)
    assert rig.player.names()[calls:] == [], "what was still composed is not played"
    assert rig.studio.session.takes.take(0).state is TakeState.STOPPED
    rig.lift(72)
    gate.release(50)
    rig.rest_and_answer()
    assert rig.melodies() == [[60, 62], [72]]
    assert rig.studio.transport.is_playing


def test_what_was_played_before_a_note_of_the_answer_is_part_of_the_phrase(
    qtbot: QtBot, make_rig: Callable[..., Rig], gate: threading.Semaphore
) -> None:
    """A rest within a phrase: its answer was begun too early, and nobody hears of that."""
    rig = make_rig(FakeComposer(gate=gate))
    rig.play(60, 62)
    with qtbot.waitSignal(rig.studio.composing.take_begun):
        rig.rest()
    rig.strike(64)
    with qtbot.waitSignal(rig.studio.composing.ended):
        gate.release(50)
    rig.now += 0.25
    rig.lift(64)
    assert "play" not in rig.player.names()
    rig.rest_and_answer()
    assert rig.melodies() == [[60, 62], [60, 62, 64]]


def test_an_answer_waits_for_what_is_being_composed(
    qtbot: QtBot, make_rig: Callable[..., Rig], gate: threading.Semaphore
) -> None:
    rig = make_rig(FakeComposer(gate=gate))
    with qtbot.waitSignal(rig.studio.composing.take_begun):
        rig.studio.window.action("compose").trigger()
    rig.play(60)
    rig.rest()
    assert rig.melodies() == []
    gate.release(1000)
    qtbot.waitUntil(lambda: rig.melodies() == [[60]] and not rig.studio.composing.is_composing)
    assert rig.studio.transport.source == 2
    assert rig.studio.window.action("compose").isEnabled(), "the window knows that all has ended"


def test_after_an_answer_that_failed_the_next_phrase_is_a_new_one(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(FakeComposer(error=ModelError("The model is broken")))
    rig.play(60, 62)
    rig.rest_and_answer()
    rig.composer.error = None
    rig.play(64)
    rig.rest_and_answer()
    assert rig.melodies() == [[60, 62], [64]]


def test_a_key_that_hung_when_the_keyboard_was_unplugged_is_forgotten(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig()
    rig.strike(60)
    rig.player.report("input_lost", 0.0, "The keyboard is gone")
    rig.studio.transport.poll()
    rig.now += 5.0
    rig.play(62)
    rig.rest_and_answer()
    assert rig.melodies() == [[62]]


def test_switched_off_it_is_silent_and_answers_nothing(
    qtbot: QtBot, make_rig: Callable[..., Rig], gate: threading.Semaphore
) -> None:
    rig = make_rig(FakeComposer(gate=gate))
    rig.play(60)
    rig.rest()
    gate.release(5)
    rig.wait_until_it_plays()
    with qtbot.waitSignal(rig.studio.composing.ended):
        rig.follow.set_on(False)
        gate.release(1000)
    assert not rig.studio.transport.is_playing
    rig.play(62)
    rig.rest(5.0)
    assert rig.melodies() == [[60]]


def test_the_rest_is_waited_for_by_the_clock(qtbot: QtBot, open_studio: Open) -> None:
    """Through the window, with its own clock: Shift+F, a phrase, a fifth of a second."""
    composer, player = FakeComposer(), FakePlayer()
    studio = open_studio(composer, player)
    studio.window.transport_bar.tempo.setValue(300)
    qtbot.keyClick(studio.window, Qt.Key.Key_F, Qt.KeyboardModifier.ShiftModifier)
    assert studio.performing.follow.is_on
    with qtbot.waitSignal(studio.composing.ended):
        Hands(studio, player).play_now(60, 62)
    assert [note.pitch for note in composer.jobs[0].melody.notes] == [60, 62]
    assert studio.transport.is_playing


def test_recording_and_following_take_turns(open_studio: Open) -> None:
    studio = open_studio()
    window, performing = studio.window, studio.performing
    window.action("follow_playing").trigger()
    window.action("record").trigger()
    assert not performing.follow.is_on
    assert not window.action("follow_playing").isChecked()
    assert performing.recording.state is not State.OFF
    window.action("follow_playing").trigger()
    assert performing.follow.is_on
    assert performing.recording.state is State.OFF
    assert not window.action("record").isChecked()
