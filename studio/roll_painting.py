"""How the piano roll looks: grid, notes, melody, pedal, ruler, playhead; each paints only what a rectangle shows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF

from engine.performance import HIGHEST
from studio.roll_geometry import BLACK_KEYS, KEYS, NoteTable, PedalTable, RollView, raster
from studio.theme import VELOCITY_BINS, Theme, mixed, translucent
from studio.words import clock_time

ROUNDED_NOTES = 600  # more in sight than this are painted as plain rectangles
SINGLE_NOTES = 3000  # and more than this as one image


def paint_grid(painter: QPainter, view: RollView, theme: Theme, area: QRect, length: float) -> None:
    """Rows of white and black keys, a line at each C and at each tick; what lies behind the end is darker."""
    painter.fillRect(area, QColor(theme.white_row))
    dark, line = QColor(theme.black_row), QColor(theme.line)
    for pitch in view.pitches(area.top(), area.bottom() + 1):
        row = QRectF(area.left(), view.y(pitch), area.width(), view.row_height)
        if pitch % 12 in BLACK_KEYS:
            painter.fillRect(row, dark)
        elif pitch % 12 == 0:
            painter.fillRect(QRectF(row.left(), row.bottom() - 1, row.width(), 1), line)
    faint = mixed(QColor(theme.white_row), line, 0.65)
    for seconds in _ticks(view, area, least=48):
        painter.fillRect(QRectF(round(view.x(seconds)), area.top(), 1, area.height()), faint)
    end = view.x(length)
    if length > 0 and end < area.right():
        painter.fillRect(QRectF(end, area.top(), area.right() + 1 - end, area.height()), translucent(theme.window, 0.7))


def paint_notes(painter: QPainter, view: RollView, theme: Theme, notes: NoteTable, area: QRect) -> None:
    """The take: louder is brighter and taller."""
    seen = notes.within(
        view.seconds(area.left()), view.seconds(area.right() + 1), view.pitches(area.top(), area.bottom() + 1)
    )
    if len(seen) > SINGLE_NOTES:
        _paint_raster(painter, view, theme, notes, area)
        return
    bins = np.minimum(notes.velocities[seen] * VELOCITY_BINS // 128, VELOCITY_BINS - 1)
    rects = _rects(view, notes, seen, 0.55 + 0.45 * notes.velocities[seen] / 127)
    is_rounded = len(seen) <= ROUNDED_NOTES
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, is_rounded)
    for shade, colour in enumerate(theme.velocities):
        painter.setBrush(colour)
        mine = [rects[index] for index in np.flatnonzero(bins == shade)]
        if is_rounded:
            for rect in mine:
                painter.drawRoundedRect(rect, 2, 2)
        elif mine:
            painter.drawRects(mine)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def paint_melody(painter: QPainter, view: RollView, theme: Theme, melody: NoteTable, area: QRect) -> None:
    """The melody over the take, in a second colour and as outlines."""
    seen = melody.within(
        view.seconds(area.left()), view.seconds(area.right() + 1), view.pitches(area.top(), area.bottom() + 1)
    )
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setPen(QPen(QColor(theme.melody), 1.25))
    painter.setBrush(translucent(theme.melody, 0.22))
    for rect in _rects(view, melody, seen, np.ones(len(seen))):
        painter.drawRoundedRect(rect.adjusted(0.5, -0.5, -0.5, 0.5), 2.5, 2.5)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def paint_pedal(
    painter: QPainter, view: RollView, theme: Theme, pedals: PedalTable, strip: QRect, until: float
) -> None:
    """The sustain pedal below the roll: how far it is down, over time, as long as there is music."""
    painter.fillRect(strip, QColor(theme.panel))
    painter.fillRect(QRect(strip.left(), strip.top(), strip.width(), 1), QColor(theme.line))
    end = min(round(view.x(until)), strip.right() + 1)
    outline = _pedal_outline(view, pedals, QRect(strip.topLeft(), QPoint(end - 1, strip.bottom())))
    if len(outline) > 2:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(translucent(theme.style, 0.45))
        painter.drawPolygon(QPolygonF(outline))


def paint_ruler(painter: QPainter, view: RollView, theme: Theme, strip: QRect) -> None:
    """Seconds above the roll."""
    painter.fillRect(strip, QColor(theme.panel))
    painter.fillRect(QRect(strip.left(), strip.bottom(), strip.width(), 1), QColor(theme.line))
    width = painter.fontMetrics().horizontalAdvance("00:00.0")
    wide = strip.adjusted(-width, 0, 0, 0)  # a label that begins left of what is repainted reaches into it
    for seconds in _ticks(view, wide, least=width * 1.5):
        x = round(view.x(seconds))
        painter.fillRect(QRectF(x, strip.bottom() - 5, 1, 5), QColor(theme.quiet))
        painter.setPen(QColor(theme.quiet))
        is_whole = abs(seconds - round(seconds)) < 1e-6
        label = clock_time(round(seconds)) if is_whole else f"{clock_time(seconds)}.{round(seconds * 10) % 10}"
        painter.drawText(QRectF(x + 4, strip.top(), width, strip.height() - 3), Qt.AlignmentFlag.AlignVCenter, label)


def paint_playhead(painter: QPainter, view: RollView, theme: Theme, seconds: float, bottom: int) -> None:
    """A line over everything, with a grip in the ruler."""
    x = view.x(seconds)
    if not view.left - 1 <= x <= view.right:
        return
    colour = QColor(theme.playhead)
    painter.fillRect(QRectF(round(x), view.top - 1, 1.5, bottom - view.top + 1), colour)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    centre = round(x) + 0.75
    painter.drawPolygon(
        QPolygonF([QPointF(centre - 5, view.top - 8), QPointF(centre + 5, view.top - 8), QPointF(centre, view.top)])
    )
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def _ticks(view: RollView, area: QRect, least: float) -> list[float]:
    """Times of the lines in an area that lie at least so many pixels apart."""
    tick = view.tick(least)
    first = max(0, math.ceil(view.seconds(area.left()) / tick))
    last = math.floor(view.seconds(area.right() + 1) / tick)
    return [index * tick for index in range(first, last + 1)]


def _rects(view: RollView, notes: NoteTable, seen: NDArray[np.intp], heights: NDArray[np.float64]) -> list[QRectF]:
    """A rectangle for each note. heights: (seen,) shares of the row; the note stands on the row's lower edge."""
    scale = view.pixels_per_second
    left = view.left + notes.starts[seen] * scale - view.scroll_x
    width = np.maximum((notes.ends[seen] - notes.starts[seen]) * scale - 1, 2.0)
    lower = view.top + (HIGHEST + 1 - notes.pitches[seen]) * view.row_height - view.scroll_y - 0.5
    height = np.maximum((view.row_height - 1) * heights, 2.0)
    columns = (left.tolist(), (lower - height).tolist(), width.tolist(), height.tolist())
    return [QRectF(*rect) for rect in zip(*columns, strict=True)]


