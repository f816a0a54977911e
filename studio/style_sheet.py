"""The style sheet. $name is a colour of the theme; 3/2u is one and a half units, and a unit is half a text line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from string import Template

MEASURE = re.compile(r"\b(\d+(?:/\d+)?)u\b")

SHEET = """
QMainWindow, QMainWindow::separator { background: $window; }
QMainWindow::separator { width: 1/2u; height: 1/2u; }
QMainWindow::separator:hover { background: $line; }
QLabel { background: transparent; }
QLabel[quiet="true"] { color: $quiet; }
QLabel[heading="true"] { color: $quiet; font-weight: 600; padding: 3/4u 1u; }
QToolTip { background: $raised; color: $text; border: 1px solid $line; padding: 1/2u; }
QDockWidget { border: 0; }
QDockWidget > QWidget { background: $window; }
QListView { background: $window; border: 0; outline: 0; }
QToolBar { background: $panel; border: 0; border-top: 1px solid $line; padding: 0; spacing: 0; }
QFrame[notice="true"] { background: $raised; border: 1px solid $line; border-radius: 3/4u; }
QFrame[notice="true"][error="true"] { border: 1px solid $fault; }
QFrame[segments="true"] { background: $panel; border: 1px solid $line; border-radius: 3/4u; }

QMenuBar { background: $window; padding: 1/4u; }
QMenuBar::item { background: transparent; color: $quiet; padding: 1/2u 1u; border-radius: 3/4u; }
QMenuBar::item:selected { background: $raised; color: $text; }
QMenu { background: $raised; border: 1px solid $line; padding: 1/2u; }
QMenu::item { padding: 1/2u 3u; border-radius: 1/2u; }
QMenu::item:selected { background: $hover; }
QMenu::item:disabled { color: $quiet; }
QMenu::separator { height: 1px; background: $line; margin: 1/2u; }

QPushButton, QToolButton {
    background: $raised; color: $text; border: 1px solid $line; border-radius: 3/4u; padding: 1/2u 1u;
}
QPushButton:hover, QToolButton:hover { background: $hover; }
QPushButton:pressed, QToolButton:pressed { background: $line; }
QPushButton:focus, QToolButton:focus, QComboBox:focus, QSpinBox:focus { border: 1px solid $style; }
QPushButton:disabled, QToolButton:disabled { color: $quiet; background: $panel; }

QToolButton[flat="true"] { background: transparent; border: 1px solid transparent; padding: 1/2u; }
QToolButton[flat="true"]:hover { background: $hover; }
QToolButton[flat="true"]:focus { border: 1px solid $style; }
QToolButton[flat="true"]:checked { background: $hover; color: $style; }

QToolButton[main="true"] {
    background: $text; border: 2px solid $text; padding: 0;
    border-radius: 5/2u; min-width: 5u; max-width: 5u; min-height: 5u; max-height: 5u;
}
QToolButton[main="true"]:hover, QToolButton[main="true"]:focus { background: $style; border-color: $style; }

QToolButton[segment="true"] { background: transparent; color: $quiet; border: 1px solid transparent; }
QToolButton[segment="true"]:checked { background: $hover; color: $text; border: 1px solid $line; }
QToolButton[segment="true"]:focus { border: 1px solid $style; }

QPushButton[compose="true"] {
    background: $style; color: $on_accent; border: 2px solid $style; border-radius: 1u; padding: 1u;
    font-weight: 600;
}
QPushButton[compose="true"]:hover { background: $text; color: $window; border-color: $text; }
QPushButton[compose="true"]:focus { border: 2px solid $text; }
QPushButton[compose="true"][composing="true"] { background: $raised; color: $text; border: 2px solid $line; }
QPushButton[compose="true"][composing="true"]:hover { background: $hover; }

QSpinBox, QComboBox {
    background: $raised; border: 1px solid $line; border-radius: 3/4u; padding: 1/2u 3/4u;
    selection-background-color: $style; selection-color: $on_accent;
}
QSpinBox::up-button, QSpinBox::down-button { width: 0; border: 0; }
QComboBox::drop-down { border: 0; width: 2u; }
QComboBox QAbstractItemView {
    background: $raised; border: 1px solid $line; padding: 1/4u; outline: 0;
    selection-background-color: $hover; selection-color: $text;
}

QSlider::groove:horizontal { height: 1/2u; background: $line; border-radius: 1/4u; }
QSlider::sub-page:horizontal { background: $style; border-radius: 1/4u; }
QSlider::sub-page:horizontal:disabled { background: $line; }
QSlider::handle:horizontal {
    background: $text; width: 3/2u; height: 3/2u; margin: -1/2u 0; border-radius: 3/4u;
}
QSlider::handle:horizontal:hover { background: $style; }
QSlider::handle:horizontal:focus { background: $style; border: 2px solid $text; }
QSlider::handle:horizontal:disabled { background: $line; }

QProgressBar { background: $line; border: 0; border-radius: 1/4u; min-height: 1/2u; max-height: 1/2u; }
QProgressBar::chunk { background: $style; border-radius: 1/4u; }

QScrollBar { background: transparent; border: 0; margin: 0; }
QScrollBar:horizontal { height: 5/4u; }
QScrollBar:vertical { width: 5/4u; }
QScrollBar::handle { background: $hover; border-radius: 1/4u; min-width: 4u; min-height: 4u; margin: 1/4u; }
QScrollBar::handle:hover { background: $quiet; }
QScrollBar::add-line, QScrollBar::sub-line, QScrollBar::add-page, QScrollBar::sub-page {
    background: transparent; border: 0; width: 0; height: 0;
}
QAbstractScrollArea::corner { background: transparent; border: 0; }
"""


def style_sheet(colours: Mapping[str, str], unit: int) -> str:
    """The sheet in these colours, with units of so many pixels."""
    measured = MEASURE.sub(lambda found: f"{max(1, round(Fraction(found[1]) * unit))}px", SHEET)
    return Template(measured).substitute(colours)
