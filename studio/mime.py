"""Drag and drop: files that come in, and takes that go out as real MIDI files in a folder of the session."""

from __future__ import annotations

import shutil
import tempfile
import threading
from pathlib import Path

from PySide6.QtCore import QMimeData, QUrl

from engine.performance import Performance
from engine.typed import is_typed
from studio.exports import write_export
from studio.takes import Take

LONGEST_TEXT = 10_000  # letters of typed notes


def paths_in(mime: QMimeData) -> list[Path]:
    """The local files a drag carries."""
    return [Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile()]


def notes_in(mime: QMimeData) -> str:
    """The typed notes that a dragged text is, "" if it is none."""
    text = mime.text() if mime.hasText() and not mime.hasUrls() else ""
    return text if is_typed(text[:LONGEST_TEXT]) else ""


class TakeFolder:
    """A temporary folder with a file for each take dragged out; it lives as long as the session.

    A file is written once for each performance; `prepare` does it before the drag, beside the window.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="hommage-"))
        self._written: dict[int, tuple[Performance, Path]] = {}  # by take number
        self._lock = threading.Lock()

    def prepare(self, take: Take) -> Path:
        """The take's file, written if it is not there yet."""
        with self._lock:
            performance, path = self._written.get(take.number, (None, None))
            if path is None or performance is not take.performance or not path.exists():
                folder = self._folder / str(take.number)  # so that two takes may have one name
                folder.mkdir(exist_ok=True)
                path = folder / take.file_name
                write_export(path, take.export)
                self._written[take.number] = (take.performance, path)
            return path

    def mime_of(self, take: Take) -> QMimeData:
        """What a drag of the take carries."""
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(self.prepare(take)))])
        return mime

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)
