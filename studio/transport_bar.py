"""The bar below: back, play, stop, position, what plays; recording, input; output, volume, panic."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QColor, QFont, QPainter, QPaintEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSlider, QToolButton, QWidget

from engine.playback.metronome import FASTEST, SLOWEST
from studio.icons import icon
from studio.number_box import NumberBox
from studio.theme import Theme, unit
from studio.words import clock_time, filled


class StateDot(QWidget):
    """Whether a port works: a full dot, or a ring if it does not. texts: what is said then."""

    def __init__(self, theme: Theme, texts: tuple[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme, self._texts, self._works = theme, texts, True
        self.setFixedSize(unit(self) * 2, unit(self) * 2)
        self.set_works(True)

    def set_works(self, works: bool) -> None:
        """Full, or a ring."""
        self._works = works
        text = self._texts[0 if works else 1]
        self.setToolTip(text)
        self.setAccessibleName(text)
        self.update()

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        self._theme = theme
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """One dot."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = QColor(self._theme.style if self._works else self._theme.fault)
        painter.setPen(colour)
        painter.setBrush(colour if self._works else Qt.BrushStyle.NoBrush)
        side = self.width() / 2.5
        painter.drawEllipse(self.rect().center(), round(side / 2), round(side / 2))


class PortBox(QComboBox):
    """Asks for the list of ports when it is opened, so that it is never old."""

    opened = Signal()

    def showPopup(self) -> None:
        """The list, and a new one is asked for."""
        self.opened.emit()
        super().showPopup()


