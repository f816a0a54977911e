"""A whole performance as a small picture, without a scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QImage

from engine.performance import Performance
from studio.roll_geometry import raster

LEAST_SPAN = 24  # semitones: a tune of few pitches is not stretched over the whole height
SHADES = 4


def picture(performance: Performance, size: QSize, colour: QColor) -> QImage:
    """The performance, all its seconds across and its own range of pitches in the height."""
    starts, ends, pitches, velocities = performance.arrays
    lowest, highest = int(pitches.min()), int(pitches.max())
    margin = max(0, LEAST_SPAN - (highest - lowest)) // 2 + 1
    rows = highest - lowest + 1 + 2 * margin
    scale = size.width() / max(performance.seconds, 1e-9)
    thickness = max(size.height() // rows, 1)
    image: NDArray[np.uint32] = raster(
        starts * scale,
        np.maximum(ends * scale - 1, starts * scale + 1.5),
        highest + margin - pitches,
        np.minimum(velocities * SHADES // 128, SHADES - 1),
        (rows, size.width()),
        _shades(colour),
    )
    tall = np.ascontiguousarray(np.repeat(image, thickness, axis=0))
    height = rows * thickness
    small = QImage(tall.data, size.width(), height, size.width() * 4, QImage.Format.Format_ARGB32)
    return small.scaled(size, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation)


def _shades(colour: QColor) -> NDArray[np.uint32]:
    """The colour from half to full opacity, soft to loud."""
    shades = []
    for step in range(SHADES):
        shade = QColor(colour)
        shade.setAlphaF(0.5 + 0.5 * step / (SHADES - 1))
        shades.append(shade.rgba())
    return np.array(shades, np.uint32)
