"""One press of Compose from start to end: takes appear as they are made, and the first is played as it comes."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject, Signal

from engine.midi import MidiFile
from engine.performance import Note, Performance
from studio.clip import MELODY, STYLE
from studio.composed import Event, lifts_of, performance_of
from studio.engine_thread import EngineThread, Job, Progress
from studio.recipe import Recipe
from studio.session import Session
from studio.takes import Scores, State, Take
from studio.transport import Transport


class Composing(QObject):
    """Between the engine's thread, the session's takes and the transport."""

    started = Signal()
    take_begun = Signal(int, float)  # row, expected seconds
    events_composed = Signal(int, object)  # row, list of Note and Pedal
    progressed = Signal(Progress)
    ended = Signal()

    def __init__(
        self, session: Session, transport: Transport, thread: EngineThread, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._transport, self._thread = session, transport, thread
        self._recipe = Recipe()
        self._melody: Performance | None = None
        self._melody_file: MidiFile | None = None
        self._styles: tuple[Performance, ...] = ()
        self._rows: dict[int, int] = {}  # take of the job -> row
        self._row: int | None = None  # of the take that is being composed
        self._events: list[Event] = []
        self._count = 0  # takes of the session
        self._length = 0.0  # expected seconds of the take that is being composed
        self.is_composing = False
        self.plays = True
        self._must_play = False
        thread.take_started.connect(self._begin_take)
        thread.notes_composed.connect(self._add_events)
        thread.progressed.connect(self.progressed)
        thread.take_finished.connect(self._finish_take)
        thread.take_scored.connect(self._score_take)
        thread.ended.connect(self._end)

    def compose(self, recipe: Recipe, must_play: bool = False) -> None:
        """Compose what is open by this recipe, unless it is under way already. must_play: whatever `plays` says."""
        if self.is_composing:
            return
        style, melody = self._session.clip(STYLE), self._session.clip(MELODY)
        self._recipe, self._must_play = self._session.named(recipe), must_play
        self._melody = melody.whole if melody else None
        self._melody_file = melody.file if melody else None
        self._styles = style.performances if style else ()
        self._rows.clear()
        self.is_composing = True
        self.started.emit()
        self._thread.compose(
            Job(
                recipe=self._recipe,
                style=self._styles,
                melody=self._melody,
            )
        )

    def cancel(self) -> None:
        """Stop; what is composed is kept."""
        if self.is_composing:
            self._thread.cancel()

    @property
    def first_row(self) -> int | None:
        """The row of the job's first take."""
        return self._rows.get(0)

    def expected(self, take: Take) -> float:
        """Seconds a take will have when it is composed; 0 if it is."""
        return self._length if take.state is State.COMPOSING else 0.0

    def has_notes(self, take: Take) -> bool:
        """Whether there is something to hear of a take."""
        is_growing = take.state is State.COMPOSING and self._row is not None
        return len(self._events) > 0 if is_growing else len(take.performance) > 0

    def current(self, take: Take) -> Take:
        """The take with all its notes so far."""
        if take.state is State.COMPOSING and self._row is not None:
            return replace(take, performance=performance_of(self._events, take.performance.name))
        return take

    def _begin_take(self, index: int, length: float) -> None:
        self._count += 1
        recipe = replace(self._recipe, seed=self._recipe.seed + index)
        take = Take(
            self._count,
            Performance(),
            recipe,
            State.COMPOSING,
            melody=self._melody,
            styles=self._styles,
            melody_file=self._melody_file,
        )
        take = replace(take, performance=Performance(name=take.file_name.removesuffix(".mid")))
        self._events, self._length = [], length
        self._row = self._rows[index] = self._session.takes.append(take)
        if index == 0 and (self.plays or self._must_play):
            self._transport.load(take.number, take.performance, is_finished=False)
        self.take_begun.emit(self._row, length)

    def _add_events(self, events: list[Event]) -> None:
        if self._row is None or not events:
            return
        take = self._session.takes.take(self._row)
        had_notes = any(isinstance(event, Note) for event in self._events)
        self._events += events
        self._transport.add(take.number, events)
        self.events_composed.emit(self._row, events)
        is_heard = (self.plays or self._must_play) and self._row == self._rows.get(0)
        if is_heard and not had_notes and self._transport.source == take.number:
            self._transport.play()

    def _finish_take(self, is_whole: bool) -> None:
        """The take becomes a value; without a note it goes."""
        if self._row is None:
            return
        self._add_events(lifts_of(self._events))
        row, self._row = self._row, None
        takes = self._session.takes
        take = takes.take(row)
        performance = performance_of(self._events, take.performance.name)
        self._transport.finish(take.number)
        if len(performance):
            state = State.WHOLE if is_whole else State.STOPPED
            takes.replace(row, replace(take, performance=performance, state=state))
            return
        if self._transport.source == take.number:
            self._transport.stop()
        takes.remove(row)

    def _score_take(self, index: int, scores: Scores) -> None:
        row = self._rows.get(index)
        if row is not None:
            takes = self._session.takes
            takes.replace(row, replace(takes.take(row), scores=scores))

    def _end(self) -> None:
        self._finish_take(is_whole=False)  # an error may have ended the job in the middle of a take
        self.is_composing = False
        self.ended.emit()
