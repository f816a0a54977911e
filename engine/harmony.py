"""A piece's harmony: which pitch classes sound when, and a writer that keeps to them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.decoding import NoteWriter
from engine.performance import LOWEST, Performance
from engine.vocabulary import KEYS, STEPS_PER_SECOND

FRAME = 0.5  # seconds: about a beat
CHORD_TONE = 0.25  # of the longest pitch class of a frame: one that sounds as long belongs to its harmony
PENALTY = 6.0  # nats, at full strength, on a key whose pitch class does not sound at all

Floats = NDArray[np.float64]


def pitch_classes(performance: Performance, seconds: float) -> Floats:
    """How much each pitch class belongs to the harmony of each frame, 0 to 1: (frames, 12).

    Measured by how long it sounds there, the sustain pedal applied; 1 from `CHORD_TONE` of the longest on. A frame of
    silence has none that belongs more than another: all are 1.
    """
    frames = max(int(np.ceil(seconds / FRAME)), 1)
    edges = np.arange(frames + 1) * FRAME
    starts, ends, pitches, _ = performance.with_sustain_applied().arrays
    sounding = np.zeros((frames, 12))
    for start, end, pitch in zip(starts, ends, pitches, strict=True):
        inside = np.clip(end, edges[:-1], edges[1:]) - np.clip(start, edges[:-1], edges[1:])
        sounding[:, pitch % 12] += inside
    longest = sounding.max(1, keepdims=True)
    share = np.divide(sounding, CHORD_TONE * longest, out=np.ones_like(sounding), where=longest > 0)
    return np.asarray(np.minimum(share, 1.0))


@dataclass
class HarmonyWriter(NoteWriter):
    """Writes within a harmony. belongs: (frames, 12) from `pitch_classes`; strength: 0 heeds it not, 1 keeps to it."""

    belongs: Floats = field(default_factory=lambda: np.ones((1, 12)))
    strength: float = 1.0

    def _choose_symbol(self, logits: Tensor, at: int, forced: bool) -> tuple[int, bool]:
        logits = logits.clone()
        logits[:, :KEYS] -= self._penalty(at).to(logits.dtype)
        return super()._choose_symbol(logits, at, forced)

    def _penalty(self, at: int) -> Tensor:
        """What each key is less likely by at a step, (88,) nats."""
        frame = min(int(at / STEPS_PER_SECOND / FRAME), len(self.belongs) - 1)
        classes = (np.arange(KEYS) + LOWEST) % 12
        return torch.from_numpy(self.strength * PENALTY * (1 - self.belongs[frame][classes]))
