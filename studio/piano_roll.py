"""The piano roll: one painted area with keyboard, ruler, notes, melody, pedal and playhead. It shows; it does not edit.

Everything is painted in one viewport and culled by the rectangle that has to be painted: a moving playhead costs two
strips a few pixels wide.
"""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QPoint, QRect, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QAbstractScrollArea, QWidget

from engine.performance import Note, Pedal, Performance
from studio.keyboard import paint_keyboard
from studio.roll_geometry import KEYS, NoteTable, PedalTable, RollView
from studio.roll_painting import paint_grid, paint_melody, paint_notes, paint_pedal, paint_playhead, paint_ruler
from studio.theme import Theme, translucent, unit
from studio.words import clock_time, notes_text

ZOOM_STEP = 1.25
CLOSEST, FARTHEST = 1000.0, 2.0  # pixels a second
TALLEST_ROW = 40.0  # pixels
TURN_AT, TURN_TO = 0.9, 0.1  # where in the width the page turns while playing, and where the playhead is then


class PianoRoll(QAbstractScrollArea):
    """Shows a take and a melody, left to right in seconds, one row a key."""

    seek_requested = Signal(float)  # seconds

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._notes, self._melody = NoteTable(), NoteTable()
        self._pedals = PedalTable()
        self._length = 0.0
        self._playhead: float | None = None
        self._lit: frozenset[int] = frozenset()
        self._hint = ""
        self._pixels_per_second = 0.0
        self._zoom_y = 1.0
        self._is_seeking = False
        self.follows = True
        self.setAccessibleName(self.tr("Piano roll"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFrameShape(QAbstractScrollArea.Shape.NoFrame)
        self.setMinimumSize(unit(self) * 40, unit(self) * 30)
        self.viewport().setMouseTracking(True)
        self._pixels_per_second = unit(self) * 8.0
        self._describe()

    # What is shown

    def show_performance(self, performance: Performance, length: float = 0.0) -> None:
        """Another take, from its start. length: seconds it will have when it is composed."""
        self._notes, self._pedals = NoteTable(performance), PedalTable(performance.pedals)
        self._length = max(length, performance.seconds)
        self.horizontalScrollBar().setValue(0)
        self._changed()

    def add_events(self, events: Iterable[Note | Pedal]) -> None:
        """More of the take that is being composed."""
        events = list(events)
        self._notes.append(event for event in events if isinstance(event, Note))
        self._pedals.append(event for event in events if isinstance(event, Pedal))
        self._changed()

    def show_melody(self, melody: Performance | None) -> None:
        """The melody that lies over the take, or none."""
        self._melody = NoteTable(melody)
        self._changed()

    def show_hint(self, text: str) -> None:
        """A sentence in the middle, for when there is no take; empty: none."""
        self._hint = text
        self._describe()
        self.viewport().update()

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        self._theme = theme
        self.viewport().update()

    def move_playhead(self, seconds: float | None) -> None:
        """Repaints the strip it leaves and the strip it enters; turns the page when it comes to the edge."""
        view = self.view()
        left, self._playhead = self._playhead, seconds
        if left is not None and seconds is not None and self.follows and not self._is_seeking:
            self._turn_page(view, left, seconds)
        view = self.view()
        for strip in (left, seconds):
            if strip is not None:
                self.viewport().update(round(view.x(strip)) - 7, 0, 15, self.viewport().height())
        lit = self._notes.sounding(seconds) if seconds is not None else frozenset()
        if lit != self._lit:
            self._lit = lit
            self.viewport().update(0, view.top, view.left, view.bottom - view.top)

    # Zoom and scroll

    def zoom_in(self) -> None:
        """Nearer, at the middle."""
        self._zoom_at((self.view().left + self.viewport().width()) / 2, ZOOM_STEP)

    def zoom_out(self) -> None:
        """Farther, at the middle."""
        self._zoom_at((self.view().left + self.viewport().width()) / 2, 1 / ZOOM_STEP)

    def zoom_to_fit(self) -> None:
        """All of it in sight."""
        view = self.view()
        self._zoom_y = 1.0
        wanted = (view.right - view.left) / max(self._seconds() * 1.02, 1.0)
        self._pixels_per_second = min(max(wanted, FARTHEST), CLOSEST)
        self._update_scroll_bars()
        self.viewport().update()

    def view(self) -> RollView:
        """What is seen now."""
        half = unit(self)
        size = self.viewport().size()
        top, bottom = half * 3, size.height() - half * 3
        return RollView(
            pixels_per_second=self._pixels_per_second,
            row_height=max((bottom - top) / KEYS, 3.0) * self._zoom_y,
            left=half * 6,
            top=top,
            right=size.width(),
            bottom=bottom,
            scroll_x=self.horizontalScrollBar().value(),
            scroll_y=self.verticalScrollBar().value(),
        )

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Wheel scrolls time, with Shift pitch; Ctrl zooms time at the pointer, Alt pitch."""
        delta = event.angleDelta()
        turned = delta.y() or delta.x()  # Alt and Shift may turn the axis, by platform
        modifiers = event.modifiers()
        if modifiers & Qt.KeyboardModifier.ControlModifier:
            self._zoom_at(event.position().x(), ZOOM_STEP ** (turned / 120))
        elif modifiers & Qt.KeyboardModifier.AltModifier:
            self._zoom_rows_at(event.position().y(), ZOOM_STEP ** (turned / 120))
        elif modifiers & Qt.KeyboardModifier.ShiftModifier:
            self._scroll_by(QPoint(0, turned))
        else:
            self._scroll_by(QPoint(delta.x() or delta.y(), delta.y() if delta.x() else 0))
        event.accept()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Rows are as tall as the window lets them be."""
        self._update_scroll_bars()

    # Mouse

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A press in the ruler moves the playhead."""
        if event.button() == Qt.MouseButton.LeftButton and self._is_in_ruler(event.position().toPoint()):
            self._is_seeking = True
            self._seek_to(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """A drag in the ruler drags the playhead."""
        if self._is_seeking:
            self._seek_to(event.position().x())
        shape = Qt.CursorShape
        in_ruler = self._is_in_ruler(event.position().toPoint())
        self.viewport().setCursor(shape.PointingHandCursor if in_ruler else shape.ArrowCursor)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """The playhead stays."""
        self._is_seeking = False

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """All of it in sight."""
        if not self._is_in_ruler(event.position().toPoint()):
            self.zoom_to_fit()

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """Only what the event's rectangle shows."""
        painter = QPainter(self.viewport())
        view, exposed = self.view(), event.rect()
        columns = QRect(max(exposed.left(), view.left), 0, 0, 0)
        columns.setRight(exposed.right())
        if columns.width() > 0:
            self._paint_columns(painter, view, columns)
        if exposed.left() < view.left:
            self._paint_keyboard(painter, view)
        painter.setClipRect(exposed)
        if self._hint:
            self._paint_hint(painter, view)

    def _paint_columns(self, painter: QPainter, view: RollView, columns: QRect) -> None:
        """Ruler, roll and pedal between two pixels, and the playhead over them."""
        theme, height = self._theme, self.viewport().height()

        def part(top: int, bottom: int) -> QRect:
            rect = QRect(columns.left(), top, columns.width(), bottom - top)
            painter.setClipRect(rect)
            return rect

        roll = part(view.top, view.bottom)
        paint_grid(painter, view, theme, roll, self._seconds())
        paint_notes(painter, view, theme, self._notes, roll)
        paint_melody(painter, view, theme, self._melody, roll)
        until = max(self._notes.seconds, self._pedals.seconds)
        paint_pedal(painter, view, theme, self._pedals, part(view.bottom, height), until)
        paint_ruler(painter, view, theme, part(0, view.top))
        part(0, height)
        if self._playhead is not None:
            paint_playhead(painter, view, theme, self._playhead, height)

    def _paint_keyboard(self, painter: QPainter, view: RollView) -> None:
        """The strip at the left with its two corners."""
        height = self.viewport().height()
        painter.setClipRect(QRect(0, 0, view.left, height))
        painter.fillRect(QRect(0, 0, view.left, view.top), QColor(self._theme.panel))
        painter.fillRect(QRect(0, view.bottom, view.left, height - view.bottom), QColor(self._theme.panel))
        self._paint_pedal_name(painter, view, height)
        painter.setClipRect(QRect(0, view.top, view.left, view.bottom - view.top))
        paint_keyboard(painter, view, self._theme, self._lit)

    def _paint_pedal_name(self, painter: QPainter, view: RollView, height: int) -> None:
        painter.setPen(QColor(self._theme.quiet))
        name = QRect(0, view.bottom, view.left - unit(self) // 2, height - view.bottom)
        painter.drawText(name, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, self.tr("Pedal"))

    def _paint_hint(self, painter: QPainter, view: RollView) -> None:
        font = self.font()
        font.setPointSizeF(font.pointSizeF() * 1.3)
        painter.setFont(font)
        half = unit(self)
        room = QRect(view.left, view.top, view.right - view.left, view.bottom - view.top).adjusted(
            half * 4, 0, -half * 4, 0
        )
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        text = painter.boundingRect(room, flags, self._hint)
        card = text.adjusted(-half * 3, -half * 2, half * 3, half * 2)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.setPen(QColor(self._theme.line))
        painter.setBrush(translucent(self._theme.raised, 0.94))
        painter.drawRoundedRect(card, half, half)
        painter.setPen(QColor(self._theme.text))
        painter.drawText(text, flags, self._hint)

    # Helpers

    def _seconds(self) -> float:
        return max(self._length, self._notes.seconds, self._melody.seconds)

    def _changed(self) -> None:
        self._length = max(self._length, self._notes.seconds)
        self._update_scroll_bars()
        self._describe()
        self.viewport().update()

    def _describe(self) -> None:
        notes = notes_text(len(self._notes))
        self.setAccessibleDescription(self._hint or f"{notes}, {clock_time(self._notes.seconds)}")

    def _is_in_ruler(self, point: QPoint) -> bool:
        view = self.view()
        return point.y() < view.top and point.x() >= view.left

    def _seek_to(self, x: float) -> None:
        self.seek_requested.emit(min(max(self.view().seconds(x), 0.0), self._seconds()))

    def _turn_page(self, view: RollView, left: float, seconds: float) -> None:
        """Only if it was in sight: someone who scrolled away is not called back."""
        width = view.right - view.left
        was_seen = view.left <= view.x(left) <= view.right
        if was_seen and not view.left <= view.x(seconds) <= view.left + width * TURN_AT:
            self.horizontalScrollBar().setValue(round(seconds * view.pixels_per_second - width * TURN_TO))

    def _scroll_by(self, delta: QPoint) -> None:
        bars = (self.horizontalScrollBar(), self.verticalScrollBar())
        for bar, turned in zip(bars, (delta.x(), delta.y()), strict=True):
            bar.setValue(bar.value() - round(turned * bar.singleStep() / 120))

    def _zoom_at(self, x: float, factor: float) -> None:
        view = self.view()
        anchor = view.seconds(max(x, view.left))
        self._pixels_per_second = min(max(view.pixels_per_second * factor, FARTHEST), CLOSEST)
        self._update_scroll_bars()
        self.horizontalScrollBar().setValue(round(anchor * self._pixels_per_second - (max(x, view.left) - view.left)))
        self.viewport().update()

    def _zoom_rows_at(self, y: float, factor: float) -> None:
        view = self.view()
        rows = (y - view.top + view.scroll_y) / view.row_height
        least = view.row_height / self._zoom_y
        self._zoom_y = min(max(self._zoom_y * factor, 1.0), max(TALLEST_ROW / least, 1.0))
        self._update_scroll_bars()
        self.verticalScrollBar().setValue(round(rows * least * self._zoom_y - (y - view.top)))
        self.viewport().update()

    def _update_scroll_bars(self) -> None:
        view = self.view()
        width, height = view.right - view.left, view.bottom - view.top
        across, down = self.horizontalScrollBar(), self.verticalScrollBar()
        music = round(self._seconds() * view.pixels_per_second)
        across.setRange(0, max(0, music + width // 8 - width) if music > width else 0)
        across.setPageStep(width)
        across.setSingleStep(max(width // 8, 1))
        down.setRange(0, max(0, round(view.row_height * KEYS) - height))
        down.setPageStep(height)
        down.setSingleStep(round(view.row_height * 6))
