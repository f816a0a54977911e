"""A judge of style that no model was trained with: which of some performances a take sounds like.

Linear discriminant analysis (one Gaussian a performance over windows of 2 s, a covariance in common) of the paper's
eight features and of how notes follow each other. It knows no key and no tune.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.features import FEATURES, feature_windows, note_windows
from engine.melody import TOGETHER
from engine.performance import PEDAL_DOWN, SUSTAIN, Performance

SHRINKAGE = 0.1  # of the covariance towards its diagonal
LOGARITHMIC = ("note_density", "mean_duration", "var_duration", "var_pitch", "var_velocity")  # heard as ratios

Floats = NDArray[np.float64]


class Judge:
    """Knows some performances. Raises ValueError where one of them has no window."""

    def __init__(self, performances: Sequence[Performance]) -> None:
        tables = [_windows(performance) for performance in performances]
        if not all(len(table) for table in tables):
            raise ValueError("a performance without notes has no style to know")
        everything = np.concatenate(tables)
        self.centre, self.size = everything.mean(0), everything.std(0) + 1e-6
        tables = [(table - self.centre) / self.size for table in tables]
        self.means = np.stack([table.mean(0) for table in tables])
        apart = np.concatenate([table - mean for table, mean in zip(tables, self.means, strict=True)])
        covariance = apart.T @ apart / len(apart)
        diagonal = np.diag(np.diag(covariance) + 1e-3)
        self.inverse = np.linalg.inv((1 - SHRINKAGE) * covariance + SHRINKAGE * diagonal)

    def verdict(self, take: Performance) -> int:
        """The number of the performance that the take's windows are the likeliest of; -1 where it has none."""
        table = (_windows(take) - self.centre) / self.size
        if not len(table):
            return -1
        away = table[:, None] - self.means
        return int(np.einsum("wpf,fg,wpg->p", away, self.inverse, away).argmin())


def note_statistics(performance: Performance) -> dict[str, float]:
    """What is heard of a performance in numbers: notes a second, semitones between the 5th and 95th percentile of
    pitch, deviation of velocity, share of notes struck together with another, pedal presses a second."""
    starts, _, pitches, velocities = performance.arrays
    if not len(starts):
        return dict.fromkeys(("density", "range", "velocity_spread", "chord_share", "pedal_rate"), 0.0)
    seconds = max(performance.seconds, 1e-9)
    low, high = np.percentile(pitches, [5, 95])
    is_down = [False, *(pedal.value >= PEDAL_DOWN for pedal in performance.pedals if pedal.controller == SUSTAIN)]
    return {
        "density": len(starts) / seconds,
        "range": float(high - low),
        "velocity_spread": float(velocities.std()),
        "chord_share": float(_is_together(starts).mean()),
        "pedal_rate": int((np.diff(np.array(is_down, int)) > 0).sum()) / seconds,
    }


def _is_together(starts: Floats) -> NDArray[np.bool_]:
    """Which notes are struck with another, (notes,) bool."""
    close = np.diff(starts) < TOGETHER
    struck: NDArray[np.bool_] = np.append(close, False) | np.append(False, close)
    return struck[: len(starts)]


def _windows(performance: Performance) -> Floats:
    """(windows, features) of those that have notes."""
    values = feature_windows(performance)
    columns = [np.log(values[name] + 0.01) if name in LOGARITHMIC else values[name] for name in FEATURES]
    return np.column_stack([*columns, *_sequels(performance)])


def _sequels(performance: Performance) -> list[Floats]:
    """How notes follow each other in each window: mean and deviation of the log of the time to the next note, share
    of notes struck together, mean leap in pitch, share of notes struck with the pedal down."""
    starts, _, pitches, _ = performance.arrays
    gaps = np.log(np.diff(starts, append=starts[-1:] + 0.1) + 0.01)
    leaps = np.abs(np.diff(pitches, append=pitches[-1:]))
    presses = [pedal.value >= PEDAL_DOWN for pedal in performance.pedals if pedal.controller == SUSTAIN]
    moves = [pedal.time for pedal in performance.pedals if pedal.controller == SUSTAIN]
    is_down = np.array([False, *presses])[np.searchsorted(moves, starts, side="right")]
    windows = [slice(*edges) for edges in zip(*note_windows(starts), strict=True)]
    means = [
        np.array([quantity[window].mean() for window in windows])
        for quantity in (gaps, _is_together(starts), leaps, is_down)
    ]
    return [*means, np.array([gaps[window].std() for window in windows])]
