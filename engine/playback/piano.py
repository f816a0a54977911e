"""The built-in piano: live through the audio device, or offline to a WAV file; the same mixer for both."""

from __future__ import annotations

import math
import os
import tempfile
import time
import wave
from collections.abc import Callable, Generator, Iterator
from functools import cache
from pathlib import Path

import miniaudio
import numpy as np
from numpy.typing import NDArray

from engine.assets import asset
from engine.errors import PlaybackError
from engine.performance import SOSTENUTO, SUSTAIN, Performance
from engine.playback.messages import ALL_NOTES_OFF, CONTROL, Message
from engine.playback.mixer import RATE, Mixer
from engine.playback.pool import Pool
from engine.playback.ports import BUILT_IN
from engine.playback.priority import raise_priority
from engine.playback.room import SECONDS as ROOM_SECONDS
from engine.playback.room import Room
from engine.playback.soundfont import read_soundfont
from engine.playback.sounding import Sounding
from engine.playback.stream import Stream
from engine.playback.timeline import Timeline

SOUNDFONT = ("soundfonts", "FluidR3-grand-piano.sf2")
BUFFER_MILLISECONDS = 10
NULL_BACKEND = "HOMMAGE_NULL_AUDIO"  # set in the environment: an audio device that nobody hears, for tests
LONGEST_TAIL = 10.0  # seconds that a rendering may ring on
LONGEST_BLOCK = 4096  # frames rendered at once while nothing happens
GRID = 64  # frames, 1.5 ms: what is so near together is rendered as together


@cache
def _pool() -> Pool:
    return Pool(read_soundfont(asset(*SOUNDFONT)), RATE)


def new_mixer() -> Mixer:
    """A silent piano."""
    return Mixer(_pool(), Room(RATE))


class LivePiano:
    """The piano on the audio device; an Output. Raises PlaybackError where there is no device."""

    name = BUILT_IN
    spin = 0.0  # messages carry their time, so nothing is gained by sending them sharply at it

    def __init__(self, clock: Callable[[], float] = time.perf_counter, mixer: Mixer | None = None) -> None:
        self._device = _open_device()
        self._mixer = mixer or new_mixer()
        self._stream = Stream(self._mixer, clock)
        blocks = self._blocks()
        next(blocks)
        self._device.start(blocks)

    def send(self, message: Message, at: float) -> None:
        """Let a message sound that is due at `at`."""
        self._stream.send(message, at)

    def set_volume(self, volume: float) -> None:
        """Set the loudness, 0..1."""
        self._mixer.volume = volume

    def is_present(self) -> bool:
        """It is always there."""
        return True

    def close(self) -> None:
        """Give the device back, after blocks in which what sounds can fade."""
        time.sleep(3 * BUFFER_MILLISECONDS / 1000)
        self._device.close()

    def _blocks(self) -> Generator[NDArray[np.float32], int, None]:
        """The device asks, in its own thread, with a number of frames and gets them."""
        frames = yield np.zeros((0, 2), np.float32)
        raise_priority()
        while True:
            frames = yield self._stream.next_block(frames)


def _open_device() -> miniaudio.PlaybackDevice:
    is_null = bool(os.environ.get(NULL_BACKEND))
    try:
        device = miniaudio.PlaybackDevice(
            output_format=miniaudio.SampleFormat.FLOAT32,
            nchannels=2,
            sample_rate=RATE,
            buffersize_msec=BUFFER_MILLISECONDS,
            backends=[miniaudio.Backend.NULL] if is_null else None,
            app_name="Hommage",
        )
    except miniaudio.MiniaudioError as error:
        raise _no_device() from error
    if device.backend == "Null" and not is_null:
        device.close()
        raise _no_device()
    return device


def _no_device() -> PlaybackError:
    return PlaybackError("There is no audio device, so the piano is silent", "Connect one, or choose a MIDI output")


def render(performance: Performance, path: Path, progress: Callable[[float], None] | None = None) -> None:
    """Write the performance as the piano plays it: stereo, 16 bits, 44.1 kHz, to the end of the last sound.

    progress is told the share done, 0..1. Raises PlaybackError where the place can't be written; never leaves half
    a file.
    """
    path = Path(path)
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".wav", delete=False) as temporary:
            try:
                with wave.open(temporary, "wb") as file:
                    file.setnchannels(2)
                    file.setsampwidth(2)
                    file.setframerate(RATE)
                    for block in _rendered(performance, progress or (lambda share: None)):
                        file.writeframes(np.rint(block * 32767).astype("<i2").tobytes())
                temporary.close()
                os.chmod(temporary.name, 0o644)
                os.replace(temporary.name, path)
            except BaseException:
                temporary.close()
                Path(temporary.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise PlaybackError(f"{path} can't be written: {error.strerror}", "Choose another folder") from error


def _rendered(performance: Performance, progress: Callable[[float], None]) -> Iterator[NDArray[np.float32]]:
    """The sound, block by block."""
    mixer = new_mixer()
    sounding = Sounding(mixer)
    timeline = Timeline([*performance.notes, *performance.pedals])
    frames_due, done = 0, 0
    while timeline.next_time() < math.inf:
        frames_due = round(timeline.next_time() * RATE / GRID) * GRID
        while done < frames_due:
            frames = min(frames_due - done, LONGEST_BLOCK)
            yield mixer.mix(frames)
            if (done + frames) // RATE > done // RATE:
                progress(done / RATE / timeline.end)
            done += frames
        event = timeline.take()
        sounding.send(event.message, event.time, event.stroke)
    for message in ((CONTROL, ALL_NOTES_OFF, 0), (CONTROL, SUSTAIN, 0), (CONTROL, SOSTENUTO, 0)):
        mixer.send(message)
    yield from _tail(mixer)
    progress(1.0)


def _tail(mixer: Mixer) -> Iterator[NDArray[np.float32]]:
    """What rings on after the last event."""
    left = int(LONGEST_TAIL * RATE)
    while mixer.sounding and left > 0:
        yield mixer.mix(LONGEST_BLOCK)
        left -= LONGEST_BLOCK
    yield mixer.mix(int(ROOM_SECONDS * RATE))
