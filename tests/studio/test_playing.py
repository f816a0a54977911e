"""Playing from the window, over a fake player: transport, cards, outputs, faults."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from engine.errors import PlaybackError
from engine.performance import Performance
from engine.playback import BUILT_IN
from studio.app import Studio
from studio.background import Background
from studio.clip import MELODY, STYLE
from studio.settings import Settings
from studio.transport import Transport
from tests.fakes import FakeComposer, FakePlayer, scale_notes
from tests.studio.hands import MELODY as TUNE
from tests.studio.hands import drop

Open = Callable[..., Studio]


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def player() -> FakePlayer:
    return FakePlayer()


@pytest.fixture
def studio(qtbot: QtBot, open_studio: Open, player: FakePlayer) -> Studio:
    """With one take that has been composed in silence."""
    studio = open_studio(FakeComposer(), player)
    studio.window.action("live").setChecked(False)
    with qtbot.waitSignal(studio.composing.ended):
        studio.window.action("compose").trigger()
    player.calls.clear()
    return studio


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def transport(qtbot: QtBot, player: FakePlayer, clock: Clock) -> Transport:
    background = Background()
    transport = Transport(background, lambda: player, clock)
    qtbot.waitUntil(lambda: background.is_empty)
    transport.load("tune", TUNE)
    return transport


def test_space_plays_the_chosen_take_and_pauses_it(qtbot: QtBot, studio: Studio, player: FakePlayer) -> None:
    qtbot.keyClick(studio.window, Qt.Key.Key_Space)
    assert player.events == scale_notes(16)
    assert player.names()[-1] == "play"
    assert studio.window.action("play").text() == "Pause"
    qtbot.keyClick(studio.window, Qt.Key.Key_Space)
    assert player.names()[-1] == "pause"


def test_return_stops_and_goes_back_and_f12_silences_everything(
    qtbot: QtBot, studio: Studio, player: FakePlayer
) -> None:
    qtbot.keyClick(studio.window, Qt.Key.Key_Space)
    qtbot.keyClick(studio.window, Qt.Key.Key_Return)
    assert player.names()[-1] == "stop"
    assert studio.transport.position == 0.0
    qtbot.keyClick(studio.window, Qt.Key.Key_F12)
    assert player.names()[-1] == "panic"


def test_a_click_in_the_ruler_goes_there(qtbot: QtBot, studio: Studio, player: FakePlayer) -> None:
    roll = studio.window.roll
    x = round(roll.view().x(2.0))
    qtbot.mouseClick(roll.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(x, 5))
    assert player.calls[-1] == ("seek", pytest.approx(2.0, abs=0.05))
    assert studio.transport.position == pytest.approx(2.0, abs=0.05)


def test_a_cards_button_plays_its_music_and_pauses_it(
    qtbot: QtBot, studio: Studio, player: FakePlayer, files: dict[str, Path]
) -> None:
    card = studio.window.cards[MELODY]
    drop(card, files["tune"])
    qtbot.waitUntil(lambda: studio.session.clip(MELODY) is not None)
    card.play_requested.emit()
    assert [event.pitch for event in player.events] == [note.pitch for note in TUNE.notes]
    assert studio.transport.is_playing
    card.play_requested.emit()
    assert player.names()[-1] == "pause"


def test_clearing_a_card_silences_it(qtbot: QtBot, studio: Studio, player: FakePlayer, files: dict[str, Path]) -> None:
    drop(studio.window.cards[STYLE], files["playing"])
    qtbot.waitUntil(lambda: studio.session.clip(STYLE) is not None)
    studio.window.cards[STYLE].play_requested.emit()
    studio.session.clear(STYLE)
    assert player.names()[-1] == "stop"
    assert studio.transport.source is None


def test_another_output_is_chosen_and_remembered(studio: Studio, player: FakePlayer, settings: Settings) -> None:
    studio.window.transport_bar.port_chosen.emit("Synth")
    assert player.calls[-1] == ("set_port", "Synth")
    assert settings.port == "Synth"


def test_an_output_that_is_gone_is_told_in_the_bar_and_stays_in_the_list(
    qtbot: QtBot, open_studio: Open, settings: Settings
) -> None:
    settings.port = "Old piano"
    studio = open_studio()
    qtbot.waitUntil(lambda: studio.window.notice_bar.isVisible())
    assert "The MIDI port Old piano is not there. Choose another output." in studio.window.notice_bar.text
    ports = studio.window.transport_bar.ports
    assert [ports.itemText(row) for row in range(ports.count())] == [BUILT_IN, "Synth", "Old piano (not there)"]
    assert ports.currentIndex() == 2


def test_a_machine_whose_player_cannot_start_still_composes(qtbot: QtBot, open_studio: Open) -> None:
    class NoPlayer(FakePlayer):
        def __init__(self) -> None:
            raise PlaybackError("There is no sound here", "Export the take instead")

    studio = open_studio(make_player=NoPlayer)
    qtbot.waitUntil(lambda: studio.window.notice_bar.isVisible())
    assert "There is no sound here" in studio.window.notice_bar.text
    with qtbot.waitSignal(studio.composing.ended):
        studio.window.action("compose").trigger()
    assert studio.session.takes.rowCount() == 1
    assert not studio.transport.is_playing


def test_volume_goes_to_the_player_and_is_remembered(studio: Studio, player: FakePlayer, settings: Settings) -> None:
    studio.window.transport_bar.show_volume(0.25)
    assert player.calls[-1] == ("set_volume", 0.25)
    assert settings.volume == 0.25


def test_the_position_moves_on_between_two_reports(transport: Transport, clock: Clock) -> None:
    transport.play()
    clock.now += 1.5
    assert transport.position == 1.5
    transport.pause()
    clock.now += 1.0
    assert transport.position == 1.5


def test_the_position_moves_at_the_tempo_and_goes_round_with_the_loop(
    transport: Transport, player: FakePlayer, clock: Clock
) -> None:
    transport.play()
    transport.set_tempo_scale(2.0)
    clock.now += 1.5
    assert transport.position == 3.0
    transport.set_loop(2.0, 5.0)
    clock.now += 1.5
    assert transport.position == 3.0
    transport.set_tempo_scale(0.5)
    clock.now += 1.0
    assert transport.position == 3.5
    assert player.calls[-3:] == [("set_tempo_scale", 2.0), ("set_loop", 2.0, 5.0), ("set_tempo_scale", 0.5)]


def test_while_it_waits_for_notes_the_position_stands(transport: Transport, player: FakePlayer, clock: Clock) -> None:
    transport.play()
    transport.poll()
    player.report("waiting", 3.0)
    transport.poll()
    clock.now += 5.0
    assert transport.position == 3.0
    assert transport.is_playing


def test_at_the_end_it_is_back_at_the_start(transport: Transport, player: FakePlayer) -> None:
    transport.play()
    transport.poll()
    player.report("ended", 4.0)
    transport.poll()
    assert not transport.is_playing
    assert transport.position == 0.0


def test_what_was_reported_before_a_command_does_not_undo_it(
    qtbot: QtBot, transport: Transport, player: FakePlayer
) -> None:
    transport.play()
    transport.poll()
    player.report("playing", 1.0)  # on its way when pause is pressed
    transport.pause()
    with qtbot.assertNotEmitted(transport.playing_changed):
        transport.poll()
    assert not transport.is_playing
    transport.play()
    with qtbot.assertNotEmitted(transport.playing_changed):
        transport.poll()
    assert transport.is_playing


def test_a_fault_that_halts_the_player_is_told_and_shown(
    qtbot: QtBot, transport: Transport, player: FakePlayer
) -> None:
    transport.play()
    transport.poll()
    player.report("fault", 2.0, "The MIDI port Synth is gone. Connect it again.")
    player.report("paused", 2.0)
    with qtbot.waitSignal(transport.failed) as failed:
        transport.poll()
    assert failed.args[0].message == "The MIDI port Synth is gone. Connect it again."
    assert not transport.is_playing
    assert transport.position == 2.0


def test_a_long_piece_is_handed_over_beside_the_window_and_keeps_its_place_in_the_order(
    qtbot: QtBot, transport: Transport, player: FakePlayer
) -> None:
    player.calls.clear()
    transport.load("long", Performance.of(scale_notes(5000)))
    transport.play()
    transport.seek(3.0)
    assert "play" not in player.names()
    qtbot.waitUntil(lambda: len(player.calls) == 4)
    assert player.names() == ["load", "play", "pause", "play"]
    transport.poll()
    assert transport.is_playing
