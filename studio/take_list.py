"""The list of takes: what each is and how well it fits; drag one out to get a file."""

from __future__ import annotations

from PySide6.QtCore import QItemSelection, QModelIndex, QPersistentModelIndex, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractItemView, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from studio.takes import State, Take, TakeListModel
from studio.theme import Theme, mixed, unit
from studio.words import clock_time, filled, percent

Index = QModelIndex | QPersistentModelIndex


class TakeDelegate(QStyledItemDelegate):
    """Paints one take: name and length, seed, and a meter for each score."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.theme = theme
        self.playing: int | None = None  # number of the take that plays
        self._half = unit(parent)

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Three lines and air."""
        return QSize(self._half * 22, self._half * 11)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """One row."""
        take = index.data(TakeListModel.TakeRole)
        rect: QRect = option.rect
        state: QStyle.StateFlag = option.state
        half = self._half
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_card(painter, QRectF(rect).adjusted(half // 2, half // 4, -half // 2, -half // 4), state)
        inner = rect.adjusted(half * 2, half * 5 // 4, -half * 2, -half)
        self._paint_heading(painter, inner, take, str(index.data(Qt.ItemDataRole.DisplayRole)))
        self._paint_meters(painter, inner, take)
        painter.restore()

    def _paint_card(self, painter: QPainter, card: QRectF, state: QStyle.StateFlag) -> None:
        theme = self.theme
        is_selected = bool(state & QStyle.StateFlag.State_Selected)
        is_hovered = bool(state & QStyle.StateFlag.State_MouseOver)
        fill = theme.hover if is_selected else theme.raised if is_hovered else theme.panel
        has_focus = bool(state & QStyle.StateFlag.State_HasFocus) and is_selected
        painter.setPen(QPen(QColor(theme.style if has_focus or is_selected else theme.line), 1.0))
        painter.setBrush(QColor(fill))
        painter.drawRoundedRect(card.adjusted(0.5, 0.5, -0.5, -0.5), self._half * 0.75, self._half * 0.75)

    def _paint_heading(self, painter: QPainter, room: QRect, take: Take, name: str) -> None:
        theme, half = self.theme, self._half
        line = QRect(room.left(), room.top(), room.width(), half * 2)
        bold = QFont(painter.font())
        bold.setWeight(QFont.Weight.DemiBold)
        plain = painter.font()
        painter.setFont(bold)
        painter.setPen(QColor(theme.style if take.number == self.playing else theme.text))
        left, right = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(line, left | middle, f"▸ {name}" if take.number == self.playing else name)
        painter.setFont(plain)
        painter.setPen(QColor(theme.quiet))
        painter.drawText(line, right | middle, self._length(take))
        below = line.translated(0, half * 2)
        painter.drawText(below, left | middle, filled(self.tr("seed %1"), take.recipe.seed))
        if take.state is State.STOPPED:
            painter.drawText(below, right | middle, self.tr("stopped"))

    def _length(self, take: Take) -> str:
        if take.state is State.COMPOSING:
            return self.tr("composing…")
        return clock_time(take.performance.seconds)

    def _paint_meters(self, painter: QPainter, room: QRect, take: Take) -> None:
        half = self._half
        gap = half * 2
        width = (room.width() - gap) // 2
        meters = (
            (self.tr("Melody"), take.scores.melody_f1, self.theme.melody),
            (self.tr("Style"), take.scores.style, self.theme.style),
        )
        for index, (name, share, colour) in enumerate(meters):
            place = QRect(room.left() + index * (width + gap), room.top() + half * 19 // 4, width, half * 7 // 2)
            self._paint_meter(painter, place, name, share, QColor(colour))

    def _paint_meter(self, painter: QPainter, place: QRect, name: str, share: float | None, colour: QColor) -> None:
        theme, half = self.theme, self._half
        small = QFont(painter.font())
        small.setPointSizeF(small.pointSizeF() * 0.88)
        normal = painter.font()
        painter.setFont(small)
        line = QRect(place.left(), place.top(), place.width(), half * 2)
        painter.setPen(QColor(theme.quiet))
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft | middle, name)
        painter.drawText(line, Qt.AlignmentFlag.AlignRight | middle, "–" if share is None else percent(share))
        painter.setFont(normal)
        groove = QRectF(place.left(), place.top() + half * 2.25, place.width(), half * 0.5)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(mixed(QColor(theme.line), QColor(theme.hover), 0.5))
        painter.drawRoundedRect(groove, groove.height() / 2, groove.height() / 2)
        if share:
            groove.setWidth(max(groove.width() * min(share, 1.0), groove.height()))
            painter.setBrush(colour)
            painter.drawRoundedRect(groove, groove.height() / 2, groove.height() / 2)


class TakeList(QListView):
    """One take is chosen at a time; a double click plays it."""

    take_chosen = Signal(int)  # row, -1 for none
    play_requested = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._delegate = TakeDelegate(theme, self)
        self.setItemDelegate(self._delegate)
        self.setAccessibleName(self.tr("Takes"))
        self.setMouseTracking(True)
        self.setDragEnabled(True)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragOnly)
        self.setDefaultDropAction(Qt.DropAction.CopyAction)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(unit(self) * 32)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Play it."""
        if self.indexAt(event.position().toPoint()).isValid():
            self.play_requested.emit()

    def selectionChanged(self, selected: QItemSelection, deselected: QItemSelection) -> None:
        """Say which row."""
        super().selectionChanged(selected, deselected)
        self.take_chosen.emit(self.chosen_row)

    @property
    def chosen_row(self) -> int:
        """The chosen row, -1 for none."""
        rows = self.selectionModel().selectedIndexes()
        return rows[0].row() if rows else -1

    def choose(self, row: int) -> None:
        """Choose a row and bring it into sight."""
        if 0 <= row < self.model().rowCount():
            self.setCurrentIndex(self.model().index(row, 0))

    def choose_next(self, step: int) -> None:
        """The next take (1), or the one before (-1)."""
        self.choose(max(self.chosen_row + step, 0))

    def show_playing(self, number: int | None) -> None:
        """Which take plays."""
        self._delegate.playing = number
        self.viewport().update()

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        self._delegate.theme = theme
        self.viewport().update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """While it is empty it says what will be here."""
        super().paintEvent(event)
        if self.model() is not None and not self.model().rowCount():
            painter = QPainter(self.viewport())
            painter.setPen(QColor(self._delegate.theme.quiet))
            half = unit(self)
            room = self.viewport().rect().adjusted(half, half, -half, -half)
            flags = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap
            painter.drawText(
                room, flags, self.tr("What you compose is listed here.\nDrag a take out to get a MIDI file.")
            )
