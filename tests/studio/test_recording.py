"""Recording from the window, over a fake player: count-in, metronome, the last minute, and where it goes."""

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from engine.errors import PlaybackError
from engine.performance import Note
from engine.playback import Heard
from engine.playback.messages import NOTE_OFF, NOTE_ON
from engine.playback.metronome import TOP_KEYS, WOOD_BLOCKS, Metronome
from engine.playback.recorder import COUNT_IN, METRONOME, Recorder
from studio.app import Studio
from studio.clip import MELODY, STYLE
from studio.record_commands import recorded
from studio.recording import State
from studio.settings import Settings
from tests.fakes import FakePlayer
from tests.studio.hands import Hands

Open = Callable[..., Studio]


@pytest.fixture
def player() -> FakePlayer:
    return FakePlayer()


@pytest.fixture
def studio(open_studio: Open, player: FakePlayer) -> Studio:
    return open_studio(player=player)


@pytest.fixture
def hands(studio: Studio, player: FakePlayer) -> Hands:
    return Hands(studio, player)


def pitches(studio: Studio, role: str) -> list[int]:
    return [note.pitch for note in studio.session.clip(role).whole.notes]


def test_r_counts_in_and_records_and_r_again_puts_the_melody_on_its_card(
    qtbot: QtBot, studio: Studio, player: FakePlayer, hands: Hands
) -> None:
    qtbot.keyClick(studio.window, Qt.Key.Key_R)
    assert studio.performing.recording.state is State.COUNT_IN
    assert studio.window.action("record").isChecked()
    assert [click.start for click in player.lanes[COUNT_IN]] == [0.0, 0.5, 1.0, 1.5]
    assert player.names()[-1] == "play"
    hands.play(50, at=0.6, until=0.7)  # while it counts in
    player.report("playing", 2.1)
    hands.play(60, at=2.5, until=3.0)
    hands.play(62, at=3.0, until=3.5)
    assert studio.performing.recording.state is State.RECORDING
    qtbot.keyClick(studio.window, Qt.Key.Key_R)
    assert studio.performing.recording.state is State.OFF
    assert not studio.window.action("record").isChecked()
    assert studio.session.clip(MELODY).whole.notes == (Note(0.5, 1.0, 60, 80), Note(1.0, 1.5, 62, 80))
    assert studio.session.clip(STYLE) is None
    assert "stop" in player.names()[-2:], "the clicks end"
    assert "2 notes kept as “Recording 1”" in studio.window.notice_bar.text


def test_chords_go_to_the_style_and_either_can_be_put_on_the_other_card(studio: Studio, hands: Hands) -> None:
    studio.window.action("count_in").setChecked(False)
    assert not studio.window.action("recording_to_melody").isEnabled()
    studio.performing.recording.record()
    for pitch in (48, 55, 64):
        hands.play(pitch, at=1.0, until=2.0)
    hands.play(65, at=2.0, until=3.0)
    studio.performing.recording.stop()
    assert pitches(studio, STYLE) == [48, 55, 64, 65]
    studio.window.action("recording_to_melody").trigger()
    assert pitches(studio, MELODY) == [64, 65], "the top line"
    studio.session.clear(STYLE)
    studio.window.action("recording_to_style").trigger()
    assert pitches(studio, STYLE) == [48, 55, 64, 65]


def test_what_was_just_played_can_be_kept_without_having_pressed_record(
    qtbot: QtBot, studio: Studio, hands: Hands
) -> None:
    hands.play_now(60, 64, 67)
    qtbot.keyClick(studio.window, Qt.Key.Key_R, Qt.KeyboardModifier.ShiftModifier)
    assert pitches(studio, MELODY) == [60, 64, 67]
    assert studio.session.clip(MELODY).whole.notes[0].start == 0.0


def test_keeping_nothing_says_so_and_leaves_the_cards_alone(studio: Studio) -> None:
    studio.window.action("keep_played").trigger()
    assert "Nothing was played" in studio.window.notice_bar.text
    assert studio.session.clip(MELODY) is None


def test_the_metronome_is_mute_until_it_is_switched_on_and_its_clicks_never_run_out(
    studio: Studio, player: FakePlayer, settings: Settings
) -> None:
    studio.performing.recording.record()
    assert ("set_mute", METRONOME, True) in player.calls
    studio.window.action("metronome").setChecked(True)
    assert player.calls[-1] == ("set_mute", METRONOME, False)
    assert settings.clicks
    studio.transport.poll()
    for position in range(0, 60, 3):
        player.report("playing", float(position))
        studio.transport.poll()
        assert player.lanes[METRONOME][-1].start > position + 3
    starts = [click.start for click in player.lanes[METRONOME]]
    assert starts == [2 + beat / 2 for beat in range(len(starts))]


