"""A studio over fakes in its own process: says as JSON lines where its parts are on the screen and what happens."""

import json
import sys
from pathlib import Path

from PySide6.QtCore import QSettings, QTimer
from PySide6.QtWidgets import QApplication, QWidget

from studio.app import Studio
from studio.settings import Settings
from studio.theme import DARK, apply_theme
from tests.fakes import FakeComposer, FakePlayer, fake_ports


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


def centre(widget: QWidget) -> tuple[int, int]:
    return widget.mapToGlobal(widget.rect().center()).toTuple()


def main() -> int:
    app = QApplication(sys.argv)
    apply_theme(app, DARK)
    settings = Settings(QSettings(str(Path(sys.argv[1]) / "settings.ini"), QSettings.Format.IniFormat))
    studio = Studio(settings, FakeComposer, FakePlayer, fake_ports)
    studio.window.setGeometry(20, 40, 1100, 820)
    studio.start(has_examples=False)
    window = studio.window
    studio.session.clip_changed.connect(lambda role, clip: say(event="clip", role=role, name=clip.name))
    studio.composing.ended.connect(lambda: say(event="composed", takes=studio.session.takes.rowCount()))

    def say_where() -> None:
        first_take = window.take_list.mapToGlobal(window.take_list.rect().topLeft()).toTuple()
        say(
            event="ready",
            style=centre(window.cards["style"]),
            melody=centre(window.cards["melody"]),
            compose=centre(window.panel.button),
            take=(first_take[0] + 60, first_take[1] + 30),
        )

    QTimer.singleShot(500, say_where)  # the window manager has placed it by then
    return app.exec()


if __name__ == "__main__":
    sys.exit(main())
