"""Numbers as words and figures: times, counts, shares."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication


def clock_time(seconds: float) -> str:
    """Minutes and seconds as on a player: 1:07."""
    whole = int(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def percent(share: float) -> str:
    """0.874 as 87 %."""
    return f"{round(100 * share)} %"


def notes_text(count: int) -> str:
    """1 note, 2 notes."""
    if count == 1:
        return QCoreApplication.translate("Words", "1 note")
    return filled(QCoreApplication.translate("Words", "%1 notes"), f"{count:,}")


def filled(text: str, *values: object) -> str:
    """A translated text with %1, %2 … filled in."""
    for number, value in enumerate(values, start=1):
        text = text.replace(f"%{number}", str(value))
    return text
