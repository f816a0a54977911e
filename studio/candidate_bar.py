"""Which line of a file is the melody: up to three, the most melody-like first, each with a play button."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from studio.clip import Clip
from studio.icons import icon
from studio.theme import Theme, unit
from studio.words import filled, notes_text


class CandidateBar(QFrame):
    """Hidden where a melody's file has one line only."""

    candidate_chosen = Signal(int)
    play_requested = Signal(int)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._clip: Clip | None = None
        self._group = QButtonGroup(self)
        self._group.idClicked.connect(self.candidate_chosen)
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(1, 1, 1, 1)
        self._rows.setSpacing(0)
        self._holders: list[QWidget] = []  # a row each
        self._plays: list[QToolButton] = []
        self.setProperty("segments", True)
        self.setAccessibleName(self.tr("Lines that may be the melody"))
        self.hide()

    def show_clip(self, clip: Clip | None) -> None:
        """The lines of the melody's file."""
        lines = clip.candidates if clip else ()
        if self._clip is None or lines != self._clip.candidates:
            self._clear()
            for index in range(len(lines)):
                self._add_row(index)
        self._clip = clip
        if clip is not None and len(lines) > 1:
            self._group.button(clip.chosen).setChecked(True)
        self._name_rows()
        self.setVisible(len(lines) > 1)

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        self._theme = theme
        for button in self._plays:
            button.setIcon(icon("play", theme.text))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The names are cut to the width."""
        self._name_rows()

    def changeEvent(self, event: QEvent) -> None:
        """Another font: other lengths of text."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._name_rows()

    def _add_row(self, index: int) -> None:
        choose, play = QToolButton(), QToolButton()
        choose.setCheckable(True)
        choose.setProperty("segment", True)
        choose.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        play.setProperty("flat", True)
        play.setIcon(icon("play", self._theme.text))
        play.clicked.connect(lambda: self.play_requested.emit(index))
        for button in (choose, play):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._group.addButton(choose, index)
        self._plays.append(play)
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(choose, 1)
        row.addWidget(play)
        self._rows.addWidget(holder)
        self._holders.append(holder)

    def _clear(self) -> None:
        for button in self._group.buttons():
            self._group.removeButton(button)
        for holder in self._holders:
            holder.hide()
            self._rows.removeWidget(holder)
            holder.deleteLater()
        self._holders, self._plays = [], []

    def _name_rows(self) -> None:
        """What each line is called, and how many notes it has."""
        room = max(self.width() - unit(self) * 8, unit(self) * 8)
        for index, line in enumerate(self._clip.candidates if self._clip else ()):
            text = f"{line.name} · {notes_text(len(line.line))}"
            choose, play = self._group.button(index), self._plays[index]
            choose.setText(choose.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, room))
            choose.setToolTip(text)
            choose.setAccessibleName(filled(self.tr("Take %1 as the melody"), text))
            play.setToolTip(filled(self.tr("Play %1"), line.name))
            play.setAccessibleName(play.toolTip())
