"""Objects over a pair of byte streams: how the player and its owner talk, the same way on every system."""

from __future__ import annotations

import contextlib
import pickle
import threading
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import IO, Any

CLOSED = ("close",)  # what a reader says once the other side is gone


class Inbox:
    """Reads objects in a thread, so that one can wait for the next until a deadline."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._queue: SimpleQueue[tuple[Any, ...]] = SimpleQueue()
        threading.Thread(target=self._read, args=(stream,), name="inbox", daemon=True).start()

    def _read(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(OSError, EOFError, ValueError, pickle.UnpicklingError):
            while True:
                self._queue.put(pickle.load(stream))
        self._queue.put(CLOSED)

    def put(self, content: tuple[Any, ...]) -> None:
        """Add an object as if it had been read; allowed in a signal handler."""
        self._queue.put(content)

    def read(self) -> list[tuple[Any, ...]]:
        """All objects there are, without waiting."""
        objects = []
        with contextlib.suppress(Empty):
            while True:
                objects.append(self._queue.get(block=False))
        return objects

    def wait(self, deadline: float, clock: Callable[[], float], spin: float) -> tuple[Any, ...] | None:
        """The next object, or None at the deadline: asleep until `spin` seconds before it, awake from there."""
        with contextlib.suppress(Empty):
            return self._queue.get(block=False)
        asleep = deadline - spin - clock()
        if asleep > 0:
            with contextlib.suppress(Empty):
                return self._queue.get(timeout=asleep)
        while clock() < deadline:
            pass
        return None


class Outbox:
    """Writes objects in a thread: whoever puts one in never waits for the other side, even if that sleeps."""

    def __init__(self, stream: IO[bytes], kept: int | None = None) -> None:
        self._waiting: deque[Any] = deque(maxlen=kept)
        self._wake = threading.Semaphore(0)
        threading.Thread(target=self._write, args=(stream,), name="outbox", daemon=True).start()

    def _write(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):
            while True:
                self._wake.acquire()
                while self._waiting:
                    stream.write(pickle.dumps(self._waiting.popleft()))
                    stream.flush()

    def put(self, content: Any) -> None:
        """Send an object. Where nobody reads, the latest `kept` wait (all without that number)."""
        self._waiting.append(content)
        self._wake.release()
