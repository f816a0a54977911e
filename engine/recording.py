"""Recordings: read as one channel for a pitch tracker, and a rendering written as FLAC."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import PlaybackError, ScoreError
from engine.performance import Performance

LONGEST = 600.0  # seconds of a recording
RATES = (4000, 384_000)  # frames a second
MAX_CHANNELS = 32
BLOCK = 65_536  # frames copied at once
FLAC, WAV = ".flac", ".wav"


def read_recording(path: Path, rate: int) -> NDArray[np.float32]:
    """A WAV, FLAC, OGG, AIFF or MP3 file as (frames,) float32 at `rate` frames a second, its channels averaged.

    Raises ScoreError where it can't be read or lasts too long.
    """
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            if not (RATES[0] <= file.samplerate <= RATES[1] and file.channels <= MAX_CHANNELS):
                raise ScoreError(f"{path.name} is no recording of a voice", "Choose one of 8 to 96 kHz, mono or stereo")
            if file.frames > LONGEST * file.samplerate:
                raise ScoreError(f"{path.name} lasts more than {LONGEST / 60:.0f} minutes", "Cut a tune out of it")
            blocks = [block.mean(axis=1) for block in file.blocks(BLOCK, dtype="float32", always_2d=True)]
            sound = np.concatenate(blocks or [np.zeros(0, np.float32)])
            source = file.samplerate
    except (soundfile.SoundFileError, OSError, ValueError, MemoryError) as error:
        raise ScoreError(f"{path.name} is not a readable recording", "Save it as WAV, FLAC or OGG") from error
    return _resampled(np.nan_to_num(sound, posinf=0, neginf=0), source, rate)


def _resampled(sound: NDArray[np.float32], source: int, rate: int) -> NDArray[np.float32]:
    if source == rate or not len(sound):
        return sound
    import miniaudio

    floats = miniaudio.SampleFormat.FLOAT32
    converted = miniaudio.convert_frames(floats, 1, source, sound.tobytes(), floats, 1, rate)
    return np.frombuffer(converted, np.float32)


def render(performance: Performance, path: Path, progress: Callable[[float], None] | None = None) -> None:
    """Write the performance as the built-in piano plays it, as WAV or, by the name, FLAC: stereo, 16 bits, 44.1 kHz.

    progress is told the share done, 0..1. Raises PlaybackError where the place can't be written; never leaves half a
    file.
    """
    from engine.playback.piano import render as render_wav

    if path.suffix.lower() != FLAC:
        render_wav(performance, path, progress)
        return
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
            sound, packed = Path(folder, "sound.wav"), Path(folder, "sound.flac")
            render_wav(performance, sound, progress)
            _pack(sound, packed)
            packed.replace(path)
    except OSError as error:
        raise PlaybackError(f"{path} can't be written: {error.strerror}", "Choose another folder") from error


def _pack(wav: Path, flac: Path) -> None:
    """The same sound as FLAC, without loss."""
    import soundfile

    with (
        soundfile.SoundFile(wav) as source,
        soundfile.SoundFile(flac, "w", source.samplerate, source.channels, "PCM_16", format="FLAC") as target,
    ):
        for block in source.blocks(BLOCK, dtype="int16"):
            target.write(block)
