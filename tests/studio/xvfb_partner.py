"""Another program with files to drag away and a place to drop files on: says as JSON lines what it gets."""

import json
import sys

from PySide6.QtCore import QMimeData, QTimer, QUrl
from PySide6.QtGui import QDrag, QDragEnterEvent, QDropEvent, QMouseEvent, Qt
from PySide6.QtWidgets import QApplication, QLabel, QVBoxLayout, QWidget


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


class File(QLabel):
    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._path = path

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(self._path)])
        drag = QDrag(self)
        drag.setMimeData(mime)
        drag.exec(Qt.DropAction.CopyAction)


class Desktop(QLabel):
    def __init__(self) -> None:
        super().__init__("drop here")
        self.setAcceptDrops(True)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        event.acceptProposedAction()
        say(event="dropped", paths=[url.toLocalFile() for url in event.mimeData().urls()])


def main() -> int:
    app = QApplication(sys.argv)
    window = QWidget()
    layout = QVBoxLayout(window)
    labels = [*(File(path) for path in sys.argv[1:]), Desktop()]
    for label in labels:
        layout.addWidget(label)
    window.setGeometry(1180, 40, 380, 400)
    window.show()
    QTimer.singleShot(
        500,
        lambda: say(event="ready", places=[label.mapToGlobal(label.rect().center()).toTuple() for label in labels]),
    )
    return app.exec()


if __name__ == "__main__":
    sys.exit(main())