def _paint_raster(painter: QPainter, view: RollView, theme: Theme, notes: NoteTable, area: QRect) -> None:
    seen = notes.within(view.seconds(area.left()), view.seconds(area.right() + 1), range(0, 128))
    offset = view.left - view.scroll_x - area.left()
    bins = np.minimum(notes.velocities[seen] * VELOCITY_BINS // 128, VELOCITY_BINS - 1)
    colours = np.array([colour.rgba() for colour in theme.velocities], np.uint32)
    pixels = raster(
        notes.starts[seen] * view.pixels_per_second + offset,
        notes.ends[seen] * view.pixels_per_second + offset,
        HIGHEST - notes.pitches[seen],
        bins,
        (KEYS, area.width()),
        colours,
    )
    image = QImage(pixels.data, area.width(), KEYS, area.width() * 4, QImage.Format.Format_ARGB32)
    painter.drawImage(QRectF(area.left(), view.y(HIGHEST), area.width(), KEYS * view.row_height), image)


def _pedal_outline(view: RollView, pedals: PedalTable, strip: QRect) -> list[QPointF]:
    """The corners of the filled shape, only where it is seen."""
    floor, height = strip.bottom(), strip.height() - 4
    points = [QPointF(strip.left(), floor)]
    y = float(floor)
    for time, level in pedals.within(view.seconds(strip.left()), view.seconds(strip.right() + 1)):
        x = max(view.x(time), strip.left())
        points.append(QPointF(x, y))
        y = floor - height * level
        points.append(QPointF(x, y))
    return [*points, QPointF(strip.right() + 1, y), QPointF(strip.right() + 1, floor)]
