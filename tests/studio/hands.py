"""The hands of a person in a test: music to work with, files dragged over a widget and dropped."""

import time
from pathlib import Path

from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QWidget

from engine.performance import Note, Pedal, Performance
from engine.playback.messages import NOTE_OFF, NOTE_ON, Heard
from studio.app import Studio
from tests.fakes import FakePlayer, scale_notes

CHORD = (48, 55, 64)
MELODY = Performance.of(scale_notes(8, 0.5))
STYLE = Performance.of(
    [Note(bar, bar + 1.0, pitch, pitch + 10) for bar in range(4) for pitch in CHORD],
    [Pedal(0.0, 127), Pedal(0.9, 0), Pedal(1.0, 127), Pedal(3.9, 0)],
)


class Hands:
    """Plays on the keyboard that a fake player listens to, and lets the window hear it."""

    def __init__(self, studio: Studio, player: FakePlayer) -> None:
        self._transport, self._player = studio.transport, player

    def play(self, pitch: int, at: float, until: float, began: float = 1000.0) -> None:
        """A key from one position of the piece to another, which began at a time of the clock."""
        self.send((NOTE_ON, pitch, 80), began + at, at)
        self.send((NOTE_OFF, pitch, 0), began + until, until)

    def play_now(self, *pitches: int) -> None:
        """Keys one after the other, that all came up just now."""
        now = time.perf_counter()
        for place, pitch in enumerate(pitches, start=-len(pitches)):
            self.play(pitch, at=place * 0.1, until=(place + 1) * 0.1, began=now)

    def send(self, message: tuple[int, int, int], at: float, position: float = 0.0) -> None:
        """One message."""
        self._player.coming_in.append(Heard(at, message, position, "Keys"))
        self._transport.poll()


def mime_of(*paths: Path) -> QMimeData:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return mime


def drag_over(widget: QWidget, mime: QMimeData) -> bool:
    """Whether the widget would take it."""
    action, button, key = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(widget.rect().center(), action, mime, button, key)
    QApplication.sendEvent(widget, enter)
    return enter.isAccepted()


def drop(widget: QWidget, *paths: Path) -> bool:
    """Drag files over a widget and let them fall; whether it takes them."""
    mime = mime_of(*paths)  # kept until the event is handled
    if not drag_over(widget, mime):
        return False
    action, button, key = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(widget, QDropEvent(QPointF(widget.rect().center()), action, mime, button, key))
    return True
