"""Playing live over a real MIDI system, from the keyboard to the instrument and back: follow, recording, the command.

It stands here, beside the JACK server, and joins the studio's parts without its window.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings
from pytestqt.qtbot import QtBot

from engine.midi import read_file, read_midi
from engine.performance import Note
from engine.playback import Player
from engine.playback.loopback import Instrument
from engine.playback.metronome import WOOD_BLOCKS
from studio.background import Background
from studio.clip import MELODY
from studio.composing import Composing
from studio.engine_thread import EngineThread
from studio.follow import Follow
from studio.recipe import Recipe
from studio.recording import Recording, State
from studio.session import Session
from studio.settings import Settings
from studio.transport import Transport
from tests.engine.playback.conftest import Keyboard
from tests.fakes import FakeComposer

ROOT = Path(__file__).parents[3]
REST = 0.25  # seconds: a beat of the tests
ANSWER_PITCH = 30  # no key of a phrase
ANSWER = [Note(i * 0.2, i * 0.2 + 0.15, ANSWER_PITCH + i % 5, 90) for i in range(50)]
PATIENCE = 20_000  # ms: the machine may be busy


class Live:
    """The studio's parts, from a keyboard to an instrument, over a player of their own."""

    def __init__(self, qtbot: QtBot, settings: Settings, instrument: Instrument, keyboard: Keyboard) -> None:
        self.instrument, self.keyboard, self._qtbot = instrument, keyboard, qtbot
        self.composer = FakeComposer(events=ANSWER)
        self.background = Background()
        self.session = Session(self.background)
        self.transport = Transport(self.background, lambda: Player(instrument.name))
        self.thread = EngineThread(lambda: self.composer)
        self.composing = Composing(self.session, self.transport, self.thread)
        self.recording = Recording(self.session, self.transport, settings)
        capture = self.recording.capture
        self.follow = Follow(self.session, self.composing, self.transport, capture, recipe=Recipe, beat=lambda: REST)
        self.thread.start()
        with qtbot.waitSignal(self.transport.input_changed, timeout=PATIENCE) as heard:
            self.transport.listen(keyboard.name)
        assert heard.args == [keyboard.name, True]

    def wait(self, is_so: Callable[[], bool]) -> None:
        self._qtbot.waitUntil(is_so, timeout=PATIENCE)

    def play(self, *pitches: int, seconds: float = 0.1) -> float:
        """Keys one after the other; when the last came up."""
        for pitch in pitches:
            self.keyboard.send(0x90, pitch, 80)
            self._qtbot.wait(round(1000 * seconds))
            self.keyboard.send(0x80, pitch, 0)
        return time.perf_counter()

    def struck(self, low: int, high: int) -> list[tuple[float, int]]:
        """What the instrument was told to strike of some keys: (time, pitch)."""
        received = list(self.instrument.received)
        return [(at, m[1]) for at, m in received if m[0] & 0xF0 == 0x90 and m[2] and low <= m[1] < high]

    def answer(self) -> list[tuple[float, int]]:
        return self.struck(ANSWER_PITCH, ANSWER_PITCH + 5)

    def close(self) -> None:
        self.thread.close()
        self.background.close()
        self.transport.close()
        self.session.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat))


@pytest.fixture
def live(qtbot: QtBot, settings: Settings, instrument: Instrument, keyboard: Keyboard) -> Iterator[Live]:
    live = Live(qtbot, settings, instrument, keyboard)
    yield live
    live.close()


def test_a_phrase_is_answered_on_the_chosen_port_and_playing_again_interrupts_it(live: Live) -> None:
    live.follow.set_on(True)
    lifted = live.play(60, 64, 67)
    live.wait(lambda: len(live.answer()) > 3)
    assert [pitch for _, pitch in live.struck(60, 80)] == [60, 64, 67], "what is played sounds"
    assert [note.pitch for note in live.composer.jobs[0].melody.notes] == [60, 64, 67]
    assert live.answer()[0][0] - lifted > REST
    live.keyboard.send(0x90, 72, 80)
    live.wait(lambda: live.transport.source is None and live.instrument.down() == {(0, 72)})
    heard = len(live.answer())
    live._qtbot.wait(600)  # three notes of the answer, had it gone on
    assert len(live.answer()) == heard
    assert live.instrument.down() == {(0, 72)}, "the key that interrupted sounds on"
    live.keyboard.send(0x80, 72, 0)
    live.wait(lambda: len(live.answer()) > heard)
    assert [note.pitch for note in live.composer.jobs[1].melody.notes] == [72]


def test_what_is_played_to_the_count_in_is_recorded_in_time(live: Live, settings: Settings) -> None:
    settings.port, settings.tempo = live.instrument.name, 240
    count_in = 4 * 60 / 240
    live.recording.record()
    live.wait(lambda: live.recording.state is State.RECORDING)
    clicks = [(at, m) for at, m in live.instrument.received if m[0] == 0x99]
    assert [m[1] for _, m in clicks[:4]] == [WOOD_BLOCKS[0], *[WOOD_BLOCKS[1]] * 3]
    sent = []
    for pitch in (60, 62, 64):
        sent.append(time.perf_counter() - clicks[0][0])
        live.play(pitch, seconds=0.2)
    live.wait(lambda: len(live.struck(60, 70)) == 3)
    live.recording.stop()
    notes = live.session.clip(MELODY).whole.notes
    assert [note.pitch for note in notes] == [60, 62, 64]
    late = [note.start - (at - count_in) for note, at in zip(notes, sent, strict=True)]
    assert max(map(abs, late)) < 0.05
    struck = [m for _, m in live.instrument.received if m[0] == 0x99 and m[2]]
    assert len(struck) == 4, "the metronome is off: only the count-in clicks"


def test_the_command_records_until_it_is_interrupted(
    keyboard: Keyboard, instrument: Instrument, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path = tmp_path / "played.mid"
    command = [sys.executable, "-m", "studio", "record", "-o", str(path), "--to", instrument.name, "--tempo", "240"]
    command += ["--count-in", "1", "--json"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    request.addfinalizer(process.kill)
    deadline = time.monotonic() + PATIENCE / 1000
    while len(instrument.struck()) < 4:  # the count-in
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    time.sleep(0.3)  # on to the first bar: a beat is a quarter of a second
    keyboard.send(0xB0, 64, 100)
    keyboard.send(0xB0, 64, 0)
    for pitch in (60, 67):
        keyboard.send(0x90, pitch, 70)
        time.sleep(0.1)
        keyboard.send(0x80, pitch, 0)
    while instrument.struck()[-2:] != [60, 67] or instrument.down():
        assert time.monotonic() < deadline, instrument.struck()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said, complaints = process.communicate(timeout=20)
    assert process.returncode == 0, complaints
    assert '"notes": 2' in said and f'"port": "{keyboard.name}"' in said
    assert [(note.pitch, note.velocity) for note in read_midi(path).notes] == [(60, 70), (67, 70)]
    assert [pedal.value for pedal in read_midi(path).pedals] == [100, 0]
    assert read_file(path).tempo_map.changes[0][1] == 250_000
    assert not instrument.down()
