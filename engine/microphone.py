"""The microphone: what it hears for some seconds, for the pitch tracker."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator

import miniaudio
import numpy as np
from numpy.typing import NDArray

from engine.errors import PlaybackError

NULL_BACKEND = "HOMMAGE_NULL_AUDIO"  # set in the environment: a microphone that hears nothing, for tests
BUFFER_MILLISECONDS = 50
LATE = 3.0  # seconds more than asked for that a device may need
POLL = 0.05  # seconds


def listen(
    seconds: float,
    rate: int,
    show: Callable[[float], object] = lambda heard: None,
    clock: Callable[[], float] = time.monotonic,
) -> NDArray[np.float32]:
    """What is heard, (frames,) float32 at `rate` frames a second; Ctrl+C ends it sooner. show: is told the seconds.

    Raises PlaybackError where there is no microphone.
    """
    blocks: list[NDArray[np.float32]] = []
    device = _open_device(rate)
    receiver = _receiver(blocks)
    next(receiver)
    begin = clock()
    try:
        device.start(receiver)
        while (heard := sum(map(len, blocks)) / rate) < seconds and clock() - begin < seconds + LATE:
            show(heard)
            time.sleep(POLL)
    except KeyboardInterrupt:
        pass
    except miniaudio.MiniaudioError as error:
        raise _no_microphone() from error
    finally:
        device.close()
    return np.concatenate([*blocks, np.zeros(0, np.float32)])[: round(seconds * rate)]


def _receiver(blocks: list[NDArray[np.float32]]) -> Generator[None, bytes, None]:
    """The device sends what it hears, in its own thread."""
    while True:
        block = yield
        blocks.append(np.frombuffer(block, np.float32).copy())


def _open_device(rate: int) -> miniaudio.CaptureDevice:
    try:
        return miniaudio.CaptureDevice(
            input_format=miniaudio.SampleFormat.FLOAT32,
            nchannels=1,
            sample_rate=rate,
            buffersize_msec=BUFFER_MILLISECONDS,
            backends=[miniaudio.Backend.NULL] if os.environ.get(NULL_BACKEND) else None,
            app_name="Hommage",
        )
    except miniaudio.MiniaudioError as error:
        raise _no_microphone() from error


def _no_microphone() -> PlaybackError:
    return PlaybackError("There is no microphone", "Connect one, or give a recording: hommage melody FILE.wav -o OUT")
