"""The built-in piano: rendered to a file, and live on a device that nobody hears."""

import threading
import time
import wave
from collections import deque

import miniaudio
import numpy as np
import pytest

from engine.errors import PlaybackError
from engine.performance import Note, Pedal, Performance
from engine.playback.mixer import RATE
from engine.playback.piano import BUFFER_MILLISECONDS, NULL_BACKEND, LivePiano, new_mixer, render
from engine.playback.stream import Stream
from tests.engine.playback.fakes import FakeClock

A4 = 69


def read_wav(path):
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, RATE)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2) / 32768


def test_a_rendering_has_the_pitch_the_times_and_the_last_release(tmp_path):
    path = tmp_path / "a4.wav"
    render(Performance.of([Note(0.5, 2.5, A4, 90)]), path)
    sound = read_wav(path)
    mono = sound.mean(axis=1)
    during = mono[RATE : 2 * RATE] * np.hanning(RATE)
    assert abs(int(np.argmax(np.abs(np.fft.rfft(during)))) - 440) <= 1
    assert not sound[: int(0.49 * RATE)].any()
    assert np.abs(sound[int(0.5 * RATE) : int(0.55 * RATE)]).max() > 0.01
    assert 3.0 < len(sound) / RATE < 6.0
    assert np.abs(sound[-200:]).max() < 1e-3, "it ends in silence, not in a note"


def test_the_loudest_music_is_not_clipped(tmp_path):
    notes = [Note(0.01 * i, 2.0, 24 + i, 127) for i in range(80)]
    render(Performance.of(notes, [Pedal(0.0, 127)]), tmp_path / "loud.wav")
    sound = np.abs(read_wav(tmp_path / "loud.wav"))
    assert 0.5 < sound.max() < 0.999


def test_a_held_pedal_does_not_make_a_rendering_endless(tmp_path):
    render(Performance.of([Note(0.0, 0.5, 30, 127)], [Pedal(0.0, 127)]), tmp_path / "pedal.wav")
    assert len(read_wav(tmp_path / "pedal.wav")) / RATE < 5


def test_a_performance_without_notes_is_short_silence(tmp_path):
    render(Performance(), tmp_path / "empty.wav")
    assert not read_wav(tmp_path / "empty.wav").any()


def test_the_same_performance_gives_the_same_file(tmp_path):
    performance = Performance.of([Note(i * 0.1, i * 0.1 + 0.2, 60 + i, 80) for i in range(10)])
    for name in ("one.wav", "two.wav"):
        render(performance, tmp_path / name)
    assert (tmp_path / "one.wav").read_bytes() == (tmp_path / "two.wav").read_bytes()


def test_progress_goes_from_nothing_to_all(tmp_path):
    shares = []
    notes = [Note(i * 0.5, i * 0.5 + 0.4, 60, 80) for i in range(10)]
    render(Performance.of(notes), tmp_path / "out.wav", shares.append)
    assert shares == sorted(shares) and len(shares) >= 4
    assert 0 < shares[0] < 0.5 and shares[-1] == 1.0


@pytest.mark.parametrize("place", ["no such folder/out.wav", "."])
def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path, place):
    with pytest.raises(PlaybackError, match="can't be written"):
        render(Performance.of([Note(0.0, 0.1, 60, 80)]), tmp_path / place)


def test_a_rendering_that_is_stopped_leaves_the_old_file(tmp_path):
    path = tmp_path / "out.wav"
    path.write_bytes(b"old")

    def stop(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render(Performance.of([Note(0.0, 3.0, 60, 80)]), path, stop)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


class Listener:
    """Stands where the mixer is: notes at which frame each message came."""

    def __init__(self):
        self.frames = 0
        self.heard = deque()
        self.has_heard = threading.Event()
        self.volume = 1.0

    def send(self, message):
        self.heard.append((self.frames, message))
        self.has_heard.set()

    def mix(self, frames):
        self.frames += frames
        return np.zeros((frames, 2), np.float32)


@pytest.fixture
def listener(monkeypatch):
    monkeypatch.setenv(NULL_BACKEND, "1")
    return Listener()


def test_live_messages_reach_the_sound_within_fifteen_milliseconds(listener):
    piano = LivePiano(mixer=listener)
    waits = []
    for i in range(20):
        listener.has_heard.clear()
        struck = time.perf_counter()
        piano.send((0x90, 60 + i, 80), struck)
        assert listener.has_heard.wait(1)
        waits.append(time.perf_counter() - struck)
    piano.close()
    assert np.median(waits) < 0.015


@pytest.mark.parametrize("jitter", [0.0, 0.003])
def test_live_messages_keep_their_distance_though_the_device_asks_unevenly(jitter):
    clock, listener = FakeClock(), Listener()
    stream = Stream(listener, clock)
    frames = RATE * BUFFER_MILLISECONDS // 1000
    due = [1000.0 + 0.0137 * i for i in range(100)]
    for at in due:
        stream.send((0x90, 60, 80), at)
    for block in range(200):
        clock.now = 1000.0 + block * frames / RATE + jitter * (block % 2)
        assert stream.next_block(frames).shape == (frames, 2)
    places = [frame / RATE for frame, _ in listener.heard]
    assert np.allclose(np.diff(places), 0.0137, atol=2 / RATE + jitter / 10)
    assert all(0 <= place - (at - 1000.0) <= 0.02 for place, at in zip(places, due, strict=True))


def test_a_gap_in_the_device_is_not_made_good_slowly():
    clock, listener = FakeClock(), Listener()
    stream = Stream(listener, clock)
    stream.next_block(441)
    clock.now += 5.0
    stream.send((0x90, 60, 80), clock.now - 0.005)
    stream.next_block(441)
    assert [frame for frame, _ in listener.heard] == pytest.approx([441 + 220], abs=2)


def test_the_real_piano_sounds_live():
    stream = Stream(new_mixer(), FakeClock())
    stream.send((0x90, A4, 100), 1000.0)
    stream.next_block(441)
    assert np.abs(np.concatenate([stream.next_block(441) for _ in range(10)])).max() > 0.01


@pytest.mark.parametrize("how", ["no device", "only the null device"])
def test_a_machine_without_audio_is_one_sentence(monkeypatch, how):
    monkeypatch.delenv(NULL_BACKEND, raising=False)
    null = miniaudio.PlaybackDevice

    def no_device(**settings):
        if how == "no device":
            raise miniaudio.MiniaudioError("failed to init device", -401)
        return null(**(settings | {"backends": [miniaudio.Backend.NULL]}))

    monkeypatch.setattr(miniaudio, "PlaybackDevice", no_device)
    with pytest.raises(PlaybackError, match="There is no audio device"):
        LivePiano()
