"""The desk: clips and takes on screen, and the commands that open, compose and export them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from studio.clip import MELODY, STYLE, Clip
from studio.composed import Event
from studio.engine_thread import Progress
from studio.main_window import suggested_folder
from studio.takes import Take
from studio.words import clock_time, filled

if TYPE_CHECKING:
    from studio.app import Studio


class Desk(QObject):
    """Connects session and composing with cards, panel, roll and take list."""

    def __init__(self, studio: Studio) -> None:
        super().__init__(studio)
        self._settings, self._window = studio.settings, studio.window
        self._session, self._composing = studio.session, studio.composing
        self._studio = studio
        self._last_progress: Progress | None = None
        self._connect_session()
        self._connect_takes()
        self._connect_composing()
        studio.background.failed.connect(self._window.notice_bar.show_notice)
        studio.engine_thread.failed.connect(self._window.notice_bar.show_notice)
        studio.engine_thread.remarked.connect(self._window.notice_bar.show_notice)
        self._show_composing(False)
        self._show_sources()

    def _connect_session(self) -> None:
        window, session = self._window, self._session
        session.clip_changed.connect(self._show_clip)
        session.noticed.connect(window.notice_bar.show_notice)
        session.recipe_found.connect(window.panel.show_recipe)
        window.candidate_bar.candidate_chosen.connect(session.choose_melody)
        window.files_dropped.connect(session.open)
        for role, card in window.cards.items():
            card.files_dropped.connect(lambda paths, role=role: session.open(paths, role))
            card.notes_dropped.connect(lambda notes, role=role: session.open_typed(notes, role))
            card.choose_requested.connect(lambda role=role: self.choose_files(role))
            card.clear_requested.connect(lambda role=role: session.clear(role))
            window.action(f"open_{role}").triggered.connect(lambda _, role=role: self.choose_files(role))
            window.action(f"clear_{role}").triggered.connect(lambda _, role=role: session.clear(role))

    def _connect_takes(self) -> None:
        window, takes = self._window, self._session.takes
        window.take_list.setModel(takes)
        window.take_list.take_chosen.connect(lambda _: self._show_take())
        takes.take_changed.connect(lambda _: self._refresh_actions())
        window.action("export").triggered.connect(lambda _: self.export())
        window.action("previous_take").triggered.connect(lambda _: window.take_list.choose_next(-1))
        window.action("next_take").triggered.connect(lambda _: window.take_list.choose_next(1))

    def _connect_composing(self) -> None:
        window, composing = self._window, self._composing
        composing.started.connect(lambda: self._show_composing(True))
        composing.ended.connect(lambda: self._show_composing(False))
        composing.ended.connect(self._show_speed)
        composing.ended.connect(window.panel.advance_seed)
        composing.take_begun.connect(self._show_new_take)
        composing.events_composed.connect(self._show_events)
        composing.progressed.connect(self._show_progress)
        window.panel.compose_pressed.connect(self.compose_or_cancel)
        window.action("compose").triggered.connect(lambda _: composing.compose(window.panel.recipe))
        window.action("cancel").triggered.connect(lambda _: composing.cancel())
        window.action("dice").triggered.connect(lambda _: window.panel.throw_dice())

    # Commands

    def compose_or_cancel(self) -> None:
        """The big button."""
        if self._composing.is_composing:
            self._composing.cancel()
        else:
            self._composing.compose(self._window.panel.recipe)

    @property
    def chosen_number(self) -> int | None:
        """The number of the take the list has chosen."""
        row = self._window.take_list.chosen_row
        return self._session.takes.take(row).number if row >= 0 else None

    def chosen_take(self) -> Take | None:
        """The take the list has chosen, with all its notes so far."""
        row = self._window.take_list.chosen_row
        return self._composing.current(self._session.takes.take(row)) if row >= 0 else None

    def export(self) -> None:
        """The chosen take as a MIDI file."""
        take = self.chosen_take()
        if take is None or not len(take.performance):
            return

        def save(path: Path) -> None:
            self._settings.folder = str(path.parent)
            self._session.export(take, path)

        folder = suggested_folder(self._settings.folder)
        self._studio.dialogs.save_file(self.tr("Export MIDI"), folder, take.file_name, save)

    def choose_files(self, role: str) -> None:
        """Files for a card."""

        def load(paths: list[Path]) -> None:
            self._settings.folder = str(paths[0].parent)
            self._session.open(paths, role)

        title = self.tr("Open a style") if role == STYLE else self.tr("Open a melody")
        self._studio.dialogs.open_files(title, suggested_folder(self._settings.folder), load)

    # What is shown

    def _show_clip(self, role: str, clip: Clip | None) -> None:
        self._window.cards[role].show_clip(clip)
        if role == MELODY:
            self._window.candidate_bar.show_clip(clip)
        self._show_sources()

    def _show_sources(self) -> None:
        style, melody = self._session.clip(STYLE), self._session.clip(MELODY)
        self._window.panel.show_sources(style is not None, melody is not None)
        for role in (STYLE, MELODY):
            self._window.action(f"clear_{role}").setEnabled(self._session.clip(role) is not None)
        self._show_melody()
        self._show_hint()

    def _show_melody(self) -> None:
        """The chosen take's own; without a take what is on the card."""
        row, card = self._window.take_list.chosen_row, self._session.clip(MELODY)
        melody = self._session.takes.take(row).melody if row >= 0 else card.whole if card else None
        self._window.roll.show_melody(melody)

    def _show_hint(self) -> None:
        """One sentence on what to press, until there is a take."""
        has_take = self._window.take_list.chosen_row >= 0
        self._window.roll.show_hint("" if has_take or self._composing.is_composing else self._hint())

    def _hint(self) -> str:
        style, melody = self._session.clip(STYLE), self._session.clip(MELODY)
        if style and melody:
            text = self.tr("Press Compose to hear “%1” played in the style of “%2”.")
            return filled(text, melody.name, style.name)
        if melody:
            return self.tr("Drop a performance on Style, then press Compose.")
        if style:
            text = self.tr("Press Compose for a new piece in the style of “%1”, or drop a tune on Melody.")
            return filled(text, style.name)
        return self.tr("Drop a performance on Style and a tune on Melody, then press Compose.")

    def _show_take(self) -> None:
        take = self.chosen_take()
        if take is not None:
            self._window.roll.show_performance(take.performance, self._composing.expected(take))
        self._show_melody()
        self._show_hint()
        self._refresh_actions()

    def _show_new_take(self, row: int, length: float) -> None:
        """The first of a job comes into view; the others wait in the list."""
        if row == self._composing.first_row:
            self._window.take_list.choose(row)

    def _show_events(self, row: int, events: list[Event]) -> None:
        if row == self._window.take_list.chosen_row:
            self._window.roll.add_events(events)
            self._refresh_actions()

    def _show_composing(self, is_composing: bool) -> None:
        self._window.panel.show_composing(is_composing)
        self._window.action("compose").setEnabled(not is_composing)
        self._window.action("cancel").setEnabled(is_composing)
        self._show_hint()
        self._refresh_actions()

    def _show_speed(self) -> None:
        """How fast it was, when it is over."""
        progress, self._last_progress = self._last_progress, None
        if progress is not None:
            text = filled(self.tr("Composed at %1 × real time"), f"{progress.realtime:.1f}")
            self._window.panel.show_progress(1.0, text)

    def _show_progress(self, progress: Progress) -> None:
        self._last_progress = progress
        parts = []
        if progress.takes > 1:
            parts.append(filled(self.tr("Take %1 of %2"), progress.take + 1, progress.takes))
        parts.append(filled(self.tr("%1 × real time"), f"{progress.realtime:.1f}"))
        if progress.remaining is not None:
            parts.append(filled(self.tr("%1 left"), clock_time(progress.remaining + 0.5)))
        self._window.panel.show_progress(progress.share, " · ".join(parts))

    def _refresh_actions(self) -> None:
        takes, row = self._session.takes, self._window.take_list.chosen_row
        self._window.action("export").setEnabled(row >= 0 and self._composing.has_notes(takes.take(row)))
        has_takes = takes.rowCount() > 0
        for name in ("previous_take", "next_take"):
            self._window.action(name).setEnabled(has_takes)
