"""The studio's icons: one family of line drawings in assets/icons, drawn in a theme's colour at any scale factor."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from engine.assets import asset

SIZE = 24  # pixels at scale factor 1
SCALES = (1, 2, 3)  # device pixel ratios that are drawn ahead


@lru_cache(maxsize=256)
def icon(name: str, colour: str, on: str = "") -> QIcon:
    """The icon in a colour; `on` is its colour while it is checked. Disabled it is half as strong."""
    pale = QColor(colour)
    pale.setAlphaF(0.45)
    result = QIcon()
    for scale in SCALES:
        result.addPixmap(_drawn(_file(name), QColor(colour), scale), QIcon.Mode.Normal)
        result.addPixmap(_drawn(_file(name), pale, scale), QIcon.Mode.Disabled)
        if on:
            result.addPixmap(_drawn(_file(name), QColor(on), scale), QIcon.Mode.Normal, QIcon.State.On)
    return result


def app_icon() -> QIcon:
    """The program's own icon, in its own colours."""
    return QIcon(str(_file("hommage")))


def _file(name: str) -> Path:
    return asset("icons", f"{name}.svg")


def _drawn(path: Path, colour: QColor, scale: int) -> QPixmap:
    drawing = path.read_bytes().replace(b"currentColor", colour.name().encode())
    pixmap = QPixmap(SIZE * scale, SIZE * scale)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setOpacity(colour.alphaF())
    QSvgRenderer(QByteArray(drawing)).render(painter, QRectF(0, 0, SIZE * scale, SIZE * scale))
    painter.end()
    pixmap.setDevicePixelRatio(scale)
    return pixmap
