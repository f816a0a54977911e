"""A whole studio over fakes, opened and closed for a test, and files to drop on it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.midi import write_midi
from engine.performance import Performance
from studio.app import Studio
from studio.settings import Settings
from studio.theme import DARK, apply_theme
from tests.fakes import FakeComposer, FakePlayer, fake_inputs, fake_ports
from tests.studio.hands import MELODY, STYLE


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The offscreen platform says this of every window whose least size changes; it is not about our code."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.qt_log_ignore("This plugin does not support propagateSizeHints"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat))


@pytest.fixture
def open_studio(qtbot: QtBot, qapp: QApplication, settings: Settings) -> Iterator[Callable[..., Studio]]:
    """Opens a studio over fakes; closes it after the test, and sees that nothing of it goes on."""
    opened: list[Studio] = []
    apply_theme(qapp, DARK)

    def open_one(composer: Any = None, player: Any = None, has_examples: bool = False, **more: Any) -> Studio:
        studio = Studio(
            settings,
            load_composer=lambda: composer or FakeComposer(),
            make_player=more.get("make_player", lambda: player or FakePlayer()),
            list_ports=more.get("list_ports", fake_ports),
            list_inputs=more.get("list_inputs", fake_inputs),
        )
        opened.append(studio)
        studio.start(has_examples=has_examples)
        qtbot.waitUntil(lambda: studio.background.is_empty)
        return studio

    yield open_one
    for studio in opened:
        studio.window.close()
        assert studio.engine_thread.isFinished()
        studio.window.deleteLater()
        studio.deleteLater()


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A melody, a melody with chords, a style, and what is no music."""
    paths = {name: tmp_path / f"{name}.mid" for name in ("tune", "chords", "playing", "letter", "empty")}
    write_midi(paths["tune"], MELODY)
    write_midi(paths["playing"], STYLE)
    write_midi(paths["chords"], Performance.of([*MELODY.notes, *(note._replace(pitch=48) for note in MELODY.notes)]))
    paths["letter"].write_text("Dear Clara, enclosed please find no music.")
    paths["empty"].touch()
    return paths
