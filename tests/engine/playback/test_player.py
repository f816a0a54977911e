"""The player process from outside, silent or on a device that nobody hears."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import PlaybackError
from engine.performance import Note, Pedal, Performance
from engine.playback import BUILT_IN, Player, Status
from engine.playback.piano import NULL_BACKEND

ROOT = Path(__file__).parents[3]
PATIENCE = 20.0  # seconds: the machine may be busy
SCALE = [Note(i * 0.1, i * 0.1 + 0.08, 60 + i, 80) for i in range(5)]


class WatchedPlayer(Player):
    """A player whose statuses are waited for."""

    unread: list[Status]

    def until(self, is_enough: Callable[[Status], bool]) -> list[Status]:
        """All statuses from where the last call ended, up to and with the one asked for."""
        self.unread = getattr(self, "unread", [])
        deadline = time.perf_counter() + PATIENCE
        while time.perf_counter() < deadline:
            self.unread += self.poll()
            for index, status in enumerate(self.unread):
                if is_enough(status):
                    seen, self.unread = self.unread[: index + 1], self.unread[index + 1 :]
                    return seen
            time.sleep(0.005)
        raise AssertionError(f"not within {PATIENCE} s; seen: {self.unread[-10:]}")


@pytest.fixture
def player():
    with WatchedPlayer(audio=False) as player:
        yield player


def is_kind(*kinds):
    return lambda status: status.kind in kinds


def test_a_performance_is_played_to_its_end(player):
    player.load(Performance.of(SCALE))
    player.play()
    seen = player.until(is_kind("ended"))
    kinds = {status.kind for status in seen}
    assert {"port", "playing", "ended"} <= kinds and "fault" not in kinds
    assert seen[-1].position == pytest.approx(0.48)


def test_a_piece_still_being_written_waits_and_goes_on(player):
    player.load(Performance(), finished=False)
    player.play()
    player.until(is_kind("waiting"))
    player.add(SCALE)
    player.finish()
    player.until(is_kind("ended"))


def test_pause_seek_and_stop_say_where_they_are(player):
    player.load(Performance.of([Note(0.0, 60.0, 60, 80), Note(60.0, 61.0, 62, 80)]))
    player.play(10.0)
    player.until(lambda status: status.kind == "playing" and status.position > 10.05)
    player.pause()
    assert 10 < player.until(is_kind("paused"))[-1].position < 20
    player.seek(30.0)
    player.until(lambda status: status[:3] == ("paused", 30.0, ""))
    player.stop()
    player.until(lambda status: status[:3] == ("paused", 0.0, ""))


def test_a_port_that_is_gone_pauses_with_a_sentence_and_loses_nothing(player):
    player.load(Performance.of([Note(0.0, 60.0, 60, 80)]))
    player.play()
    player.until(lambda status: status.kind == "playing" and status.position > 0)
    player.set_port("gone")
    seen = player.until(is_kind("fault"))
    assert seen[-1].text == "The MIDI port gone is not there. Connect it, or choose another output."
    position = player.until(is_kind("paused"))[-1].position
    player.set_port(BUILT_IN)
    player.play()
    assert player.until(is_kind("playing"))[-1].position == pytest.approx(position, abs=0.5)


def test_the_piano_plays_on_a_device_that_nobody_hears(monkeypatch):
    monkeypatch.setenv(NULL_BACKEND, "1")
    with WatchedPlayer() as player:
        player.set_volume(0.5)
        player.load(Performance.of(SCALE, [Pedal(0.1, 127)]))
        player.play()
        kinds = {status.kind for status in player.until(is_kind("ended"))}
        assert "fault" not in kinds
        player.panic()


def test_numbers_that_midi_cannot_say_are_one_sentence(player):
    with pytest.raises(PlaybackError, match=r"numbers must be 0\.\.127"):
        player.load(Performance.of([Note(0.0, 1.0, 128, 80)]))


def test_no_method_waits_for_the_process(player):
    performance = Performance.of([Note(i * 0.01, i * 0.01 + 0.1, i % 128, 80) for i in range(5000)])
    started = time.perf_counter()
    player.load(performance)
    player.play()
    player.poll()
    assert time.perf_counter() - started < 0.1


def test_a_player_that_dies_is_replaced_and_stands_where_it_was(player):
    player.load(Performance.of([Note(0.0, 60.0, 60, 80), Note(60.0, 61.0, 62, 80)]))
    player.play(20.0)
    player.until(lambda status: status.kind == "playing" and status.position > 20.0)
    os.kill(player._process.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    seen = player.until(is_kind("fault"))
    assert "started again" in seen[-1].text and 20 < seen[-1].position < 40
    player.play()
    assert 20 < player.until(is_kind("playing"))[-1].position < 40


def test_a_closed_player_leaves_no_process(player):
    pid = player._process.pid
    player.close()
    player.close()
    player.play()
    assert player.poll() == [] or all(status.kind != "fault" for status in player.poll())
    with pytest.raises(OSError):
        os.kill(pid, 0)


def test_the_process_imports_neither_torch_nor_qt():
    code = "import sys, engine.playback.process, engine.playback.piano; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "PySide6", "scipy"} & set(done.stdout.split())


def test_a_script_without_a_main_guard_plays_from_any_folder(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, time\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from engine.performance import Note, Performance\n"
        "from engine.playback import Player\n"
        "print('started')\n"
        "player = Player(audio=False)\n"
        "player.load(Performance.of([Note(0.0, 0.1, 60, 80)]))\n"
        "player.play()\n"
        "while not any(status.kind == 'ended' for status in player.poll()):\n"
        "    time.sleep(0.01)\n"
        "print('ended')\n"  # and no close: the interpreter's end closes it
    )
    (tmp_path / "random.py").write_text("raise SystemExit('a file of the user was imported')")
    (tmp_path / "numpy.py").write_text("raise SystemExit('a file of the user was imported')")
    command = [sys.executable, "-P", "-W", "error", str(script)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.stdout.split(), done.stderr, done.returncode) == (["started", "ended"], "", 0)
