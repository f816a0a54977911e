"""Every wave of the piano in five brightnesses, end to end in one array, so that all voices are read by one look-up.

The font has one recording a key for all velocities, and a soft stroke of a real piano is not only quieter but duller.
So each wave is kept five times, its overtones lowered by a first-order shelf that starts above the root's second
partial; a note takes the copy that its velocity asks for. Copies made once cost nothing while playing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from engine.playback.soundfont import Region, StereoWave

BLOCK = 256  # frames mixed at once, at most
MAX_STEP = 4.0  # wave frames an output frame: two octaves above the highest recording
TAIL = int(BLOCK * MAX_STEP) + 2  # frames of loop that follow a wave, so that a block never looks past its end
LAYERS = ((127, 1.0), (100, 0.7), (80, 0.45), (64, 0.28), (48, 0.16))  # up to velocity, what overtones keep
LEVEL_FRAMES = 2048  # frames that one figure of loudness stands for
FFT_FRAMES = 16384  # filters work on a multiple of this: a length without large prime factors is fast


@dataclass(frozen=True)
class Strike:
    """Where a key at a velocity is found in the pool and how it sounds there; frames are the pool's."""

    start: int
    loop_end: int
    loop_frames: int
    step: float
    region: Region


class Pool:
    """waves: (frames,) left + right·j; levels: (frames / LEVEL_FRAMES,) mean loudness."""

    def __init__(self, regions: list[Region], rate: int) -> None:
        self._regions = regions
        self._rate = rate
        self.strike = cache(self._strike)
        self._starts: dict[int, int] = {}  # id of a wave -> its first frame; its layers follow one another
        different = {id(region.wave): region for region in regions}.values()
        self.waves: StereoWave = np.empty(sum(len(LAYERS) * _frames(region) for region in different), np.complex64)
        at = 0
        for region in different:
            self._starts[id(region.wave)] = at
            for layer in _brightnesses(region):
                self.waves[at : at + len(layer)] = layer
                at += len(layer)
        edges = np.arange(0, len(self.waves), LEVEL_FRAMES)
        self.levels: NDArray[np.float64] = np.add.reduceat(np.abs(self.waves), edges) / LEVEL_FRAMES

    def _strike(self, key: int, velocity: int) -> Strike:
        """What sounds for a key and a velocity; keys the font lacks take the nearest wave."""
        region = min(self._regions, key=lambda r: (_outside(key, r.keys), _outside(velocity, r.velocities)))
        layer = max(index for index, (top, _) in enumerate(LAYERS) if velocity <= top)
        start = self._starts[id(region.wave)] + layer * _frames(region)
        step = region.rate / self._rate * 2 ** ((key - region.root) / 12)
        loop_start, loop_end = region.loop
        loop_frames = loop_end - loop_start or TAIL // 2  # without a loop: round and round in the silence after
        return Strike(start, start + loop_end, loop_frames, min(step, MAX_STEP), region)


def _outside(value: int, bounds: tuple[int, int]) -> int:
    """How far a value is from a range."""
    return max(bounds[0] - value, value - bounds[1], 0)


def _frames(region: Region) -> int:
    """Length of one of the wave's layers."""
    return region.loop[1] + TAIL


def _brightnesses(region: Region) -> Iterator[StereoWave]:
    """The wave to its loop's end and its tail, once for each layer."""
    wave = _with_tail(region)
    frames = -(-len(wave) // FFT_FRAMES) * FFT_FRAMES
    spectrum = np.fft.fft(wave, frames)
    root_frequency = 440 * 2 ** ((region.root - 69) / 12)
    corner = 300 + 2 * root_frequency
    above = (np.fft.fftfreq(frames, 1 / region.rate).astype(np.float32) / np.float32(corner)) ** 2
    for _, kept in LAYERS:
        shelf = np.sqrt((1 + np.float32(kept**2) * above) / (1 + above))
        yield np.fft.ifft(spectrum * shelf)[: len(wave)].astype(np.complex64) if kept < 1 else wave


def _with_tail(region: Region) -> StereoWave:
    """The wave up to its loop's end, then the loop again for TAIL frames (silence where there is none)."""
    start, end = region.loop
    loop = region.wave[start:end] if end > start else np.zeros(1, np.complex64)
    return np.concatenate([region.wave[:end], np.resize(loop, TAIL)])
