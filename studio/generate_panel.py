"""The few controls that matter for composing, and the button that composes or cancels, with its progress."""

from __future__ import annotations

import random

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from studio.icons import icon
from studio.number_box import NumberBox
from studio.recipe import GUIDE, KEEP, Recipe
from studio.theme import Theme, unit
from studio.words import percent

MOST_TAKES = 16
LONGEST = 600  # seconds
MOST_SEED = 999_999
FREEDOM = (50, 150)  # temperature in hundredths
STRENGTH = (0, 300)  # style strength in hundredths


class GeneratePanel(QWidget):
    """Holds a recipe (without names) in controls that are its attributes; knows nothing of who composes it."""

    compose_pressed = Signal()  # Compose, or Cancel while composing

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.takes, self._seconds, self.seed = NumberBox(), NumberBox(), NumberBox()
        self._freedom = QSlider(Qt.Orientation.Horizontal)
        self._strength = QSlider(Qt.Orientation.Horizontal)
        self._freedom_value, self._strength_value = QLabel(), QLabel()
        self._keep, self._guide, self._dice, self.lock = (QToolButton() for _ in range(4))
        self.button, self._bar, self._progress = QPushButton(), QProgressBar(), QLabel()
        self._has_style = self._has_melody = True
        self._set_up_values()
        self._name_all()
        self._build()
        self.set_theme(theme)
        self.show_composing(False)

    def _set_up_values(self) -> None:
        self.takes.setRange(1, MOST_TAKES)
        self._seconds.setRange(0, LONGEST)
        self._seconds.setSingleStep(10)
        self._seconds.setSpecialValueText(self.tr("Auto"))
        self._seconds.setSuffix(self.tr(" s"))
        self.seed.setRange(0, MOST_SEED)
        self.seed.setValue(1)
        for slider, (least, most), label in (
            (self._freedom, FREEDOM, self._freedom_value),
            (self._strength, STRENGTH, self._strength_value),
        ):
            slider.setRange(least, most)
            slider.valueChanged.connect(lambda value, label=label: label.setText(percent(value / 100)))
            slider.setValue(100)
            slider.setPageStep(10)
        modes = QButtonGroup(self)
        for button in (self._keep, self._guide):
            button.setCheckable(True)
            modes.addButton(button)
        self._keep.setChecked(True)
        self.lock.setCheckable(True)
        for pressed in (self._keep, self._guide, self._dice, self.lock, self.button):
            pressed.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # after a click Space still plays
        self._dice.clicked.connect(self.throw_dice)
        self.button.clicked.connect(self.compose_pressed)

    def _name_all(self) -> None:
        """What each control is called, and what it does."""
        names = (
            (self.takes, self.tr("Takes"), self.tr("How many takes to compose, each with its own seed")),
            (self._seconds, self.tr("Length"), self.tr("Seconds to compose; Auto: as long as the melody")),
            (self._freedom, self.tr("Freedom"), self.tr("Low: safe and plain. High: surprising")),
            (self._strength, self.tr("Style strength"), self.tr("How strongly the style is followed")),
            (self.seed, self.tr("Seed"), self.tr("The same seed with the same settings makes the same take")),
            (self._keep, self.tr("Keep the melody"), self.tr("Every note of the melody is played")),
            (self._guide, self.tr("Let the melody guide"), self.tr("The melody is heard, but may be varied")),
            (self._dice, self.tr("Another seed"), self.tr("Another seed")),
            (self.lock, self.tr("Hold the seed"), self.tr("Hold the seed: composing again makes the same takes")),
        )
        for widget, name, tip in names:
            widget.setAccessibleName(name)
            widget.setToolTip(tip)
        self._keep.setText(self.tr("Keep"))
        self._guide.setText(self.tr("Guide"))
        self.button.setAccessibleName(self.tr("Compose"))
        self._progress.setAccessibleName(self.tr("Progress"))
        self._bar.setAccessibleName(self.tr("Progress"))

    def _build(self) -> None:
        half = unit(self)
        grid = QGridLayout()
        grid.setContentsMargins(half // 2, 0, half // 2, 0)
        grid.setHorizontalSpacing(half)
        grid.setVerticalSpacing(half)
        grid.setColumnStretch(1, 1)
        rows = (
            (self.tr("Takes"), self.takes, None),
            (self.tr("Length"), self._seconds, None),
            (self.tr("Melody"), self._segments(), None),
            (self.tr("Style strength"), self._strength, self._strength_value),
            (self.tr("Freedom"), self._freedom, self._freedom_value),
            (self.tr("Seed"), self.seed, self._seed_buttons()),
        )
        for row, (name, widget, beside) in enumerate(rows):
            label = QLabel(name)
            label.setProperty("quiet", True)
            label.setBuddy(widget)
            grid.addWidget(label, row, 0)
            grid.addWidget(widget, row, 1, 1, 1 if beside else 2)
            if beside:
                grid.addWidget(beside, row, 2)
        self.button.setProperty("compose", True)
        policy = self._bar.sizePolicy()
        policy.setRetainSizeWhenHidden(True)  # nothing moves when the bar comes
        self._bar.setSizePolicy(policy)
        self._bar.setTextVisible(False)
        self._bar.setRange(0, 1000)
        self._progress.setProperty("quiet", True)
        self._progress.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, half // 2, 0, 0)
        layout.setSpacing(half)
        layout.addLayout(grid)
        layout.addSpacing(half // 2)
        layout.addWidget(self.button)
        layout.addWidget(self._bar)
        layout.addWidget(self._progress)

    def _segments(self) -> QWidget:
        """Keep and Guide as two halves of one control."""
        frame = QFrame()
        frame.setProperty("segments", True)
        layout = QHBoxLayout(frame)
        layout.setContentsMargins(1, 1, 1, 1)
        layout.setSpacing(0)
        for button in (self._keep, self._guide):
            button.setProperty("segment", True)
            button.setSizePolicy(button.sizePolicy().Policy.Expanding, button.sizePolicy().Policy.Preferred)
            layout.addWidget(button)
        return frame

    def _seed_buttons(self) -> QWidget:
        beside = QWidget()
        layout = QHBoxLayout(beside)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        for button in (self._dice, self.lock):
            button.setProperty("flat", True)
            layout.addWidget(button)
        return beside

    @property
    def recipe(self) -> Recipe:
        """As it is set now."""
        return Recipe(
            takes=self.takes.value(),
            seconds=float(self._seconds.value()) or None,
            temperature=self._freedom.value() / 100,
            style_strength=self._strength.value() / 100,
            melody_mode=KEEP if self._keep.isChecked() else GUIDE,
            seed=self.seed.value(),
        )

    def show_recipe(self, recipe: Recipe) -> None:
        """Set the controls as a take was made; one take, with its seed held."""
        self.takes.setValue(1)
        self._seconds.setValue(round(recipe.seconds or 0))
        self._freedom.setValue(round(100 * recipe.temperature))
        self._strength.setValue(round(100 * recipe.style_strength))
        (self._guide if recipe.melody_mode == GUIDE else self._keep).setChecked(True)
        self.seed.setValue(recipe.seed)
        self.lock.setChecked(True)

    def throw_dice(self) -> None:
        """Any other seed."""
        self.seed.setValue(random.randrange(MOST_SEED + 1))

    def advance_seed(self) -> None:
        """On to seeds not used yet, unless the seed is held."""
        if not self.lock.isChecked():
            self.seed.setValue((self.seed.value() + self.takes.value()) % (MOST_SEED + 1))

    def show_composing(self, is_composing: bool) -> None:
        """Compose becomes Cancel, and back."""
        self.button.setText(self.tr("Cancel") if is_composing else self.tr("Compose"))
        self.button.setAccessibleName(self.button.text())
        keys = "Esc" if is_composing else "Ctrl+Return"
        self.button.setToolTip(f"{self.button.text()} ({keys})")
        self.button.setProperty("composing", is_composing)
        self.button.style().unpolish(self.button)
        self.button.style().polish(self.button)
        self._bar.setValue(0)
        self._bar.setVisible(is_composing)
        self._progress.setText(self.tr("Getting ready…") if is_composing else "")

    def show_progress(self, share: float, text: str) -> None:
        """share: 0 to 1 of all takes."""
        self._bar.setValue(round(1000 * share))
        self._progress.setText(text)

    def show_sources(self, has_style: bool, has_melody: bool) -> None:
        """What there is nothing for is disabled."""
        self._strength.setEnabled(has_style)
        self._keep.setEnabled(has_melody)
        self._guide.setEnabled(has_melody)

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        side = unit(self) * 5 // 2
        for button, name in ((self._dice, "dice"), (self.lock, "lock")):
            button.setIcon(icon(name, theme.text, theme.style if button.isCheckable() else ""))
            button.setIconSize(QSize(side, side))
