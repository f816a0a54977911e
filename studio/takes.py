"""Takes in the order they were made, as the take list's view sees them. Takes are values; a change replaces one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from PySide6.QtCore import QAbstractListModel, QMimeData, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from engine.midi import MidiFile
from engine.performance import Performance
from studio.exports import Export
from studio.recipe import Recipe, written
from studio.take_files import timing_of
from studio.words import clock_time, filled, notes_text, percent

Index = QModelIndex | QPersistentModelIndex
NOWHERE = QModelIndex()


class State(Enum):
    """How far a take is."""

    COMPOSING = "composing"
    WHOLE = "whole"
    STOPPED = "stopped"  # by Cancel, or by an error: what was made until then is kept


@dataclass(frozen=True)
class Scores:
    """How well a take fits, each 0 to 1, None where there is nothing to fit to."""

    melody_recall: float | None = None  # share of the melody's notes that are played
    melody_f1: float | None = None  # is the tune heard on top?
    style: float | None = None  # overlap of the eight features


@dataclass(frozen=True)
class Take:
    """One composed piece. number: counts all takes of the session from 1."""

    number: int
    performance: Performance
    recipe: Recipe
    state: State = State.WHOLE
    scores: Scores = Scores()
    melody: Performance | None = None  # that it was composed to
    styles: tuple[Performance, ...] = ()  # that it was composed in
    melody_file: MidiFile | None = None  # whose tempo map it is written on

    @property
    def export(self) -> Export:
        """What a file of it holds; hashes its sources, so beside the window."""
        like = timing_of(self.melody_file) if self.melody_file else None
        return Export(self.performance, like, written(self.recipe, self.styles, self.melody), self.melody)

    @property
    def file_name(self) -> str:
        """Melody – Style – seed.mid"""
        melody = self.recipe.melody_name or "New piece"
        style = self.recipe.style_name or "No style"
        name = f"{melody} – {style} – {self.recipe.seed}"
        return "".join("_" if letter in '<>:"/\\|?*' or letter < " " else letter for letter in name)[:120] + ".mid"


class TakeListModel(QAbstractListModel):
    """The session's takes; dragging one out asks `mime_of` for a real file."""

    take_changed = Signal(int)  # row
    TakeRole = Qt.ItemDataRole.UserRole + 1

    def __init__(self, mime_of: Callable[[Take], QMimeData], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._mime_of = mime_of
        self._takes: list[Take] = []

    def rowCount(self, parent: Index = NOWHERE) -> int:
        """One row a take."""
        return 0 if parent.isValid() else len(self._takes)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """The take's name, what a screen reader says of it, or the take itself."""
        if not index.isValid() or index.row() >= len(self._takes):
            return None
        take = self._takes[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return filled(self.tr("Take %1"), take.number)
            case Qt.ItemDataRole.AccessibleTextRole | Qt.ItemDataRole.ToolTipRole:
                return self._description(take)
            case self.TakeRole:
                return take
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Every take can be selected, and dragged once it has a note."""
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        if not index.isValid():
            return Qt.ItemFlag.NoItemFlags
        return flags | Qt.ItemFlag.ItemIsDragEnabled if len(self._takes[index.row()].performance) else flags

    def mimeTypes(self) -> list[str]:
        """A file, for every program that takes files."""
        return ["text/uri-list"]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        """The first dragged take as a file."""
        return self._mime_of(self._takes[indexes[0].row()])

    def supportedDragActions(self) -> Qt.DropAction:
        """A take is copied out, never moved."""
        return Qt.DropAction.CopyAction

    def take(self, row: int) -> Take:
        """The take in a row."""
        return self._takes[row]

    def numbered(self, number: int) -> Take | None:
        """The take with a number."""
        return next((take for take in self._takes if take.number == number), None)

    def append(self, take: Take) -> int:
        """A new row at the end; its number."""
        row = len(self._takes)
        self.beginInsertRows(NOWHERE, row, row)
        self._takes.append(take)
        self.endInsertRows()
        return row

    def replace(self, row: int, take: Take) -> None:
        """Another take in the same row."""
        self._takes[row] = take
        index = self.index(row)
        self.dataChanged.emit(index, index)
        self.take_changed.emit(row)

    def remove(self, row: int) -> None:
        """Drop a take that came to nothing."""
        self.beginRemoveRows(NOWHERE, row, row)
        del self._takes[row]
        self.endRemoveRows()

    def _description(self, take: Take) -> str:
        parts = [
            filled(self.tr("Take %1"), take.number),
            clock_time(take.performance.seconds),
            notes_text(len(take.performance)),
            filled(self.tr("seed %1"), take.recipe.seed),
        ]
        if take.state is State.STOPPED:
            parts.append(self.tr("stopped early"))
        scores = take.scores
        if scores.melody_recall is not None and scores.melody_f1 is not None:
            parts.append(filled(self.tr("%1 of the melody's notes are played"), percent(scores.melody_recall)))
            parts.append(filled(self.tr("the tune is heard on top: %1"), percent(scores.melody_f1)))
        if scores.style is not None:
            parts.append(filled(self.tr("style: %1"), percent(scores.style)))
        return ", ".join(parts)
