"""Builds the studio and connects everything: the one place where widgets, session, engine and player meet."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QSettings, QTimer
from PySide6.QtWidgets import QApplication

from engine.errors import EngineError
from engine.playback import Player, Port, inputs, ports
from studio.background import Background
from studio.composing import Composing
from studio.desk import Desk
from studio.dialogs import FileDialogs
from studio.engine_thread import Composer, EngineThread
from studio.examples import example_files
from studio.icons import app_icon
from studio.listening import Listening
from studio.main_window import MainWindow
from studio.notice import Notice
from studio.performing import Performing
from studio.session import Session
from studio.settings import Settings
from studio.theme import DARK, LIGHT, THEMES, Theme, apply_theme
from studio.transport import AnyPlayer, Transport

TURN = 0.0005  # seconds a thread keeps the interpreter that another one wants
WARM_UP_AFTER = 1500  # ms: the window is there and quiet, then the model is loaded


class Studio(QObject):
    """Everything that is alive while the window is open. Model, player and ports are given, so a test gives fakes."""

    def __init__(
        self,
        settings: Settings,
        load_composer: Callable[[], Composer] | None = None,
        make_player: Callable[[], AnyPlayer] = Player,
        list_ports: Callable[[], list[Port]] = ports,
        list_inputs: Callable[[], list[Port]] = inputs,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.theme = THEMES.get(settings.theme, DARK)
        self.background = Background(self)
        self.session = Session(self.background, self)
        self.transport = Transport(self.background, make_player, parent=self)
        self.engine_thread = EngineThread(load_composer, self)
        self.composing = Composing(self.session, self.transport, self.engine_thread, self)
        self.window = MainWindow(self.theme)
        self.dialogs = FileDialogs(self.window)
        self.desk = Desk(self)
        self.listening = Listening(self, list_ports)
        self.performing = Performing(self, list_ports, list_inputs)
        self._is_closed = False
        self._connect_window()
        self.window.restore(settings.geometry, settings.docks)

    def start(self, files: Sequence[Path] = (), has_examples: bool = True) -> None:
        """Show the window with the examples, then with what was asked for."""
        self.window.show()
        # Qt's calls give the interpreter away, and each waits its turn again while the engine computes: a painting of
        # twenty calls took 100 ms with Python's own 5.
        sys.setswitchinterval(TURN)
        gc.freeze()  # what is loaded stays: looking through it again and again would stop the window for 100 ms
        self.engine_thread.start()
        if has_examples:
            for role, paths in example_files().items():
                self.session.open(paths, role)
        if files:
            self.session.open(files)

    def close(self) -> None:
        """Stop composing and playing, remember what is to be remembered."""
        if self._is_closed:
            return
        self._is_closed = True
        self.settings.geometry = self.window.saveGeometry()
        self.settings.docks = self.window.saveState()
        self.settings.store.sync()
        self.engine_thread.close()
        self.background.close()
        self.transport.close()
        self.session.close()

    def set_theme(self, theme: Theme) -> None:
        """Dark or light, at once."""
        if theme is self.theme:
            return
        self.theme = theme
        self.settings.theme = theme.name
        app = QApplication.instance()
        if isinstance(app, QApplication):
            apply_theme(app, theme)
        self.window.apply_theme(theme)
        self.listening.refresh()

    def _connect_window(self) -> None:
        """What concerns only the window itself."""
        window, roll = self.window, self.window.roll
        window.closing.connect(self.close)
        for name, slot in (
            ("quit", window.close),
            ("zoom_in", roll.zoom_in),
            ("zoom_out", roll.zoom_out),
            ("zoom_fit", roll.zoom_to_fit),
        ):
            window.action(name).triggered.connect(lambda _, slot=slot: slot())
        window.action("follow").setChecked(True)
        window.action("follow").toggled.connect(lambda follows: setattr(roll, "follows", follows))
        window.action("light").setChecked(self.theme is LIGHT)
        window.action("light").toggled.connect(lambda is_light: self.set_theme(LIGHT if is_light else DARK))


def run(files: Sequence[Path] = (), screenshot: Path | None = None) -> int:
    """Open the studio with these files on its cards; the exit code. With `screenshot`: save a picture and close."""
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    app.setApplicationName("Hommage")
    app.setOrganizationName("Hommage")
    app.setWindowIcon(app_icon())
    settings = Settings(QSettings())
    apply_theme(app, THEMES.get(settings.theme, DARK))
    studio = Studio(settings, make_player=Player if screenshot is None else partial(Player, audio=False))
    sys.excepthook = _report_to(studio, sys.excepthook)
    studio.start(files)
    if screenshot is not None:
        picture = Screenshot(studio, screenshot)
        code = app.exec()
        if picture.error is not None:
            raise picture.error
        return code
    QTimer.singleShot(WARM_UP_AFTER, studio.engine_thread.warm_up)
    return app.exec()


class Screenshot(QObject):
    """Waits until all files are on their cards and painted, saves the window as a picture, and ends the program."""

    def __init__(self, studio: Studio, path: Path) -> None:
        super().__init__(studio)
        self._studio, self._path = studio, path
        self.error: EngineError | None = None
        if studio.background.is_empty:
            QTimer.singleShot(0, self._take)
        else:
            studio.background.emptied.connect(lambda: QTimer.singleShot(0, self._take))

    def _take(self) -> None:
        if not self._studio.background.is_empty:
            return  # something more was asked for meanwhile: `emptied` comes again
        self._studio.background.emptied.disconnect()
        if not self._studio.window.grab().save(str(self._path), "PNG"):
            self.error = EngineError(f"{self._path} can't be written", "Choose another folder")
        self._studio.window.close()
        QApplication.quit()


def _report_to(
    studio: Studio, otherwise: Callable[..., object]
) -> Callable[[type[BaseException], BaseException, object], None]:
    """An exception that nobody caught is shown in the window and printed, and the work goes on."""

    def report(kind: type[BaseException], error: BaseException, traceback: object) -> None:
        otherwise(kind, error, traceback)
        if isinstance(error, Exception):
            studio.window.notice_bar.show_notice(Notice.of(error))

    return report
