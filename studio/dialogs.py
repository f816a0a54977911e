"""Asking for files: the system's own dialogs, without stopping the window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QWidget


class FileDialogs:
    """A test gives another object with these two methods."""

    def __init__(self, parent: QWidget) -> None:
        self._parent = parent

    def open_files(self, title: str, folder: str, chosen: Callable[[list[Path]], object]) -> None:
        """One or more MIDI files; `chosen` is called only if there are some."""
        dialog = self._dialog(title, folder)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.filesSelected.connect(lambda names: chosen([Path(name) for name in names]))
        dialog.open()

    def save_file(self, title: str, folder: str, name: str, chosen: Callable[[Path], object]) -> None:
        """Where to write a MIDI file; the dialog asks before it lets one be replaced."""
        dialog = self._dialog(title, folder)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("mid")
        dialog.selectFile(name)
        dialog.fileSelected.connect(lambda path: chosen(Path(path)))
        dialog.open()

    def _dialog(self, title: str, folder: str) -> QFileDialog:
        dialog = QFileDialog(self._parent, title, folder)
        dialog.setNameFilters([dialog.tr("MIDI files (*.mid *.midi *.kar)"), dialog.tr("All files (*)")])
        dialog.finished.connect(dialog.deleteLater)
        return dialog
