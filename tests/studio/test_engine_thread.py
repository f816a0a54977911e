"""The engine's thread: jobs one after another, few signals, cancelled within a note, one outcome for each job."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from pytestqt.qtbot import QtBot

from engine.errors import ModelError
from engine.performance import Note, Performance
from studio.engine_thread import Composer, EngineThread, Job, Progress
from studio.recipe import Recipe
from tests.fakes import FakeComposer, scale_notes
from tests.studio.hands import MELODY, STYLE


class Recorder:
    """All that the thread says, in order."""

    def __init__(self, thread: EngineThread) -> None:
        self.said: list[tuple[str, object]] = []
        for name in ("loaded", "take_started", "notes_composed", "take_finished", "take_scored", "failed", "ended"):
            getattr(thread, name).connect(lambda *args, name=name: self.said.append((name, args[0] if args else None)))

    def names(self) -> list[str]:
        return [name for name, _ in self.said]


@pytest.fixture
def composer() -> FakeComposer:
    return FakeComposer()


@pytest.fixture
def thread(qapp: object, composer: FakeComposer) -> Iterator[EngineThread]:
    thread = EngineThread(lambda: composer)
    thread.start()
    yield thread
    thread.close()


def test_a_job_says_what_happens_in_order(qtbot: QtBot, thread: EngineThread) -> None:
    recorder = Recorder(thread)
    with qtbot.waitSignal(thread.ended):
        thread.compose(Job(Recipe(takes=2), (STYLE,), MELODY))
    names = [name for name in recorder.names() if name != "notes_composed"]
    take = ["take_started", "take_finished", "take_scored"]
    assert names == ["loaded", *take, *take, "ended"]


def test_what_a_person_should_know_is_said_once(qtbot: QtBot, thread: EngineThread, composer: FakeComposer) -> None:
    remarks: list[str] = []
    thread.remarked.connect(lambda notice: remarks.append(notice.title))
    composer.notice = "The GPU is out of memory: composing goes on on the CPU."
    with qtbot.waitSignal(thread.ended):
        thread.compose(Job(Recipe(takes=3)))
    assert remarks == [composer.notice]


def test_a_thousand_notes_are_few_signals_and_none_is_lost(
    qtbot: QtBot, thread: EngineThread, composer: FakeComposer
) -> None:
    composer.events = scale_notes(1000)
    composer.busy = 0.0005
    batches: list[list[object]] = []
    thread.notes_composed.connect(batches.append)
    began = threading.Event()
    thread.take_started.connect(lambda *_: began.set())
    with qtbot.waitSignal(thread.ended, timeout=20_000), qtbot.waitSignal(thread.progressed, timeout=20_000):
        thread.compose(Job(Recipe()))
    assert [note for batch in batches for note in batch] == composer.events
    assert len(batches) < 100  # every note would be 1000; ten a second were less than the seconds it took times ten
    assert len(batches[0]) == 1  # the first note waits for nothing


def test_cancel_stops_within_a_note_and_what_is_made_is_told(
    qtbot: QtBot, thread: EngineThread, composer: FakeComposer
) -> None:
    composer.gate = threading.Semaphore(3)
    batches: list[list[object]] = []
    thread.notes_composed.connect(batches.append)
    with qtbot.waitSignal(thread.notes_composed):
        thread.compose(Job(Recipe(takes=3)))
    with qtbot.waitSignals([thread.take_finished, thread.ended]):
        thread.cancel()
        composer.gate.release(1)
    made = [note for batch in batches for note in batch]
    assert made == scale_notes(len(made))
    assert 1 <= len(made) <= 3
    assert len(composer.jobs) == 1  # the other takes are not begun


@pytest.mark.parametrize("is_under_way", [False, True], ids=["before a take", "within one"])
def test_cancel_stops_in_the_midst_of_what_takes_long(
    qtbot: QtBot, thread: EngineThread, composer: FakeComposer, is_under_way: bool
) -> None:
    def work() -> None:
        while True:  # it never ends by itself
            began.set()
            composer.pause()
            time.sleep(0.001)

    def style(performances: tuple[Performance, ...]) -> tuple[str, ...]:
        return () if is_under_way else work()

    def compose(*job: object) -> Iterator[Note]:
        yield scale_notes(1)[0]
        work()

    began = threading.Event()
    composer.style, composer.compose = style, compose
    recorder = Recorder(thread)
    thread.compose(Job(Recipe(takes=3), (STYLE,)))
    qtbot.waitUntil(began.is_set)
    with qtbot.waitSignal(thread.ended):
        thread.cancel()
    taken = ["take_started", "notes_composed", "take_finished"] if is_under_way else []
    assert recorder.names() == ["loaded", *taken, "ended"]
    assert ("take_finished", False) in recorder.said or not is_under_way


def test_a_model_that_cannot_be_loaded_is_told_when_it_is_needed_and_tried_again(qtbot: QtBot) -> None:
    answers: list[Composer | Exception] = [ModelError("It is gone"), ModelError("It is gone"), FakeComposer()]

    def load() -> Composer:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    thread = EngineThread(load)
    recorder = Recorder(thread)
    thread.start()
    thread.warm_up()
    with qtbot.waitSignal(thread.ended):
        thread.compose(Job(Recipe()))
    assert recorder.names() == ["failed", "ended"]
    with qtbot.waitSignal(thread.ended):
        thread.compose(Job(Recipe()))
    assert recorder.names()[2] == "loaded"
    thread.close()


def test_closing_while_composing_ends_the_thread(qtbot: QtBot, thread: EngineThread, composer: FakeComposer) -> None:
    composer.events = scale_notes(100_000)
    composer.busy = 0.001
    with qtbot.waitSignal(thread.notes_composed):
        thread.compose(Job(Recipe()))
    thread.close()
    assert thread.isFinished()


def test_the_style_is_embedded_once_for_each_set_of_performances(
    qtbot: QtBot, thread: EngineThread, composer: FakeComposer
) -> None:
    other = Performance.of(scale_notes(4))
    for style in ((STYLE,), (STYLE,), (STYLE, other), ()):
        with qtbot.waitSignal(thread.ended):
            thread.compose(Job(Recipe(), style))
    assert composer.styled == [(STYLE,), (STYLE, other)]


def test_progress_counts_all_takes_and_tells_when_it_will_be_done() -> None:
    progress = Progress(take=1, takes=3, seconds=15.0, length=30.0, elapsed=3.0)
    assert progress.share == 0.5
    assert progress.realtime == 5.0
    assert progress.remaining == 9.0
    assert Progress(0, 1, 0.0, 30.0, 0.1).remaining is None


def test_opening_the_studio_loads_neither_torch_nor_the_composer() -> None:
    code = "import sys, studio.app; print([m for m in ('torch', 'scipy', 'engine.composer') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
