"""A small room around the piano: a faint synthetic reverberation by partitioned convolution."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PART = 1024  # frames of a partition; also the room's first silence, 23 ms
SECONDS = 1.1  # until the tail has fallen by 60 dB, low frequencies
HIGH_SECONDS = 0.45  # the same at the highest
WET = 0.22  # loudness (rms) of the room's answer to a steady noise, of the noise itself
SEED = 1877


class Room:
    """What a room answers to blocks of any length; it begins PART frames late."""

    def __init__(self, rate: int) -> None:
        response = _response(rate)
        self._spectra = np.fft.rfft(response.reshape(2, -1, PART), 2 * PART).astype(np.complex64)  # (2, parts, bins)
        self.clear()

    def clear(self) -> None:
        """Forget all sound."""
        _, parts, bins = self._spectra.shape
        self._past = np.zeros((2, parts, bins), np.complex64)  # newest first, as a ring that starts at _newest
        self._newest = 0
        self._input = np.zeros(2 * PART, np.complex64)
        self._answer = np.zeros(PART, np.complex64)
        self._filled = 0

    def answer(self, stereo: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """The room's sound alone while this sounds: (frames,) left + right·j to the same."""
        wet = np.empty_like(stereo)
        at = 0
        while at < len(stereo):
            frames = min(PART - self._filled, len(stereo) - at)
            self._input[PART + self._filled : PART + self._filled + frames] = stereo[at : at + frames]
            wet[at : at + frames] = self._answer[self._filled : self._filled + frames]
            self._filled += frames
            at += frames
            if self._filled == PART:
                self._turn()
        return wet

    def _turn(self) -> None:
        """A partition is full: compute the next partition of the answer (overlap-save)."""
        both = np.stack([self._input.real, self._input.imag])
        parts = self._past.shape[1]
        self._newest = (self._newest - 1) % parts
        self._past[:, self._newest] = np.fft.rfft(both)
        turn = parts - self._newest
        newer = np.einsum("cpb,cpb->cb", self._past[:, self._newest :], self._spectra[:, :turn])
        older = np.einsum("cpb,cpb->cb", self._past[:, : self._newest], self._spectra[:, turn:])
        answer = np.fft.irfft(newer + older)[:, PART:]
        self._answer = (answer[0] + 1j * answer[1]).astype(np.complex64)
        self._input[:PART] = self._input[PART:]
        self._filled = 0


def _response(rate: int) -> NDArray[np.float32]:
    """Impulse responses (2, frames): noise that dies away, the high part sooner, unlike on the two sides."""
    frames = -(-int(SECONDS * rate) // PART) * PART
    seconds = np.arange(frames) / rate
    noise = np.random.default_rng(SEED).standard_normal((2, frames))
    kernel = np.hanning(9) / np.hanning(9).sum()
    low = np.stack([np.convolve(side, kernel, "same") for side in noise])
    shaped = low * 10 ** (-3 * seconds / SECONDS) + (noise - low) * 0.5 * 10 ** (-3 * seconds / HIGH_SECONDS)
    shaped *= np.minimum(seconds / 0.012, 1)  # the room answers gradually
    response: NDArray[np.float32] = (WET * shaped / np.sqrt((shaped**2).sum(axis=1, keepdims=True))).astype(np.float32)
    return response
