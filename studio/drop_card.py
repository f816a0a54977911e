"""A card for the style or the melody: drop files on it, choose one, see it small, hear it, clear it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QImage,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from engine.performance import Performance
from studio.clip import Clip
from studio.icons import icon
from studio.mime import notes_in, paths_in
from studio.miniature import picture
from studio.theme import Theme, mixed, unit
from studio.words import clock_time, filled, notes_text

LYRICS_SHOWN = 60  # letters; all of them in the tool tip


class Miniature(QWidget):
    """The small picture, made once for each size, with a playhead while it plays."""

    def __init__(self, theme: Theme, role: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme, self._role = theme, role
        self._performance: Performance | None = None
        self._position: float | None = None
        self._picture: QImage | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def sizeHint(self) -> QSize:
        """Wide and low."""
        return QSize(unit(self) * 24, unit(self) * 7)

    def minimumSizeHint(self) -> QSize:
        """Still to be recognised."""
        return QSize(unit(self) * 12, unit(self) * 5)

    def show_performance(self, performance: Performance | None) -> None:
        """Another performance, or none."""
        self._performance, self._picture = performance, None
        self.update()

    def move_playhead(self, seconds: float | None) -> None:
        """Where it plays, or None."""
        if seconds != self._position:
            self._position = seconds
            self.update()

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        self._theme, self._picture = theme, None
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The picture, made anew when the size changed."""
        if self._performance is None or not len(self._performance):
            return
        ratio = self.devicePixelRatioF()
        size = QSize(round(self.width() * ratio), round(self.height() * ratio))
        if self._picture is None or self._picture.size() != size:
            self._picture = picture(self._performance, size, QColor(getattr(self._theme, self._role)))
        painter = QPainter(self)
        painter.drawImage(QRectF(self.rect()), self._picture)
        if self._position is not None:
            x = self.width() * min(self._position / max(self._performance.seconds, 1e-9), 1.0)
            painter.fillRect(QRectF(round(x), 0, 1.5, self.height()), QColor(self._theme.playhead))


