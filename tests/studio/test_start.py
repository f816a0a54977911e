"""Opening and closing the studio: examples, memory, pictures, a clean end."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QByteArray, QSettings, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QWidget
from pytestqt.qtbot import QtBot

from studio import app
from studio.actions import COMMANDS
from studio.clip import MELODY, STYLE
from studio.settings import Settings
from studio.theme import DARK, LIGHT
from tests.fakes import FakeComposer, FakePlayer

Open = Callable[..., app.Studio]
ROOT = Path(__file__).parents[2]


def test_it_opens_with_the_example_in_place_and_one_sentence_on_what_to_press(qtbot: QtBot, open_studio: Open) -> None:
    studio = open_studio(has_examples=True)
    assert studio.session.clip(STYLE).name == "Nocturne"
    assert studio.session.clip(MELODY).name == "Twinkle"
    hint = studio.window.roll.accessibleDescription()
    assert hint == "Press Compose to hear “Twinkle” played in the style of “Nocturne”."


def test_without_files_it_says_what_can_be_dropped(open_studio: Open) -> None:
    hint = open_studio().window.roll.accessibleDescription()
    assert hint == "Drop a performance on Style and a tune on Melody, then press Compose."


def test_closing_while_composing_and_playing_is_clean(qtbot: QtBot, open_studio: Open) -> None:
    gate, player = threading.Semaphore(4), FakePlayer()
    studio = open_studio(FakeComposer(gate=gate), player)
    studio.window.action("compose").trigger()
    qtbot.waitUntil(lambda: "play" in player.names())
    threading.Timer(0.05, lambda: gate.release(1)).start()  # the note under way when the window is closed
    studio.window.close()
    assert studio.engine_thread.isFinished()
    assert player.is_closed


def test_a_player_made_after_the_window_was_closed_is_closed_too(qtbot: QtBot, open_studio: Open) -> None:
    player, may_start = FakePlayer(), threading.Event()

    def make_player() -> FakePlayer:
        may_start.wait(5)
        return player

    studio = app.Studio(
        Settings(QSettings()), load_composer=FakeComposer, make_player=make_player, list_ports=list, list_inputs=list
    )
    studio.start(has_examples=False)
    threading.Timer(0.05, may_start.set).start()
    studio.window.close()
    assert player.is_closed


def test_size_and_theme_are_remembered(qtbot: QtBot, open_studio: Open, settings: Settings) -> None:
    studio = open_studio()
    studio.window.resize(studio.window.width(), 700)  # less than any screen
    studio.window.action("light").trigger()
    assert studio.theme is LIGHT
    studio.window.close()
    again = open_studio()
    assert again.window.height() == 700
    assert again.theme is LIGHT
    again.set_theme(DARK)


def test_settings_edited_into_nonsense_are_the_defaults(settings: Settings) -> None:
    settings.store.setValue("output/volume", "loud")
    settings.store.setValue("window/geometry", "large")
    assert settings.volume == 0.8
    assert settings.geometry == QByteArray()


def test_everything_that_takes_the_focus_has_a_name(open_studio: Open) -> None:
    studio = open_studio(has_examples=True)
    kinds = (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox)
    nameless = [
        widget
        for widget in studio.window.findChildren(QWidget)
        if isinstance(widget, kinds) and widget.focusPolicy() != Qt.FocusPolicy.NoFocus and widget.isVisible()
        if not (widget.accessibleName() or getattr(widget, "text", str)())
    ]
    assert nameless == []


def test_no_two_commands_share_a_shortcut() -> None:
    shortcuts = [keys for command in COMMANDS for keys in command.shortcuts]
    assert len(shortcuts) == len(set(shortcuts))


def test_space_presses_the_button_that_tab_has_reached(qtbot: QtBot, open_studio: Open) -> None:
    player = FakePlayer()
    studio = open_studio(player=player)
    lock = studio.window.panel.lock
    studio.window.activateWindow()
    lock.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.keyClick(lock, Qt.Key.Key_Space)
    assert lock.isChecked()
    assert "play" not in player.names()


def take_picture(path: Path, *files: Path) -> subprocess.CompletedProcess[str]:
    arguments = ["studio", *map(str, files), "--screenshot", str(path)]
    return subprocess.run([sys.executable, "-m", "studio", *arguments], cwd=ROOT, capture_output=True, text=True)


def test_space_plays_after_a_button_was_clicked_or_a_number_was_typed(qtbot: QtBot, open_studio: Open) -> None:
    player = FakePlayer()
    studio = open_studio(player=player)
    studio.window.activateWindow()
    studio.window.action("live").setChecked(False)
    seed = studio.window.panel.seed
    seed.setFocus()
    seed.selectAll()
    qtbot.keyClicks(seed, "42")
    qtbot.keyClick(seed, Qt.Key.Key_Return)
    with qtbot.waitSignal(studio.composing.ended):
        qtbot.mouseClick(studio.window.panel.button, Qt.MouseButton.LeftButton)
    assert studio.session.takes.take(0).recipe.seed == 42
    assert "stop" not in player.names()
    qtbot.keyClick(studio.window.focusWidget() or studio.window, Qt.Key.Key_Space)
    assert player.names()[-1] == "play"


def test_a_picture_shows_the_dropped_files_and_ends_the_program(files: dict[str, Path], tmp_path: Path) -> None:
    picture = tmp_path / "window.png"
    assert take_picture(picture, files["playing"], files["tune"]).returncode == 0
    image = QImage(str(picture))
    assert image.width() >= 640
    colours = {image.pixelColor(x, y).name() for x in range(0, image.width(), 3) for y in range(0, image.height(), 3)}
    assert {DARK.melody, DARK.style} <= colours


def test_a_picture_that_cannot_be_saved_is_one_sentence(tmp_path: Path) -> None:
    run = take_picture(tmp_path / "no such folder" / "window.png")
    assert run.returncode == 2
    assert "can't be written" in run.stderr


def test_an_exception_nobody_caught_is_shown_in_the_window(open_studio: Open) -> None:
    studio = open_studio()
    printed: list[object] = []
    report = app._report_to(studio, lambda *error: printed.append(error))
    error = KeyError("no such thing")
    report(KeyError, error, None)
    assert "no such thing" in studio.window.notice_bar.text
    assert printed
