"""The list of takes: its model, and takes dragged out as files."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PySide6.QtCore import QAbstractItemModel, Qt
from pytestqt.qtbot import QtBot

from engine.midi import read_midi
from engine.performance import Performance
from studio.app import Studio
from studio.mime import TakeFolder, paths_in
from studio.recipe import Recipe
from studio.takes import Scores, State, Take, TakeListModel
from tests.fakes import scale_notes

RECIPE = Recipe(style_name="Nocturne", melody_name="Twinkle", seed=7)
SCALE = Performance.of(scale_notes(8))


@pytest.fixture
def folder() -> Iterator[TakeFolder]:
    folder = TakeFolder()
    yield folder
    folder.close()


@pytest.fixture
def takes(folder: TakeFolder) -> TakeListModel:
    takes = TakeListModel(folder.mime_of)
    takes.append(Take(1, SCALE, RECIPE))
    takes.append(Take(2, SCALE.transpose(2), RECIPE, State.STOPPED, Scores(0.98, 0.75, 0.6)))
    takes.append(Take(3, Performance(), RECIPE, State.COMPOSING))
    return takes


def test_the_model_keeps_the_rules_of_qt(takes: TakeListModel, qtmodeltester: Any) -> None:
    model: QAbstractItemModel = takes
    qtmodeltester.check(model)
    takes.replace(0, Take(1, SCALE, RECIPE, scores=Scores(style=0.5)))
    takes.remove(2)
    qtmodeltester.check(model)


def test_a_screen_reader_hears_all_of_a_take(takes: TakeListModel) -> None:
    text = takes.data(takes.index(1), Qt.ItemDataRole.AccessibleTextRole)
    assert text == (
        "Take 2, 0:02, 8 notes, seed 7, stopped early, 98 % of the melody's notes are played, "
        "the tune is heard on top: 75 %, style: 60 %"
    )


def test_a_take_is_dragged_out_as_a_real_file_with_a_telling_name(takes: TakeListModel) -> None:
    mime = takes.mimeData([takes.index(0)])
    (path,) = paths_in(mime)
    assert path.name == "Twinkle – Nocturne – 7.mid"
    assert read_midi(path).notes == SCALE.notes
    assert mime.hasFormat("text/uri-list")


def test_two_takes_of_one_name_are_two_files(takes: TakeListModel) -> None:
    (first,), (second,) = (paths_in(takes.mimeData([takes.index(row)])) for row in (0, 1))
    assert read_midi(first).notes[0].pitch == 60
    assert read_midi(second).notes[0].pitch == 62


def test_a_name_no_file_may_have_becomes_one_it_may(folder: TakeFolder) -> None:
    take = Take(1, SCALE, Recipe(style_name="AC/DC: live?", melody_name="", seed=1))
    assert folder.prepare(take).name == "New piece – AC_DC_ live_ – 1.mid"


def test_a_take_without_notes_cannot_be_dragged(takes: TakeListModel) -> None:
    assert takes.flags(takes.index(0)) & Qt.ItemFlag.ItemIsDragEnabled
    assert not takes.flags(takes.index(2)) & Qt.ItemFlag.ItemIsDragEnabled


def test_a_composed_takes_file_is_there_before_it_is_dragged(qtbot: QtBot, open_studio: Callable[..., Studio]) -> None:
    studio = open_studio()
    with qtbot.waitSignal(studio.composing.ended):
        studio.window.action("compose").trigger()
    qtbot.waitUntil(lambda: studio.background.is_empty)
    takes = studio.session.takes
    (path,) = paths_in(takes.mimeData([takes.index(0)]))
    written = path.stat().st_mtime_ns
    takes.mimeData([takes.index(0)])
    assert path.stat().st_mtime_ns == written
    studio.window.close()
    assert not path.exists()
