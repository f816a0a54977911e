"""Files of every kind on the cards of the real window: scores, several tracks to choose from, takes that come back."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QApplication, QToolButton
from pytestqt.qtbot import QtBot

from engine.midi import MidiFile, Text, read_file, write_file
from engine.performance import Note
from studio.app import Studio
from studio.clip import MELODY, STYLE
from studio.recipe import GUIDE, KEEP
from tests.engine.test_candidates import BASS, CHORDS
from tests.engine.test_candidates import MELODY as TUNE
from tests.fakes import FakeDialogs, FakePlayer
from tests.studio.hands import drag_over, drop
from tests.studio.test_window import compose

Open = Callable[..., Studio]
Files = dict[str, Path]
WALTZ = "X:1\nT:Waltz\nM:3/4\nL:1/4\nQ:1/4=90\nK:G\nGAB|cde|\n"


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """Three tracks, the melody last, with words."""
    tracks = (replace(CHORDS, name="Piano"), replace(BASS, name="Bass"), replace(TUNE, name="Flute"))
    words = (Text(0.0, "Al"), Text(0.5, "le "), Text(1.0, "Vögel"))
    write_file(tmp_path / "song.mid", MidiFile("song", tracks, lyrics=words))
    return tmp_path / "song.mid"


@pytest.fixture
def waltz(tmp_path: Path) -> Path:
    (tmp_path / "waltz.abc").write_text(WALTZ)
    return tmp_path / "waltz.abc"


def rows(studio: Studio) -> list[QToolButton]:
    """The buttons of the candidates, choosing and playing in turn."""
    return studio.window.candidate_bar.findChildren(QToolButton)


def open_on(qtbot: QtBot, studio: Studio, role: str, path: Path) -> None:
    with qtbot.waitSignal(studio.session.clip_changed):
        assert drop(studio.window.cards[role], path)


def test_a_score_is_a_melody_even_with_chords(qtbot: QtBot, open_studio: Open, tmp_path: Path) -> None:
    studio = open_studio()
    (tmp_path / "hymn.abc").write_text("X:1\nK:C\nL:1/4\n[EG][FA][GB][Ac]|\n")
    with qtbot.waitSignal(studio.session.clip_changed):
        assert drop(studio.window, tmp_path / "hymn.abc")
    clip = studio.session.clip(MELODY)
    assert [note.pitch for note in clip.whole.notes] == [67, 69, 71, 72]
    assert clip.is_top_line
    assert not studio.window.candidate_bar.isVisible()


def test_of_several_tracks_the_melody_is_taken_and_others_can_be_chosen(
    qtbot: QtBot, open_studio: Open, song: Path
) -> None:
    studio = open_studio()
    open_on(qtbot, studio, MELODY, song)
    clip = studio.session.clip(MELODY)
    assert clip.whole.notes == TUNE.notes
    assert clip.lyrics == "Alle Vögel"
    bar = studio.window.candidate_bar
    assert bar.isVisible()
    assert rows(studio)[0].toolTip() == "Flute · 16 notes"
    with qtbot.waitSignal(studio.session.clip_changed):
        qtbot.mouseClick(rows(studio)[2], Qt.MouseButton.LeftButton)
    chosen = studio.session.clip(MELODY)
    assert chosen.chosen == 1
    assert chosen.whole.notes != TUNE.notes
    assert chosen.name == clip.name
    studio.session.clear(MELODY)
    assert not bar.isVisible()


def test_a_candidates_play_button_lets_it_be_heard(qtbot: QtBot, open_studio: Open, song: Path) -> None:
    player = FakePlayer()
    studio = open_studio(player=player)
    open_on(qtbot, studio, MELODY, song)
    qtbot.mouseClick(rows(studio)[3], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "play" in player.names())
    clip = studio.session.clip(MELODY)
    assert clip.chosen == 1
    assert [event for event in player.events if isinstance(event, Note)] == list(clip.whole.notes)


def test_typed_notes_are_dropped_as_text(qtbot: QtBot, open_studio: Open) -> None:
    studio = open_studio()
    card = studio.window.cards[MELODY]
    mime, letter = QMimeData(), QMimeData()
    mime.setText("C4 C4 G4 G4 A4 A4 G4/2")
    letter.setText("Dear Clara")
    assert not drag_over(card, letter)
    assert drag_over(card, mime)
    action, button, key = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    with qtbot.waitSignal(studio.session.clip_changed):
        QApplication.sendEvent(card, QDropEvent(QPointF(card.rect().center()), action, mime, button, key))
    assert [note.pitch for note in studio.session.clip(MELODY).whole.notes] == [60, 60, 67, 67, 69, 69, 67]


def test_a_take_is_written_on_the_melodys_bars_with_its_recipe(
    qtbot: QtBot, open_studio: Open, files: Files, waltz: Path, tmp_path: Path
) -> None:
    studio = open_studio()
    open_on(qtbot, studio, MELODY, waltz)
    open_on(qtbot, studio, STYLE, files["playing"])
    compose(qtbot, studio)
    take = studio.session.takes.take(0)
    with qtbot.waitSignal(studio.session.noticed):
        studio.session.export(take, tmp_path / "take.mid")
    file = read_file(tmp_path / "take.mid")
    assert [(meter.beats, meter.unit) for meter in file.meters] == [(3, 4)]
    assert file.tempo_map.changes == ((0, 666_667),)
    assert file.recipe is not None
    assert file.recipe["seed"] == take.recipe.seed
    assert [source["name"] for source in file.recipe["style"]] == ["Playing"]
    assert file.recipe["melody"]["name"] == "Waltz"


def test_a_take_that_is_dropped_back_gives_its_settings_back(
    qtbot: QtBot, open_studio: Open, files: Files, tmp_path: Path
) -> None:
    studio = open_studio()
    panel = studio.window.panel
    open_on(qtbot, studio, MELODY, files["tune"])
    wanted = replace(panel.recipe, temperature=0.7, style_strength=1.8, melody_mode=GUIDE, seed=77, seconds=40.0)
    panel.show_recipe(wanted)
    compose(qtbot, studio)
    with qtbot.waitSignal(studio.session.noticed):
        studio.session.export(studio.session.takes.take(0), tmp_path / "take.mid")
    panel.show_recipe(replace(wanted, temperature=1.0, style_strength=1.0, melody_mode=KEEP, seed=1, seconds=None))
    with qtbot.waitSignal(studio.session.recipe_found):
        assert drop(studio.window, tmp_path / "take.mid")
    assert panel.recipe == wanted
    assert studio.session.clip(STYLE) is None
    assert "Tune" in studio.window.notice_bar.text
    open_on(qtbot, studio, STYLE, tmp_path / "take.mid")  # on a card it is music
    assert studio.session.clip(STYLE).name == "Take"


@pytest.mark.parametrize("suffix", [".musicxml", ".svg"])
def test_a_take_is_exported_as_its_name_says(
    suffix: str, qtbot: QtBot, open_studio: Open, files: Files, tmp_path: Path
) -> None:
    studio = open_studio()
    open_on(qtbot, studio, MELODY, files["tune"])
    compose(qtbot, studio)
    studio.dialogs = FakeDialogs(tmp_path / f"take{suffix}")
    with qtbot.waitSignal(studio.session.noticed):
        studio.window.action("export").trigger()
    content = (tmp_path / f"take{suffix}").read_text(encoding="utf-8")
    assert {".musicxml": "score-partwise", ".svg": "<svg"}[suffix] in content
    assert os.listdir(tmp_path).count(f"take{suffix}") == 1
