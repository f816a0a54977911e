"""The window's only door to engine.composer: one long-lived thread that loads the model and composes.

torch is imported here, in the thread, when the model is first needed. The takes of a job are made one after another and
the first is heard meanwhile: two processes took seconds to start, and then as long for four takes beside other work.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from PySide6.QtCore import QObject, QThread, Signal

from engine.errors import EngineError
from engine.performance import Note, Performance
from studio.composed import Event, score
from studio.notice import Notice
from studio.recipe import Recipe
from studio.takes import Scores
from studio.torch_libraries import load_torch_libraries, without_collecting

log = logging.getLogger(__name__)
REPORT_INTERVAL = 0.1  # seconds between two signals of progress or of notes


@dataclass(frozen=True)
class Job:
    """One press of Compose: the recipe and the music it names."""

    recipe: Recipe
    style: tuple[Performance, ...] = ()
    melody: Performance | None = None


class Cancelled(Exception):
    """What is raised in the midst of work once it is cancelled."""


class Composer(Protocol):
    """What the thread asks of a composer. A style is whatever it makes of performances; None: no style. pause: called
    every few milliseconds of work; what it raises ends that."""

    pause: Callable[[], None]

    @property
    def name(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def notice(self) -> str: ...
    def style(self, performances: tuple[Performance, ...]) -> Any: ...
    def length(self, job: Job, style: Any) -> float: ...
    def compose(self, job: Job, style: Any, take: int) -> Iterator[Event]: ...


@dataclass(frozen=True)
class Progress:
    """How far one take of a job is. seconds: composed so far; length: expected; elapsed: time it took."""

    take: int
    takes: int
    seconds: float
    length: float
    elapsed: float

    @property
    def share(self) -> float:
        """Of the whole job, 0 to 1."""
        return (self.take + min(self.seconds / max(self.length, 1e-9), 1.0)) / self.takes

    @property
    def realtime(self) -> float:
        """Seconds of music composed in a second."""
        return self.seconds / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def remaining(self) -> float | None:
        """Seconds until the whole job is done, once that can be told."""
        if self.seconds <= 0 or self.elapsed < 0.5:
            return None
        music_left = max(self.length - self.seconds, 0.0) + self.length * (self.takes - self.take - 1)
        return music_left / self.realtime


class EngineThread(QThread):
    """Does one job at a time. For each take: started, notes, finished, and scored if it is whole: to look at what was
    cancelled takes longer than to stop. For each job exactly one `ended`."""

    loaded = Signal(str, str)  # model, device
    take_started = Signal(int, float)  # take of the job, expected seconds
    progressed = Signal(Progress)
    notes_composed = Signal(object)  # list of Note and Pedal, at most ten times a second
    take_finished = Signal(bool)  # whether it is whole
    take_scored = Signal(int, Scores)
    failed = Signal(Notice)
    remarked = Signal(Notice)
    ended = Signal()

    def __init__(self, load: Callable[[], Composer] | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._load = load or load_composer
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._cancelled = threading.Event()
        self._composer: Composer | None = None
        self._noticed = ""
        self._styles: dict[tuple[Performance, ...], Any] = {}

    def warm_up(self) -> None:
        """Load the model before it is needed."""
        self._jobs.put(None)

    def compose(self, job: Job) -> None:
        """Do this next."""
        self._cancelled.clear()
        self._jobs.put(job)

    def cancel(self) -> None:
        """Stop within a note; the notes made so far are a take."""
        self._cancelled.set()

    def close(self) -> None:
        """Stop within a note and end the thread; returns when it has ended."""
        self.requestInterruption()
        self._cancelled.set()
        self._jobs.put(None)
        self.wait()

    def run(self) -> None:
        """Jobs one after another until `close`. The one place that catches everything."""
        while not self.isInterruptionRequested():
            job = self._jobs.get()
            if self.isInterruptionRequested():
                return
            try:
                self._warm_composer() if job is None else self._compose(job)
            except Cancelled:
                log.info("cancelled before a take was begun")
            except Exception as error:
                is_foreseen = isinstance(error, EngineError)
                log.log(logging.INFO if is_foreseen else logging.WARNING, "composing failed", exc_info=True)
                if job is not None:  # a model that can't be loaded is told when it is needed
                    self.failed.emit(Notice.of(error))
            if job is not None:
                self.ended.emit()

    def _warm_composer(self) -> Composer:
        if self._composer is None:
            self._composer = self._load()
            self._composer.pause = self._stop_if_cancelled
            self.loaded.emit(self._composer.name, self._composer.device)
        return self._composer

    def _stop_if_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled

    def _compose(self, job: Job) -> None:
        composer = self._warm_composer()
        style = self._style(composer, job.style)
        length = composer.length(job, style)
        for take in range(job.recipe.takes):
            if self._cancelled.is_set():
                return
            self.take_started.emit(take, length)
            events, is_whole = self._pull(composer.compose(job, style, take), take, job.recipe.takes, length)
            self.take_finished.emit(is_whole)
            if composer.notice != self._noticed:
                self._noticed = composer.notice
                self.remarked.emit(Notice(composer.notice, is_error=False))
            if is_whole and any(isinstance(event, Note) for event in events):
                self.take_scored.emit(take, score(events, job.style, job.melody))

    def _style(self, composer: Composer, style: tuple[Performance, ...]) -> Any:
        if not style:
            return None
        if style not in self._styles:
            self._styles = {style: composer.style(style)}
        return self._styles[style]

    def _pull(self, generator: Iterator[Event], take: int, takes: int, length: float) -> tuple[list[Event], bool]:
        """All events of a take, reported as they come, and whether it came to its end."""
        events: list[Event] = []
        reported, seconds = 0, 0.0
        began = time.monotonic()
        next_report = began
        is_whole = False
        try:
            for event in generator:
                self._stop_if_cancelled()
                events.append(event)
                seconds = max(seconds, event[0])
                now = time.monotonic()
                if now >= next_report:
                    self._report(events[reported:], Progress(take, takes, seconds, length, now - began))
                    reported, next_report = len(events), now + REPORT_INTERVAL
            is_whole = True
        except Cancelled:
            log.info("cancelled after %g seconds", seconds)
        finally:
            if reported < len(events):
                self._report(events[reported:], Progress(take, takes, seconds, length, time.monotonic() - began))
            if not is_whole and hasattr(generator, "close"):
                generator.close()
        return events, is_whole

    def _report(self, events: list[Event], progress: Progress) -> None:
        self.notes_composed.emit(events)
        self.progressed.emit(progress)


class EngineComposer:
    """engine.composer.Composer, asked in terms of jobs."""

    def __init__(self) -> None:
        from engine.composer import Composer, Request

        self._composer, self._request = Composer.load(), Request

    @property
    def pause(self) -> Callable[[], None]:
        """Called every few milliseconds of work."""
        return self._composer.pause

    @pause.setter
    def pause(self, pause: Callable[[], None]) -> None:
        self._composer.pause = pause

    @property
    def name(self) -> str:
        """The model's."""
        return self._composer.name

    @property
    def device(self) -> str:
        """Where it computes."""
        return self._composer.device

    @property
    def notice(self) -> str:
        """What a person should know of how it goes on, "" if nothing."""
        return self._composer.notice

    def style(self, performances: tuple[Performance, ...]) -> Any:
        """The style vector."""
        return self._composer.style(*performances)

    def length(self, job: Job, style: Any) -> float:
        """Seconds that will be composed."""
        return self._composer.length(self._request_of(job, style))

    def compose(self, job: Job, style: Any, take: int) -> Iterator[Event]:
        """The events of one take."""
        return self._composer.compose(self._request_of(job, style), take)

    def _request_of(self, job: Job, style: Any) -> Any:
        recipe = job.recipe
        return self._request(
            style=style,
            melody=job.melody,
            seconds=recipe.seconds,
            takes=recipe.takes,
            seed=recipe.seed,
            temperature=recipe.temperature,
            style_strength=recipe.style_strength,
            melody_mode=recipe.melody_mode,
        )


def load_composer() -> Composer:
    """The default model on the best device; imports torch."""
    with without_collecting():
        load_torch_libraries()
        return EngineComposer()
