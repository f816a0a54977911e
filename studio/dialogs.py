"""Asking for files: the system's own dialogs, without stopping the window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QWidget

from engine.music import SUFFIXES
from studio.words import filled

KINDS = (  # a take may be written as: name, suffix
    ("MIDI file (*.%1)", "mid"),
    ("MusicXML draft (*.%1)", "musicxml"),
    ("WAV sound (*.%1)", "wav"),
    ("FLAC sound (*.%1)", "flac"),
    ("Picture of the piano roll (*.%1)", "png"),
    ("Drawing of the piano roll (*.%1)", "svg"),
)


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
        """Where to write a take, as one of the KINDS; the dialog asks before it lets a file be replaced."""
        dialog = self._dialog(title, folder)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        suffixes = {filled(dialog.tr(text), suffix): suffix for text, suffix in KINDS}
        dialog.setNameFilters(list(suffixes))
        dialog.setDefaultSuffix("mid")
        dialog.selectFile(name)

        def rename(kind: str) -> None:
            dialog.setDefaultSuffix(suffixes[kind])
            dialog.selectFile(f"{Path(dialog.selectedFiles()[0]).stem}.{suffixes[kind]}")

        dialog.filterSelected.connect(rename)
        dialog.fileSelected.connect(lambda path: chosen(Path(path)))
        dialog.open()

    def _dialog(self, title: str, folder: str) -> QFileDialog:
        dialog = QFileDialog(self._parent, title, folder)
        kinds = " ".join(f"*{suffix}" for suffix in SUFFIXES)
        music = filled(dialog.tr("Music: MIDI, scores, typed notes, hummed tunes (%1)"), kinds)
        dialog.setNameFilters([music, dialog.tr("All files (*)")])
        dialog.finished.connect(dialog.deleteLater)
        return dialog
