"""The keyboard strip beside the roll: keys drawn where their rows are, the sounding ones lit."""

from __future__ import annotations

from collections.abc import Set

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter

from engine.performance import LOWEST
from studio.roll_geometry import BLACK_KEYS, RollView
from studio.theme import Theme

LOWEST_OCTAVE = -1  # MIDI pitch 0 is C-1, 60 is C4


def paint_keyboard(painter: QPainter, view: RollView, theme: Theme, lit: Set[int]) -> None:
    """All keys that are seen. lit: the pitches that sound."""
    width = view.left
    seen = view.pitches(view.top, view.bottom)
    painter.fillRect(QRectF(0, view.top, width, view.bottom - view.top), QColor(theme.white_key))
    _paint_white_lines(painter, view, theme, seen, lit)
    for pitch in seen:
        if pitch % 12 in BLACK_KEYS:
            row = QRectF(0, view.y(pitch), width * 0.62, view.row_height)
            painter.fillRect(row, QColor(theme.style if pitch in lit else theme.black_key))
    _paint_octaves(painter, view, theme, seen, lit)
    painter.fillRect(QRectF(width - 1, view.top, 1, view.bottom - view.top), QColor(theme.line))


def _paint_white_lines(painter: QPainter, view: RollView, theme: Theme, seen: range, lit: Set[int]) -> None:
    """Lit white keys, and the gaps between white keys: under a black key's middle, at E-F and B-C."""
    for pitch in seen:
        if pitch % 12 not in BLACK_KEYS and pitch in lit:
            upper = view.y(pitch) - (view.row_height / 2 if (pitch + 1) % 12 in BLACK_KEYS else 0)
            lower = view.y(pitch - 1) + (view.row_height / 2 if (pitch - 1) % 12 in BLACK_KEYS else 0)
            painter.fillRect(QRectF(0, upper, view.left, lower - upper), QColor(theme.style))
    gap = QColor(theme.black_key)
    gap.setAlphaF(0.35)
    for pitch in seen:
        if pitch % 12 in BLACK_KEYS:
            painter.fillRect(QRectF(0, view.y(pitch) + view.row_height / 2, view.left, 1), gap)
        elif pitch % 12 in (0, 5) and pitch > LOWEST:
            painter.fillRect(QRectF(0, view.y(pitch - 1), view.left, 1), gap)


def _paint_octaves(painter: QPainter, view: RollView, theme: Theme, seen: range, lit: Set[int]) -> None:
    """C4 and its like."""
    font = QFont(painter.font())
    font.setPixelSize(max(8, min(int(view.row_height * 1.35), view.left // 4)))
    painter.setFont(font)
    for pitch in seen:
        if pitch % 12 == 0:
            painter.setPen(QColor(theme.on_accent if pitch in lit else theme.black_key))
            upper = max(view.y(pitch) - view.row_height * 0.3, view.top)
            row = QRectF(0, upper, view.left - 4, view.y(pitch - 1) - upper)
            alignment = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(row, alignment, f"C{pitch // 12 + LOWEST_OCTAVE}")
