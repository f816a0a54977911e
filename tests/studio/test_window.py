"""The way from two files to music through the real window, over a fake composer and a fake player."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from engine.errors import ModelError
from engine.midi import read_midi
from engine.performance import Note, Pedal
from studio.app import Studio
from studio.clip import MELODY, STYLE
from studio.takes import State
from tests.fakes import FakeComposer, FakeDialogs, FakePlayer, scale_notes
from tests.studio.hands import drag_over, drop, mime_of

Open = Callable[..., Studio]
Files = dict[str, Path]


def compose(qtbot: QtBot, studio: Studio) -> None:
    with qtbot.waitSignal(studio.composing.ended):
        qtbot.keyClick(studio.window, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: studio.background.is_empty)


def test_a_style_and_a_melody_dropped_on_their_cards_are_composed_into_a_take(
    qtbot: QtBot, open_studio: Open, files: Files
) -> None:
    composer = FakeComposer()
    studio = open_studio(composer)
    cards = studio.window.cards
    for role, name in ((STYLE, "playing"), (MELODY, "tune")):
        with qtbot.waitSignal(studio.session.clip_changed):
            assert drop(cards[role], files[name])
    compose(qtbot, studio)
    take = studio.session.takes.take(0)
    assert list(take.performance.notes) == composer.events
    assert take.state is State.WHOLE
    job = composer.jobs[0]
    assert job.melody is not None
    assert [note.pitch for note in job.melody.notes] == [60, 62, 64, 65, 67, 69, 71, 72]
    assert [len(performance) for performance in job.style] == [12]
    assert take.scores.melody_f1 is not None
    assert take.scores.style is not None


def test_files_dropped_on_the_window_find_their_card(qtbot: QtBot, open_studio: Open, files: Files) -> None:
    studio = open_studio()
    assert drop(studio.window, files["tune"], files["playing"])
    qtbot.waitUntil(lambda: studio.session.clip(STYLE) is not None and studio.session.clip(MELODY) is not None)
    assert studio.session.clip(STYLE).name == "Playing"
    assert studio.session.clip(MELODY).name == "Tune"


def test_several_files_on_the_style_card_are_one_style(qtbot: QtBot, open_studio: Open, files: Files) -> None:
    composer = FakeComposer()
    studio = open_studio(composer)
    drop(studio.window.cards[STYLE], files["playing"], files["tune"])
    qtbot.waitUntil(lambda: studio.session.clip(STYLE) is not None)
    compose(qtbot, studio)
    compose(qtbot, studio)
    assert [[len(performance) for performance in style] for style in composer.styled] == [[12, 8]]  # once, not twice


def test_of_a_melody_with_chords_the_top_line_is_taken_and_the_bar_says_so(
    qtbot: QtBot, open_studio: Open, files: Files
) -> None:
    studio = open_studio()
    drop(studio.window.cards[MELODY], files["chords"])
    qtbot.waitUntil(lambda: studio.session.clip(MELODY) is not None)
    melody = studio.session.clip(MELODY)
    assert [note.pitch for note in melody.whole.notes] == [60, 62, 64, 65, 67, 69, 71, 72]
    assert "top line" in studio.window.notice_bar.text


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("letter", "not a readable MIDI file"), ("empty", "empty"), ("missing", "There is no file"), ("", "a folder")],
)
def test_a_bad_file_is_one_sentence_in_the_bar_and_what_was_there_stays(
    qtbot: QtBot, open_studio: Open, files: Files, tmp_path: Path, name: str, sentence: str
) -> None:
    studio = open_studio()
    drop(studio.window.cards[STYLE], files["playing"])
    qtbot.waitUntil(lambda: studio.session.clip(STYLE) is not None)
    drop(studio.window.cards[STYLE], tmp_path / f"{name}.mid" if name else tmp_path)
    qtbot.waitUntil(lambda: studio.window.notice_bar.isVisible())
    assert sentence in studio.window.notice_bar.text
    assert studio.session.clip(STYLE).name == "Playing"


def test_both_cards_light_up_while_files_hang_over_the_window(open_studio: Open, files: Files) -> None:
    studio = open_studio()
    before = [card.grab().toImage() for card in studio.window.cards.values()]
    mime = mime_of(files["tune"])
    drag_over(studio.window, mime)
    assert all(card.grab().toImage() != image for card, image in zip(studio.window.cards.values(), before, strict=True))
    drop(studio.window.cards[MELODY], files["tune"])
    assert studio.window.cards[STYLE].grab().toImage() == before[0]


def test_text_dragged_over_the_window_is_not_taken(open_studio: Open) -> None:
    studio = open_studio()
    mime = mime_of()
    mime.setText("not a file")
    assert not drag_over(studio.window, mime)
    assert not drag_over(studio.window.cards[STYLE], mime)


def test_notes_appear_and_play_while_they_are_composed(qtbot: QtBot, open_studio: Open) -> None:
    gate = threading.Semaphore(1)
    player = FakePlayer()
    studio = open_studio(FakeComposer(gate=gate), player)
    studio.window.action("compose").trigger()
    qtbot.waitUntil(lambda: "play" in player.names())
    assert not player.is_finished
    assert "1 note" in studio.window.roll.accessibleDescription()
    gate.release(15)
    qtbot.waitUntil(lambda: player.is_finished)
    assert player.events == scale_notes(16)
    assert "16 notes" in studio.window.roll.accessibleDescription()


def test_composing_is_silent_where_play_while_composing_is_off(qtbot: QtBot, open_studio: Open) -> None:
    player = FakePlayer()
    studio = open_studio(player=player)
    studio.window.action("live").setChecked(False)
    compose(qtbot, studio)
    assert "play" not in player.names()
    assert not studio.settings.plays_while_composing


def test_the_button_composes_then_cancels_and_a_cancelled_take_keeps_its_notes(qtbot: QtBot, open_studio: Open) -> None:
    gate = threading.Semaphore(5)
    studio = open_studio(FakeComposer(gate=gate))
    button = studio.window.panel.button
    assert button.text() == "Compose"
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: button.text() == "Cancel")
    qtbot.waitUntil(lambda: studio.session.takes.rowCount() == 1)
    with qtbot.waitSignal(studio.composing.ended):
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        gate.release(1)  # the note that is under way when Cancel comes
    take = studio.session.takes.take(0)
    assert take.state is State.STOPPED
    assert list(take.performance.notes) == scale_notes(5)
    assert button.text() == "Compose"


def test_a_take_cancelled_before_its_first_note_leaves_no_trace(qtbot: QtBot, open_studio: Open) -> None:
    gate = threading.Semaphore(0)
    studio = open_studio(FakeComposer(gate=gate))
    studio.window.action("compose").trigger()
    qtbot.waitUntil(lambda: studio.session.takes.rowCount() == 1)
    with qtbot.waitSignal(studio.composing.ended):
        qtbot.keyClick(studio.window, Qt.Key.Key_Escape)
        gate.release(1)
    assert studio.session.takes.rowCount() == 0
    assert "press Compose" in studio.window.roll.accessibleDescription()


def test_no_pedal_and_no_repeated_key_hangs_in_a_take(qtbot: QtBot, open_studio: Open) -> None:
    events = [Pedal(0.0, 127), Note(0.0, 2.0, 60, 80), Note(1.0, 3.0, 60, 80)]
    player = FakePlayer()
    studio = open_studio(FakeComposer(events=events), player)
    compose(qtbot, studio)
    take = studio.session.takes.take(0).performance
    assert take.notes == (Note(0.0, 1.0, 60, 80), Note(1.0, 3.0, 60, 80))
    assert take.pedals == (Pedal(0.0, 127), Pedal(3.0, 0))
    assert player.events[-1] == Pedal(3.0, 0)


def test_takes_are_listed_in_the_order_they_were_made_each_with_its_own_seed(qtbot: QtBot, open_studio: Open) -> None:
    studio = open_studio()
    studio.window.panel.takes.setValue(3)
    compose(qtbot, studio)
    compose(qtbot, studio)
    takes = [studio.session.takes.take(row) for row in range(6)]
    assert [take.number for take in takes] == [1, 2, 3, 4, 5, 6]
    assert [take.recipe.seed for take in takes] == [1, 2, 3, 4, 5, 6]
    assert takes[1].performance.notes[0].pitch == 61


def test_a_held_seed_makes_the_same_takes_again(qtbot: QtBot, open_studio: Open) -> None:
    studio = open_studio()
    studio.window.panel.lock.click()
    compose(qtbot, studio)
    compose(qtbot, studio)
    assert [studio.session.takes.take(row).recipe.seed for row in range(2)] == [1, 1]


def test_choosing_a_take_shows_it(qtbot: QtBot, open_studio: Open) -> None:
    studio = open_studio(FakeComposer(events=scale_notes(3)))
    studio.window.panel.takes.setValue(2)
    compose(qtbot, studio)
    assert studio.window.take_list.chosen_row == 0
    qtbot.keyClick(studio.window, Qt.Key.Key_BracketRight)
    assert studio.window.take_list.chosen_row == 1
    assert "3 notes" in studio.window.roll.accessibleDescription()


def test_a_take_keeps_the_melody_it_was_composed_to(qtbot: QtBot, open_studio: Open, files: Files) -> None:
    studio = open_studio()
    drop(studio.window.cards[MELODY], files["tune"])
    qtbot.waitUntil(lambda: studio.session.clip(MELODY) is not None)
    compose(qtbot, studio)
    tune = studio.session.clip(MELODY)
    drop(studio.window.cards[MELODY], files["chords"])
    qtbot.waitUntil(lambda: studio.session.clip(MELODY) is not tune)
    assert studio.session.takes.take(0).melody == tune.whole


def test_a_composer_that_fails_is_told_in_the_bar_and_the_window_lives(qtbot: QtBot, open_studio: Open) -> None:
    error = ModelError("The model is broken", "Install Hommage again")
    composer = FakeComposer(error=error, error_at=4)
    studio = open_studio(composer)
    compose(qtbot, studio)
    assert studio.window.notice_bar.text == "This model can't be used: The model is broken. Install Hommage again."
    assert [len(studio.session.takes.take(row).performance) for row in range(1)] == [4]
    composer.error = None
    compose(qtbot, studio)
    assert studio.session.takes.rowCount() == 2


def test_an_error_nobody_foresaw_is_told_too(qtbot: QtBot, open_studio: Open) -> None:
    studio = open_studio(FakeComposer(error=ZeroDivisionError("by zero"), error_at=0))
    compose(qtbot, studio)
    assert "ZeroDivisionError: by zero" in studio.window.notice_bar.text
    assert studio.window.panel.button.text() == "Compose"


def test_export_writes_a_file_that_reads_back_equal(
    qtbot: QtBot, open_studio: Open, files: Files, tmp_path: Path
) -> None:
    studio = open_studio()
    drop(studio.window, files["tune"], files["playing"])
    qtbot.waitUntil(lambda: studio.session.clip(MELODY) is not None)
    compose(qtbot, studio)
    studio.dialogs = FakeDialogs(tmp_path / "mine.mid")
    with qtbot.waitSignal(studio.session.noticed):
        qtbot.keyClick(studio.window, Qt.Key.Key_E, Qt.KeyboardModifier.ControlModifier)
    assert studio.dialogs.suggested == "Tune – Playing – 1.mid"
    assert read_midi(tmp_path / "mine.mid").notes == studio.session.takes.take(0).performance.notes
    assert "Saved" in studio.window.notice_bar.text


def test_an_export_that_fails_is_told_and_the_take_stays(qtbot: QtBot, open_studio: Open, tmp_path: Path) -> None:
    studio = open_studio()
    compose(qtbot, studio)
    studio.dialogs = FakeDialogs(tmp_path / "no such folder" / "mine.mid")
    studio.window.action("export").trigger()
    qtbot.waitUntil(lambda: studio.window.notice_bar.isVisible())
    assert "can't be written" in studio.window.notice_bar.text
    assert studio.session.takes.rowCount() == 1


def test_files_can_be_chosen_from_the_menu_instead(qtbot: QtBot, open_studio: Open, files: Files) -> None:
    studio = open_studio()
    studio.dialogs = FakeDialogs(files["tune"])
    qtbot.keyClick(studio.window, Qt.Key.Key_O, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: studio.session.clip(STYLE) is not None)
    studio.window.action("clear_style").trigger()
    assert studio.session.clip(STYLE) is None
