"""The window: docks, bars and menus around the piano roll. It arranges widgets; `app` connects them to the rest."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QByteArray, QEvent, QSize, Qt, Signal
from PySide6.QtGui import (
    QAction,
    QCloseEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QGuiApplication,
    QKeyEvent,
)
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QComboBox,
    QDockWidget,
    QLabel,
    QMainWindow,
    QToolBar,
    QVBoxLayout,
    QWidget,
)

from studio.actions import COMMANDS, MENUS, PERFORM, colour_actions, make_actions, translated
from studio.candidate_bar import CandidateBar
from studio.clip import MELODY, STYLE
from studio.drop_card import DropCard
from studio.generate_panel import GeneratePanel
from studio.mime import paths_in
from studio.notice_bar import NoticeBar
from studio.piano_roll import PianoRoll
from studio.take_list import TakeList
from studio.theme import Theme, unit
from studio.transport_bar import TransportBar


class MainWindow(QMainWindow):
    """Widgets are its attributes: cards, panel, roll, take_list, transport_bar, notice_bar, actions_by_name, and the
    menu click_ports, which is filled when it is opened."""

    files_dropped = Signal(list)  # of Path, on no card
    closing = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setWindowTitle("Hommage")
        self.actions_by_name = make_actions(self, theme)
        self.cards = {
            STYLE: DropCard(STYLE, self.tr("Style"), self.tr("Drop performances here: how it shall be played"), theme),
            MELODY: DropCard(MELODY, self.tr("Melody"), self.tr("Drop a tune here: what shall be played"), theme),
        }
        self.panel = GeneratePanel(theme)
        self.roll = PianoRoll(theme)
        self.take_list = TakeList(theme)
        self.transport_bar = TransportBar(self.actions_by_name, theme)
        self.notice_bar = NoticeBar(theme)
        self.candidate_bar = CandidateBar(theme)
        self.setAcceptDrops(True)
        self._add_menus()
        self._arrange()
        for card in self.cards.values():
            card.dragged_over.connect(self._invite)
        self.resize(self._first_size())

    def action(self, name: str) -> QAction:
        """A command by its name in the table."""
        return self.actions_by_name[name]

    def apply_theme(self, theme: Theme) -> None:
        """Other colours for everything that paints itself."""
        colour_actions(self.actions_by_name, theme)
        bars = (self.transport_bar, self.notice_bar, self.candidate_bar)
        widgets = (self.panel, self.roll, self.take_list, *bars, *self.cards.values())
        for widget in widgets:
            widget.set_theme(theme)  # type: ignore[attr-defined]

    def restore(self, geometry: QByteArray, docks: QByteArray) -> None:
        """As it was left; the first time in the middle of the screen."""
        if not (geometry and self.restoreGeometry(geometry)):
            return
        self.restoreState(docks)

    def event(self, event: QEvent) -> bool:
        """Space goes to a button that was reached by Tab, Enter to a number that is typed, not to the transport."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            focused, key = self.focusWidget(), event.key()
            presses = isinstance(focused, QAbstractButton | QComboBox) and key == Qt.Key.Key_Space
            commits = isinstance(focused, QAbstractSpinBox) and key in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
            if (presses or commits) and event.modifiers() == Qt.KeyboardModifier.NoModifier:
                event.accept()
                return True
        return super().event(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Files may come anywhere."""
        if paths_in(event.mimeData()):
            event.acceptProposedAction()
            self._invite(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """Gone, or over a card, which then says so itself."""
        self._invite(False)

    def dropEvent(self, event: QDropEvent) -> None:
        """On no card: each file goes where it belongs."""
        self._invite(False)
        paths = paths_in(event.mimeData())
        if paths:
            event.acceptProposedAction()
            self.files_dropped.emit(paths)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Everything ends before the window goes."""
        self.closing.emit()
        super().closeEvent(event)

    def _invite(self, is_inviting: bool) -> None:
        for card in self.cards.values():
            card.invite(is_inviting)

    def _add_menus(self) -> None:
        menus = {name: self.menuBar().addMenu(translated(name)) for name in MENUS}
        for command in COMMANDS:
            menu = menus[command.menu]
            if command.is_after_line:
                menu.addSeparator()
            menu.addAction(self.action(command.name))
        self._view_menu = menus[MENUS[-1]]
        self.click_ports = menus[PERFORM].addMenu(self.tr("Metronome &output"))

    def _arrange(self) -> None:
        half = unit(self)
        rows = [*((card, 1) for card in self.cards.values()), (self.candidate_bar, 0), (self.panel, 0)]
        left = _column(half, *rows)
        left.setMinimumWidth(half * 40)
        centre = _column(half, (self.notice_bar, 0), (self.roll, 1))
        self.setCentralWidget(centre)
        docks = (
            (self._dock("compose", self.tr("Compose"), left), Qt.DockWidgetArea.LeftDockWidgetArea),
            (self._dock("takes", self.tr("Takes"), self.take_list), Qt.DockWidgetArea.RightDockWidgetArea),
        )
        self._view_menu.addSeparator()
        for dock, area in docks:
            self.addDockWidget(area, dock)
            self._view_menu.addAction(dock.toggleViewAction())
        bar = QToolBar(self.tr("Transport"), self)
        bar.setObjectName("transport")
        bar.setMovable(False)
        bar.toggleViewAction().setEnabled(False)
        bar.addWidget(self.transport_bar)
        self.addToolBar(Qt.ToolBarArea.BottomToolBarArea, bar)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        self.setCorner(Qt.Corner.BottomLeftCorner, Qt.DockWidgetArea.LeftDockWidgetArea)
        self.setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)

    def _dock(self, name: str, title: str, content: QWidget) -> QDockWidget:
        dock = QDockWidget(title, self)
        dock.setObjectName(name)
        heading = QLabel(title)
        heading.setProperty("heading", True)
        dock.setTitleBarWidget(heading)
        dock.setWidget(content)
        return dock

    def _first_size(self) -> QSize:
        """Most of the screen, but no more than a person can look at."""
        half = unit(self)
        screen = QGuiApplication.primaryScreen()
        room = screen.availableSize() if screen else QSize(1280, 800)
        return QSize(min(half * 200, room.width() * 9 // 10), min(half * 124, room.height() * 9 // 10))


def _column(half: int, *rows: tuple[QWidget, int]) -> QWidget:
    """Widgets one below the other, with their shares of the height."""
    column = QWidget()
    layout = QVBoxLayout(column)
    layout.setContentsMargins(half, 0, half // 2, half)
    layout.setSpacing(half)
    for widget, share in rows:
        layout.addWidget(widget, share)
    return column


def suggested_folder(remembered: str) -> str:
    """Where file dialogs begin: the last folder if it is still there."""
    return remembered if remembered and Path(remembered).is_dir() else str(Path.home())
