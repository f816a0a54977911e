"""A box for a number that leaves the transport its keys."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QSpinBox


class NumberBox(QSpinBox):
    """Gives the keys back when the number is typed: Enter leaves it, and Space is never its own."""

    def event(self, event: QEvent) -> bool:
        """Space is no part of a number."""
        is_typing = event.type() == QEvent.Type.ShortcutOverride
        if is_typing and isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Space:
            event.ignore()
            return False
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter: done."""
        super().keyPressEvent(event)
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.clearFocus()