class DropCard(QFrame):
    """role: the clip's role, and the name of its colour in the theme."""

    files_dropped = Signal(list)  # of Path
    notes_dropped = Signal(str)  # typed
    choose_requested = Signal()
    play_requested = Signal()
    clear_requested = Signal()
    dragged_over = Signal(bool)

    def __init__(self, role: str, title: str, invitation: str, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._role, self._title, self._invitation, self._theme = role, title, invitation, theme
        self._clip: Clip | None = None
        self._is_playing = self._is_inviting = self._is_target = False
        self._heading, self._name, self._length = QLabel(title), QLabel(), QLabel()
        self._miniature = Miniature(theme, role)
        self._play, self._choose, self._clear = (QToolButton() for _ in range(3))
        self._first_choose = QPushButton(self.tr("Choose a file…"))
        self._picture, self._pages = QLabel(), QStackedWidget()
        self.setAcceptDrops(True)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self._build()
        self.set_theme(theme)
        self.show_clip(None)

    def _build(self) -> None:
        half = unit(self)
        self.setAccessibleName(self._title)
        buttons = (
            (self._play, self.tr("Play the %1"), self.play_requested),
            (self._choose, self.tr("Choose a file for the %1"), self.choose_requested),
            (self._clear, self.tr("Clear the %1"), self.clear_requested),
        )
        head = QHBoxLayout()
        head.setSpacing(0)
        head.addWidget(self._heading, 1)
        for button, name, signal in buttons:
            button.setProperty("flat", True)
            button.setToolTip(filled(name, self._title.lower()))
            button.setAccessibleName(button.toolTip())
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(signal)
            head.addWidget(button)
        self._first_choose.setAccessibleName(filled(self.tr("Choose a file for the %1"), self._title.lower()))
        self._first_choose.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._first_choose.clicked.connect(self.choose_requested)
        self._length.setProperty("quiet", True)
        self._length.setTextFormat(Qt.TextFormat.PlainText)
        self._length.setMinimumWidth(half * 8)
        self._name.setTextFormat(Qt.TextFormat.PlainText)
        self._name.setMinimumWidth(half * 8)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(half * 3 // 2, half, half, half * 3 // 2)
        layout.setSpacing(half // 2)
        layout.addLayout(head)
        layout.addWidget(self._pages, 1)
        self._heading.setMinimumHeight(self._play.sizeHint().height())
        self._pages.addWidget(self._empty_page())
        self._pages.addWidget(self._full_page())

    def _empty_page(self) -> QWidget:
        """What can be dropped, in the middle."""
        text = QLabel(self._invitation)
        text.setProperty("quiet", True)
        text.setWordWrap(True)
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, unit(self) * 2)
        layout.setSpacing(unit(self))
        layout.addStretch(1)
        for label in (self._picture, text):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            layout.addWidget(label)
        layout.addWidget(self._first_choose, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(1)
        return page

    def _full_page(self) -> QWidget:
        """Name, length and the small picture."""
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(unit(self) // 2)
        layout.addWidget(self._name)
        layout.addWidget(self._length)
        layout.addWidget(self._miniature, 1)
        return page

    @property
    def miniature(self) -> Miniature:
        """The small picture."""
        return self._miniature

    def show_clip(self, clip: Clip | None) -> None:
        """What is on the card, or nothing."""
        self._clip = clip
        self._miniature.show_performance(clip.whole if clip else None)
        self._pages.setCurrentIndex(0 if clip is None else 1)
        for button in (self._play, self._choose, self._clear):
            button.setVisible(clip is not None)
        self._length.setToolTip(clip.lyrics if clip else "")
        self._elide()
        self.setAccessibleDescription(f"{clip.name}, {self._length_text(clip)}" if clip else self._invitation)
        self.update()

    def show_playing(self, is_playing: bool) -> None:
        """Whether its music plays."""
        self._is_playing = is_playing
        self._play.setIcon(icon("pause" if is_playing else "play", self._theme.text))
        if not is_playing:
            self._miniature.move_playhead(None)

    def invite(self, is_inviting: bool) -> None:
        """Light up while files are dragged over the window."""
        self._is_inviting = is_inviting
        self.update()

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        self._theme = theme
        colour = getattr(theme, self._role)
        self._heading.setStyleSheet(f"color: {colour}; font-weight: 600;")
        self._miniature.set_theme(theme)
        self._picture.setPixmap(icon(self._role, colour).pixmap(unit(self) * 5))
        self._choose.setIcon(icon("open", theme.quiet))
        self._clear.setIcon(icon("clear", theme.quiet))
        self.show_playing(self._is_playing)
        self.update()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Any file may come; whether it is music is told after the drop."""
        if paths_in(event.mimeData()) or notes_in(event.mimeData()):
            event.acceptProposedAction()
            self._target(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """Not here."""
        self._target(False)

    def dropEvent(self, event: QDropEvent) -> None:
        """These files, or these notes."""
        self._target(False)
        paths, notes = paths_in(event.mimeData()), notes_in(event.mimeData())
        if paths or notes:
            event.acceptProposedAction()
        if paths:
            self.files_dropped.emit(paths)
        elif notes:
            self.notes_dropped.emit(notes)

    def changeEvent(self, event: QEvent) -> None:
        """Another font: other lengths of text."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._elide()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The name is cut to the width."""
        self._elide()

    def paintEvent(self, event: QPaintEvent) -> None:
        """A rounded card, dashed while it is empty, lit while files hang over it."""
        theme, half = self._theme, unit(self)
        colour = QColor(getattr(theme, self._role))
        fill, line = QColor(theme.panel), QPen(QColor(theme.line), 1.0)
        if self._clip is None:
            line.setStyle(Qt.PenStyle.DashLine)
        if self._is_inviting or self._is_target:
            fill = mixed(fill, colour, 0.22 if self._is_target else 0.08)
            line = QPen(colour, 2.0 if self._is_target else 1.5)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(line)
        painter.setBrush(fill)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), half, half)

    def _target(self, is_target: bool) -> None:
        self._is_target = is_target
        self.dragged_over.emit(is_target)
        self.update()

    def _length_text(self, clip: Clip) -> str:
        notes = notes_text(len(clip.whole))
        top_line = " · " + self.tr("top line") if clip.is_top_line else ""
        words = f" · {clip.lyrics[:LYRICS_SHOWN]}" if clip.lyrics else ""
        return f"{clock_time(clip.whole.seconds)} · {notes}{top_line}{words}"

    def _elide(self) -> None:
        name = self._clip.name if self._clip else ""
        room = max(self.width() - unit(self) * 3, 0)
        self._name.setText(self._name.fontMetrics().elidedText(name, Qt.TextElideMode.ElideRight, room))
        length = self._length_text(self._clip) if self._clip else ""
        self._length.setText(self._length.fontMetrics().elidedText(length, Qt.TextElideMode.ElideRight, room))
        self._name.setToolTip(name)