class TransportBar(QWidget):
    """Buttons show the actions they are given; device and volume are its own."""

    port_chosen = Signal(str)
    input_chosen = Signal(str)
    inputs_wanted = Signal()
    volume_changed = Signal(float)  # 0 to 1
    ports_wanted = Signal()

    def __init__(self, actions: dict[str, QAction], theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme, self._actions = theme, actions
        self._position, self._title = QLabel(), QLabel()
        self.ports, self.inputs, self.tempo = PortBox(), PortBox(), NumberBox()
        self._dot = StateDot(theme, (self.tr("The output works"), self.tr("The output can't be used")))
        self._input_dot = StateDot(theme, (self.tr("The input works"), self.tr("The input can't be used")))
        self._volume, self._volume_icon, self._port_icon = QSlider(Qt.Orientation.Horizontal), QLabel(), QLabel()
        self._input_icon = QLabel()
        names = ("stop", "play", "record", "metronome", "follow_playing", "live", "panic")
        self._buttons = {name: self._button(actions[name]) for name in names}
        self._seconds, self._length = 0.0, 0.0
        self._build()
        self.set_theme(theme)
        self.show_position(0.0, 0.0)

    def _button(self, action: QAction) -> QToolButton:
        button = QToolButton()
        button.setDefaultAction(action)
        button.setAccessibleName(action.text().replace("&", ""))
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setProperty("flat", True)
        side = unit(self) * 5 // 2
        button.setIconSize(QSize(side, side))
        return button

    def _build(self) -> None:
        half = unit(self)
        self._buttons["live"].setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._buttons["play"].setProperty("flat", False)
        self._buttons["play"].setProperty("main", True)
        self._buttons["play"].setIconSize(QSize(half * 3, half * 3))
        font = QFont(self.font())
        font.setPointSizeF(font.pointSizeF() * 1.4)
        font.setFeature(QFont.Tag("tnum"), 1)
        self._position.setFont(font)
        self._position.setAccessibleName(self.tr("Position"))
        self._position.setMinimumWidth(self._position.fontMetrics().horizontalAdvance("00:00.0 / 00:00"))
        self._title.setProperty("quiet", True)
        self._title.setTextFormat(Qt.TextFormat.PlainText)
        self._set_up(self.ports, self.tr("Output"), self.tr("Where the music is played"))
        self.ports.opened.connect(self.ports_wanted)
        self.ports.activated.connect(lambda index: self.port_chosen.emit(self.ports.itemData(index)))
        self._set_up(self.inputs, self.tr("Input"), self.tr("The keyboard that you play on"))
        self.inputs.opened.connect(self.inputs_wanted)
        self.inputs.activated.connect(lambda index: self.input_chosen.emit(self.inputs.itemData(index)))
        self.tempo.setRange(int(SLOWEST), int(FASTEST))
        self.tempo.setAccessibleName(self.tr("Tempo"))
        self.tempo.setToolTip(self.tr("Beats a minute, of the metronome and of the rest that ends a phrase"))
        self._volume.setRange(0, 100)
        self._volume.setFixedWidth(half * 12)
        self._volume.setAccessibleName(self.tr("Volume"))
        self._volume.setToolTip(self.tr("Volume"))
        self._volume.valueChanged.connect(lambda value: self.volume_changed.emit(value / 100))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(half * 2, half, half * 2, half)
        layout.setSpacing(half)
        for left in (self._buttons["stop"], self._buttons["play"], self._position, self._title):
            layout.addWidget(left)
        layout.addStretch(1)
        record, metronome, follow = (self._buttons[name] for name in ("record", "metronome", "follow_playing"))
        for middle in (record, metronome, self.tempo, follow, self._input_icon, self.inputs, self._input_dot):
            layout.addWidget(middle)
        output: tuple[QWidget, ...] = (self._port_icon, self.ports, self._dot, self._volume_icon, self._volume)
        for right in (self._buttons["live"], *output, self._buttons["panic"]):
            layout.addWidget(right)

    def _set_up(self, box: PortBox, name: str, tip: str) -> None:
        box.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # after a click Space still plays
        box.setAccessibleName(name)
        box.setToolTip(tip)
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)

    def show_position(self, seconds: float, length: float) -> None:
        """Where it is, of how much."""
        tenths = int(seconds * 10) % 10
        text = f"{clock_time(seconds)}.{tenths}"
        self._position.setText(f"{text} / {clock_time(length)}" if length > 0 else text)

    def show_title(self, text: str) -> None:
        """What is played."""
        self._title.setText(text)

    def show_ports(self, names: Sequence[tuple[str, str, bool]], chosen: str) -> None:
        """The outputs as (name, text, is present); the chosen one is listed, pale, even if it is gone."""
        self._fill(self.ports, names, chosen)

    def show_inputs(self, names: Sequence[tuple[str, str, bool]], chosen: str) -> None:
        """The inputs, the same way; chosen "": none."""
        self._fill(self.inputs, names, chosen)

    def _fill(self, box: PortBox, names: Sequence[tuple[str, str, bool]], chosen: str) -> None:
        listed = list(names)
        if chosen and chosen not in [name for name, _, _ in listed]:
            listed.append((chosen, chosen, False))
        box.clear()
        for index, (name, text, is_present) in enumerate(listed):
            shown = text if is_present else filled(self.tr("%1 (not there)"), text)
            box.addItem(shown, name)
            if not is_present:
                pale = QColor(self._theme.quiet)
                box.setItemData(index, pale, Qt.ItemDataRole.ForegroundRole)
        box.setCurrentIndex(box.findData(chosen))

    def show_input_state(self, works: bool) -> None:
        """Whether the chosen input can be used."""
        self._input_dot.set_works(works)

    def show_port_state(self, works: bool) -> None:
        """Whether the chosen output can be used."""
        self._dot.set_works(works)

    def show_volume(self, volume: float) -> None:
        """0 to 1."""
        self._volume.setValue(round(100 * volume))

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        self._theme = theme
        self._dot.set_theme(theme)
        self._input_dot.set_theme(theme)
        side = unit(self) * 5 // 2
        self._volume_icon.setPixmap(icon("volume", theme.quiet).pixmap(side))
        self._port_icon.setPixmap(icon("output", theme.quiet).pixmap(side))
        self._input_icon.setPixmap(icon("input", theme.quiet).pixmap(side))