def test_clicks_are_high_keys_on_the_piano_and_wood_blocks_elsewhere(
    studio: Studio, player: FakePlayer, settings: Settings
) -> None:
    studio.performing.recording.record()
    assert player.lanes[COUNT_IN][0].pitch == TOP_KEYS[0]
    assert ("set_lane", METRONOME, None, 9) in player.calls
    studio.performing.recording.stop()
    menu = studio.window.click_ports
    menu.aboutToShow.emit()
    choices = {action.text(): action for action in menu.actions()}
    assert list(choices) == ["Where the music is played", "Synth"]
    assert choices["Where the music is played"].isChecked()
    choices["Synth"].trigger()
    studio.performing.recording.record()
    assert player.lanes[COUNT_IN][0].pitch == WOOD_BLOCKS[0]
    assert ("set_lane", METRONOME, "Synth", 9) in player.calls


@pytest.mark.parametrize("ends", ["play", "panic", "stop"])
def test_whatever_ends_the_playing_ends_the_recording_and_keeps_it(
    studio: Studio, player: FakePlayer, hands: Hands, ends: str
) -> None:
    studio.performing.recording.record()
    hands.play(60, at=2.5, until=3.0)
    studio.window.action(ends).trigger()
    assert studio.performing.recording.state is State.OFF
    assert pitches(studio, MELODY) == [60]


def test_a_machine_whose_player_cannot_start_does_not_record(qtbot: QtBot, open_studio: Open) -> None:
    class NoPlayer(FakePlayer):
        def __init__(self) -> None:
            raise OSError("no processes left")

    studio = open_studio(make_player=NoPlayer)
    qtbot.waitUntil(lambda: studio.window.notice_bar.isVisible())
    studio.window.action("record").trigger()
    assert studio.performing.recording.state is State.OFF
    assert not studio.window.action("record").isChecked()


def test_tapping_sets_the_tempo_in_the_bar_and_it_is_remembered(
    qtbot: QtBot, studio: Studio, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([10.0, 10.6, 11.2, 11.8])
    monkeypatch.setattr("studio.performing.time.perf_counter", lambda: next(times))
    for _ in range(4):
        qtbot.keyClick(studio.window, Qt.Key.Key_T)
    assert studio.window.transport_bar.tempo.value() == 100
    assert settings.tempo == 100
    assert studio.performing.recording.metronome.beat == pytest.approx(0.6)


def test_the_first_keyboard_is_listened_to_until_another_is_chosen(
    studio: Studio, player: FakePlayer, settings: Settings
) -> None:
    inputs = studio.window.transport_bar.inputs
    assert ("listen", "Keys") in player.calls
    assert [inputs.itemText(row) for row in range(inputs.count())] == ["Keys", "Pads"]
    studio.window.transport_bar.input_chosen.emit("Pads")
    assert player.calls[-1] == ("listen", "Pads")
    assert settings.input == "Pads"


def test_an_input_that_is_gone_is_listed_pale(qtbot: QtBot, open_studio: Open, settings: Settings) -> None:
    settings.input = "Old keyboard"
    inputs = open_studio().window.transport_bar.inputs
    assert inputs.currentText() == "Old keyboard (not there)"


def test_the_command_records_on_a_machine_without_sound_and_stops_in_time(capsys: pytest.CaptureFixture[str]) -> None:
    class QuickPlayer(FakePlayer):
        def play(self, position: float | None = None) -> None:
            self.report("playing", 5.0)

    player = QuickPlayer()
    player.report("fault", 0.0, "There is no audio device, so the piano is silent.")
    player.report("input", 0.0, "Keys")
    for status, position in ((NOTE_ON, 2.5), (NOTE_OFF, 3.0)):
        player.coming_in.append(Heard(1000.0 + position, (status, 60, 80), position, "Keys"))
    played = recorded(player, Recorder(Metronome(), count_in=1), seconds=2.0, clicks=True)
    assert played.notes == (Note(0.5, 1.0, 60, 80),)
    said = capsys.readouterr().err
    assert "the piano is silent" in said and "Recording from Keys" in said


def test_the_command_says_when_its_keyboard_is_not_there(player: FakePlayer) -> None:
    player.report("input_lost", 0.0, "The MIDI port Organ is not there. Connect it, or choose another output.")
    with pytest.raises(PlaybackError, match=r"The MIDI port Organ is not there\. hommage ports lists"):
        recorded(player, Recorder(Metronome(), is_free=True), seconds=None, clicks=False)
