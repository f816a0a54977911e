"""The whole piano roll as a picture: PNG, or SVG to print and edit. It needs no window."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from PySide6.QtCore import QRect, QRectF, QSize
from PySide6.QtGui import QGuiApplication, QImage, QPainter
from PySide6.QtSvg import QSvgGenerator

from engine.errors import EngineError
from engine.midi_file import write_bytes
from engine.performance import Performance
from studio.roll_geometry import KEYS, NoteTable, PedalTable, RollView
from studio.roll_painting import paint_grid, paint_melody, paint_notes, paint_pedal, paint_ruler
from studio.theme import LIGHT, Theme

ROW = 8  # pixels of a key
STRIP = 24  # pixels of the ruler, and of the pedal
SECOND, WIDEST, NARROWEST = 60.0, 16_000, 600  # pixels of a second, of a long piece's picture, and of a short one's


def write_roll(path: Path, performance: Performance, melody: Performance | None = None, theme: Theme = LIGHT) -> None:
    """Draw a performance, and its melody over it, into a .png or .svg file. Raises MidiError where that fails."""
    _ = _application()
    width = min(max(round(performance.seconds * SECOND), NARROWEST), WIDEST)
    size = QSize(width, KEYS * ROW + 2 * STRIP)
    if path.suffix.lower() == ".svg":
        _write_svg(path, performance, melody, size, theme)
        return
    image = QImage(size, QImage.Format.Format_RGB32)
    _paint(image, performance, melody, size, theme)
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder, "roll.png")
        if not image.save(str(drawn)):
            raise EngineError(f"{path} can't be drawn", "Choose a shorter piece")
        write_bytes(path, drawn.read_bytes())


def _write_svg(path: Path, performance: Performance, melody: Performance | None, size: QSize, theme: Theme) -> None:
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder, "roll.svg")
        svg = QSvgGenerator()
        svg.setFileName(str(drawn))
        svg.setSize(size)
        svg.setViewBox(QRectF(0, 0, size.width(), size.height()))
        svg.setTitle(performance.name)
        _paint(svg, performance, melody, size, theme)
        write_bytes(path, drawn.read_bytes())


def _application() -> QGuiApplication:
    """The running one, or one without a screen: texts need it."""
    running = QGuiApplication.instance()
    if isinstance(running, QGuiApplication):
        return running
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    return QGuiApplication(["hommage"])


def _paint(
    device: QImage | QSvgGenerator, performance: Performance, melody: Performance | None, size: QSize, theme: Theme
) -> None:
    seconds = max(performance.seconds, 1e-3)
    right, bottom = size.width(), size.height() - STRIP
    view = RollView(right / seconds, ROW, left=0, top=STRIP, right=right, bottom=bottom)
    rows = QRect(0, STRIP, right, bottom - STRIP)
    painter = QPainter(device)
    try:
        paint_grid(painter, view, theme, rows, seconds)
        paint_notes(painter, view, theme, NoteTable(performance), rows)
        if melody is not None:
            paint_melody(painter, view, theme, NoteTable(melody), rows)
        paint_pedal(painter, view, theme, PedalTable(performance.pedals), QRect(0, bottom, right, STRIP), seconds)
        paint_ruler(painter, view, theme, QRect(0, 0, right, STRIP))
    finally:
        painter.end()
