"""Stand-ins for what is slow or needs a device: composer, player, dialogs. They do what the real ones promise."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import PlaybackError
from engine.performance import Note, Pedal, Performance
from engine.playback import BUILT_IN, Heard, Port, Status
from studio.engine_thread import Job

SCALE = (60, 62, 64, 65, 67, 69, 71, 72)


def scale_notes(count: int, spacing: float = 0.25) -> list[Note]:
    """A scale up and up again."""
    return [Note(i * spacing, (i + 1) * spacing, SCALE[i % 8], 40 + i * 7 % 80) for i in range(count)]


@dataclass
class FakeComposer:
    """Composes the given events; take k is k semitones higher.

    gate: each event waits for one release of it, so a test says when; busy: seconds of computing for each event;
    error: raised in place of event number `error_at`.
    """

    events: Sequence[Note | Pedal] = field(default_factory=lambda: scale_notes(16))
    gate: threading.Semaphore | None = None
    busy: float = 0.0
    error: Exception | None = None
    error_at: int = 0
    name: str = "fake"
    device: str = "cpu"
    notice: str = ""
    styled: list[tuple[Performance, ...]] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)

    def style(self, performances: tuple[Performance, ...]) -> tuple[str, ...]:
        self.styled.append(performances)
        return tuple(performance.name for performance in performances)

    def length(self, job: Job, style: Any) -> float:
        return max((event.end for event in self.events if isinstance(event, Note)), default=1.0)

    def compose(self, job: Job, style: Any, take: int) -> Iterator[Note | Pedal]:
        self.jobs.append(job)
        for index, event in enumerate(self.events):
            if self.error is not None and index == self.error_at:
                raise self.error
            if self.gate is not None:
                self.gate.acquire()
            work_for(self.busy)
            yield event._replace(pitch=event.pitch + take) if isinstance(event, Note) else event


def work_for(seconds: float) -> None:
    """Keeps the interpreter busy, as Python code between two torch calls does."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        sum(range(100))


@dataclass
class FakePlayer:
    """Remembers what it was told, and answers what halts it with `paused`; a test has it `report` the rest."""

    ports: tuple[str, ...] = (BUILT_IN, "Synth")
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    events: list[Note | Pedal] = field(default_factory=list)
    lanes: dict[int, list[Note | Pedal]] = field(default_factory=dict)  # but the first, which is `events`
    coming_in: list[Heard] = field(default_factory=list)
    is_finished: bool = False
    is_closed: bool = False
    _statuses: list[Status] = field(default_factory=list)

    def report(self, kind: str, position: float = 0.0, text: str = "") -> None:
        self._statuses.append(Status(kind, position, text))

    def names(self) -> list[str]:
        return [call[0] for call in self.calls]

    def load(self, performance: Performance, finished: bool = True) -> None:
        self.events = [*performance.notes, *performance.pedals]
        self.lanes = {}
        self.is_finished = finished
        self._halt("load", performance, finished)

    def add(self, events: Iterable[Note | Pedal], lane: int = 0) -> None:
        (self.lanes.setdefault(lane, []) if lane else self.events).extend(events)
        self.calls.append(("add",))

    def finish(self) -> None:
        self.is_finished = True
        self.calls.append(("finish",))

    def play(self, position: float | None = None) -> None:
        self.calls.append(("play", position))

    def pause(self) -> None:
        self._halt("pause")

    def stop(self) -> None:
        self._halt("stop")

    def seek(self, seconds: float) -> None:
        self._halt("seek", seconds)

    def set_port(self, name: str) -> None:
        self.calls.append(("set_port", name))
        if name in self.ports:
            self.report("port", 0.0, name)
        else:
            self.report("fault", 0.0, str(PlaybackError(f"The MIDI port {name} is not there", "Choose another output")))
            self.report("paused")

    def set_volume(self, volume: float) -> None:
        self.calls.append(("set_volume", volume))

    def panic(self) -> None:
        self._halt("panic")

    def listen(self, name: str | None) -> None:
        self.calls.append(("listen", name))
        self.report("input", 0.0, name or "")

    def set_lane(self, lane: int, port: str | None = None, channel: int = 0) -> None:
        self.calls.append(("set_lane", lane, port, channel))

    def set_loop(self, start: float | None, end: float | None) -> None:
        self.calls.append(("set_loop", start, end))

    def set_tempo_scale(self, scale: float) -> None:
        self.calls.append(("set_tempo_scale", scale))

    def set_mute(self, lane: int, is_muted: bool) -> None:
        self.calls.append(("set_mute", lane, is_muted))

    def close(self) -> None:
        self.is_closed = True

    def heard(self) -> list[Heard]:
        heard, self.coming_in = self.coming_in, []
        return heard

    def poll(self) -> list[Status]:
        statuses, self._statuses = self._statuses, []
        return statuses

    def _halt(self, *call: Any) -> None:
        self.calls.append(call)
        self.report("paused", call[1] if call[0] == "seek" else 0.0)


def fake_ports() -> list[Port]:
    return [Port(BUILT_IN, "piano"), Port("Synth", "output")]


def fake_inputs() -> list[Port]:
    return [Port("Keys", "input"), Port("Pads", "input")]


@dataclass
class FakeDialogs:
    """Answers at once with the path it was given."""

    path: Path
    suggested: str = ""

    def open_files(self, title: str, folder: str, chosen: Callable[[list[Path]], object]) -> None:
        chosen([self.path])

    def save_file(self, title: str, folder: str, name: str, chosen: Callable[[Path], object]) -> None:
        self.suggested = name
        chosen(self.path)
