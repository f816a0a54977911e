"""Notice: what the bar in the window says, made from errors in one place."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication

from engine.errors import EngineError


@dataclass(frozen=True)
class Notice:
    """One message. is_error: it stays until closed; a remark goes by itself."""

    title: str
    message: str = ""
    next_step: str = ""
    is_error: bool = True

    @classmethod
    def of(cls, error: BaseException) -> Notice:
        """What a person is told of an error."""
        if isinstance(error, EngineError):
            return cls(error.title, error.message, error.next_step)
        translate = QCoreApplication.translate
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return cls(
            translate("Notice", "Something went wrong"),
            reason,
            translate("Notice", "Nothing is lost; try again"),
        )

    @classmethod
    def remark(cls, title: str, message: str = "") -> Notice:
        """Something good to know."""
        return cls(title, message, is_error=False)

    @property
    def text(self) -> str:
        """The sentences after the title."""
        sentences = (sentence.rstrip(".") for sentence in (self.message, self.next_step))
        return " ".join(f"{sentence}." for sentence in sentences if sentence)
