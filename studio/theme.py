"""Colours of the studio: two themes, and the one place that dresses the application in one."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from PySide6.QtGui import QColor, QFontMetrics, QPalette
from PySide6.QtWidgets import QApplication, QWidget

from studio.style_sheet import style_sheet

VELOCITY_BINS = 8  # shades from soft to loud


@dataclass(frozen=True)
class Theme:
    """One look. Text is at least 4.5 times as light or dark as what it stands on."""

    name: str
    window: str
    panel: str
    raised: str
    hover: str
    line: str
    text: str
    quiet: str
    style: str  # what belongs to the style, and what is composed in it
    melody: str  # what belongs to the melody
    on_accent: str
    fault: str
    playhead: str
    white_row: str
    black_row: str
    white_key: str
    black_key: str
    soft: str
    medium: str
    loud: str

    @property
    def velocities(self) -> list[QColor]:
        """A colour for each velocity bin, soft to loud."""
        soft, medium, loud = QColor(self.soft), QColor(self.medium), QColor(self.loud)
        half = VELOCITY_BINS / 2
        lower = [mixed(soft, medium, step / half) for step in range(VELOCITY_BINS // 2)]
        return lower + [mixed(medium, loud, (step + 1) / half) for step in range(VELOCITY_BINS // 2)]


DARK = Theme(
    name="dark",
    window="#14161b",
    panel="#1a1d24",
    raised="#252a34",
    hover="#303643",
    line="#2d323d",
    text="#e9ebef",
    quiet="#9aa3b2",
    style="#54c5bb",
    melody="#f2b75c",
    on_accent="#06211e",
    fault="#f2806f",
    playhead="#ffffff",
    white_row="#191c23",
    black_row="#15181e",
    white_key="#d8dbe0",
    black_key="#20242c",
    soft="#2a5f6d",
    medium="#3faea5",
    loud="#d2fff6",
)

LIGHT = Theme(
    name="light",
    window="#eef0f3",
    panel="#f8f9fb",
    raised="#ffffff",
    hover="#e4e8ed",
    line="#d3d8df",
    text="#1b2029",
    quiet="#596271",
    style="#0b7f78",
    melody="#a35f00",
    on_accent="#ffffff",
    fault="#b23427",
    playhead="#1b2029",
    white_row="#ffffff",
    black_row="#f4f6f8",
    white_key="#ffffff",
    black_key="#3a404b",
    soft="#a8d8d4",
    medium="#2b9a93",
    loud="#053f3c",
)
THEMES = {theme.name: theme for theme in (DARK, LIGHT)}


def mixed(first: QColor, second: QColor, share: float) -> QColor:
    """A colour between two: share 0 is the first, 1 the second."""
    kept = 1.0 - share
    return QColor.fromRgbF(
        first.redF() * kept + second.redF() * share,
        first.greenF() * kept + second.greenF() * share,
        first.blueF() * kept + second.blueF() * share,
    )


def translucent(colour: str, opacity: float) -> QColor:
    """The colour with so much opacity (0 to 1)."""
    shade = QColor(colour)
    shade.setAlphaF(opacity)
    return shade


def unit(widget: QWidget) -> int:
    """Half a text line in pixels: every distance in the window is a multiple of it."""
    return max(6, QFontMetrics(widget.font()).height() // 2)


def apply_theme(app: QApplication, theme: Theme) -> None:
    """Dress the whole application."""
    app.setStyle("Fusion")
    app.setPalette(_palette(theme))
    half = max(6, QFontMetrics(app.font()).height() // 2)
    app.setStyleSheet(style_sheet(asdict(theme), half))


def _palette(theme: Theme) -> QPalette:
    palette = QPalette()
    role = QPalette.ColorRole
    for name, colour in (
        (role.Window, theme.window),
        (role.WindowText, theme.text),
        (role.Base, theme.panel),
        (role.AlternateBase, theme.raised),
        (role.Text, theme.text),
        (role.Button, theme.raised),
        (role.ButtonText, theme.text),
        (role.BrightText, theme.fault),
        (role.ToolTipBase, theme.raised),
        (role.ToolTipText, theme.text),
        (role.PlaceholderText, theme.quiet),
        (role.Highlight, theme.style),
        (role.HighlightedText, theme.on_accent),
        (role.Link, theme.style),
        (role.Mid, theme.line),
        (role.Dark, theme.line),
        (role.Light, theme.hover),
    ):
        palette.setColor(name, QColor(colour))
    for name in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, name, QColor(theme.quiet))
    return palette
