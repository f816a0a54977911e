"""Runs short work (reading, writing, asking for ports) beside the window, and hands the result back to its thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, QRunnable, QThreadPool, Signal

from studio.notice import Notice

log = logging.getLogger(__name__)


class Background(QObject):
    """A pool of its own. A job's result goes to its `done`, in the window's thread; an error leaves as `failed`."""

    failed = Signal(Notice)
    emptied = Signal()  # nothing is under way any more
    _finished = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = QThreadPool()
        self._under_way = 0
        self._is_closed = False
        self._finished.connect(self._deliver)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is under way."""
        return self._under_way == 0

    def run(self, job: Callable[[], Any], done: Callable[[Any], object]) -> None:
        """Run the job beside the window, then `done(result)` in the window."""
        if self._is_closed:
            return
        self._under_way += 1
        self._pool.start(_Job(job, lambda outcome: self._finished.emit(done, outcome)))

    def close(self) -> None:
        """Wait for what is under way and deliver nothing more."""
        self._is_closed = True
        self._pool.waitForDone()

    def _deliver(self, done: Callable[[Any], object], outcome: object) -> None:
        self._under_way -= 1
        if self._is_closed:
            return
        try:
            if isinstance(outcome, Exception):
                self.failed.emit(Notice.of(outcome))
            else:
                done(outcome)
        finally:
            if self._under_way == 0:
                self.emptied.emit()


class _Job(QRunnable):
    """One job; its result or its exception goes to `report`."""

    def __init__(self, job: Callable[[], Any], report: Callable[[object], None]) -> None:
        super().__init__()
        self._job, self._report = job, report

    def run(self) -> None:
        try:
            outcome = self._job()
        except Exception as error:
            log.info("a job beside the window failed", exc_info=True)
            outcome = error
        self._report(outcome)
