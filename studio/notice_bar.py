"""A bar in the window for errors and remarks: what happened and what to do next. Never a dialog."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QAccessible, QAccessibleEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

from studio.icons import icon
from studio.notice import Notice
from studio.theme import Theme, unit

REMARK_STAYS = 8000  # ms
MOST = 20  # notices kept behind the one that is shown


class NoticeBar(QFrame):
    """Shows the newest notice; closing it shows the one before. Errors stay until closed, remarks go by themselves."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._notices: list[Notice] = []
        self._icon, self._text, self._close = QLabel(), QLabel(), QToolButton()
        self._timer = QTimer(self, interval=REMARK_STAYS, singleShot=True)
        self._timer.timeout.connect(self._drop_remarks)
        self._build()
        self.set_theme(theme)
        self.hide()

    def _build(self) -> None:
        half = unit(self)
        self.setProperty("notice", True)
        self.setAccessibleName(self.tr("Message"))
        self._text.setWordWrap(True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._close.setProperty("flat", True)
        self._close.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._close.setAccessibleName(self.tr("Close the message"))
        self._close.setToolTip(self.tr("Close the message"))
        self._close.clicked.connect(self.close_notice)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(half * 3 // 2, half // 2, half // 2, half // 2)
        layout.setSpacing(half)
        layout.addWidget(self._icon)
        layout.addWidget(self._text, 1)
        layout.addWidget(self._close)

    @property
    def text(self) -> str:
        """What it says now; empty when it is closed."""
        return self._text.text() if self._notices else ""

    def show_notice(self, notice: Notice) -> None:
        """One more, in front. The same error twice in a row is one; an error takes the place of remarks."""
        kept = [other for other in self._notices if other.is_error and other != notice]
        self._notices = [*kept, notice][-MOST:]
        self._show_newest()

    def close_notice(self) -> None:
        """The one before, or nothing."""
        self._notices = self._notices[:-1]
        self._show_newest()

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        self._theme = theme
        self._close.setIcon(icon("clear", theme.quiet))
        self._show_newest()

    def _show_newest(self) -> None:
        self._timer.stop()
        if not self._notices:
            self.hide()
            return
        notice = self._notices[-1]
        self._text.setText(f"{notice.title}: {notice.text}" if notice.text else f"{notice.title}.")
        name, colour = ("error", self._theme.fault) if notice.is_error else ("remark", self._theme.style)
        self._icon.setPixmap(icon(name, colour).pixmap(unit(self) * 3))
        self.setAccessibleDescription(self._text.text())
        self.setProperty("error", notice.is_error)
        self.style().unpolish(self)
        self.style().polish(self)
        self.show()
        QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.Alert))
        if not notice.is_error:
            self._timer.start()

    def _drop_remarks(self) -> None:
        self._notices = [notice for notice in self._notices if notice.is_error]
        self._show_newest()
