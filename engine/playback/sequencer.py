"""What is due when: the player's logic over a clock and an output, both given. It sleeps nowhere and knows no process.

Time is absolute: a position in the piece stands at a time of the clock, and every event's due time follows from that
one pair, so errors don't add up. Held keys are not struck again when the playing starts in their middle, pedals are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from engine.performance import Note, Pedal
from engine.playback.messages import Output
from engine.playback.sounding import Sounding
from engine.playback.status import ENDED, FAULT, PAUSED, PLAYING, PORT, WAITING, Status
from engine.playback.timeline import Timeline

LOOK_AHEAD = 0.1  # seconds: the playing never comes nearer to the end of a piece still being written
CUSHION = 0.5  # seconds of music ahead before it goes on
TAIL = 1.5  # seconds that the last sound may ring before all is released
FERMATA = 2.0  # seconds that sounds are held while waiting for notes
LATE = 0.1  # seconds: so late after the machine slept or stood still; the music goes on from there, nothing is rushed
REPORT = 1 / 30  # seconds between positions
BATCH = 64  # messages sent before commands are looked at again


class Sequencer:
    """Plays a timeline on an output. `step` does what is due and says when to call it next."""

    def __init__(self, output: Output, clock: Callable[[], float], report: Callable[[Status], None]) -> None:
        self._clock = clock
        self._report = report
        self._output = output
        self._sounding = Sounding(output)
        self._timeline = Timeline()
        self._state = PAUSED
        self._position = 0.0  # at the time _since while playing, for good otherwise
        self._since = 0.0
        self._next_report = 0.0

    @property
    def position(self) -> float:
        """Seconds into the piece."""
        if self._state != PLAYING:
            return self._position
        return min(self._position + self._clock() - self._since, max(self._timeline.end, self._position))

    @property
    def is_playing(self) -> bool:
        """Whether it plays, or would if it had the notes."""
        return self._state in (PLAYING, WAITING)

    @property
    def output(self) -> Output:
        """Where it plays."""
        return self._output

    def load(self, events: Iterable[Note | Pedal], is_finished: bool) -> None:
        """Replace the piece; position 0."""
        self._halt(0.0)
        self._timeline = Timeline(events, is_finished)

    def add(self, events: Iterable[Note | Pedal]) -> None:
        """Put more into a piece still being written."""
        self._timeline.add(events)

    def finish(self) -> None:
        """Nothing more will be added."""
        self._timeline.is_finished = True

    def play(self, position: float | None = None) -> None:
        """Play on, or from a position; from the start where the end was reached."""
        if position is None and self._timeline.is_finished and self.position >= self._timeline.end:
            position = 0.0
        if position is None and self.is_playing:
            return
        self._sounding.release(self._clock())
        self._start(self.position if position is None else max(position, 0.0))

    def pause(self) -> None:
        """Silence; the position stays."""
        self._halt(self.position)

    def stop(self) -> None:
        """Silence; back to the start."""
        self._halt(0.0)

    def seek(self, position: float) -> None:
        """Go to a position, and play on there if it plays."""
        if self.is_playing:
            self.play(position)
        else:
            self._halt(max(position, 0.0))

    def panic(self) -> None:
        """Pause, and let go every key of every channel."""
        self._sounding.panic(self._clock())
        self.pause()

    def set_output(self, output: Output) -> None:
        """Play on another output from now on; the old one is silenced."""
        self._sounding.release(self._clock())
        self._output = output
        self._sounding = Sounding(output)
        if self._state == PLAYING:
            self._press_pedals()
        self._report(Status(PORT, self.position, output.name))

    def fail(self, text: str) -> None:
        """A port doesn't work: say so, and pause where it was."""
        self._report(Status(FAULT, self.position, text))
        self.pause()

    def step(self) -> float:
        """Send what is due. Returns the clock's time of the next thing to do, infinity when there is none."""
        if self._state == WAITING:
            self._wait()
        if self._state != PLAYING:
            return self._since + FERMATA if self._state == WAITING and self._sounding else math.inf
        next_due = self._send_due()
        if self._state == PLAYING and self._clock() >= self._next_report:
            self._report(Status(PLAYING, self.position))
            self._next_report = self._clock() + REPORT
        return min(next_due, self._next_report) if self._state == PLAYING else self._clock()

    def _send_due(self) -> float:
        limit = math.inf if self._timeline.is_finished else self._timeline.known_until - LOOK_AHEAD
        for _ in range(BATCH):
            time = max(min(self._timeline.next_time(), limit), self._position)
            if time == math.inf:
                time = max(self._timeline.end, self._position) + TAIL
            late = self._clock() - self._due(time)
            if late < 0:
                return self._due(time)
            if late > LATE:
                self._since += late
            if self._timeline.next_time() < limit:
                event = self._timeline.take()
                self._sounding.send(event.message, self._due(event.time), event.stroke)
            else:
                self._leave(ENDED if limit == math.inf else WAITING, time)
                break
        return self._clock()

    def _due(self, position: float) -> float:
        """The clock's time at which a position is reached."""
        return self._since + position - self._position

    def _start(self, position: float) -> None:
        self._position, self._since = position, self._clock()
        self._next_report = self._since
        self._timeline.seek(position)
        self._state = PLAYING
        self._press_pedals()

    def _press_pedals(self) -> None:
        for message in self._timeline.pedals():
            self._sounding.send(message, self._clock())

    def _leave(self, state: str, position: float) -> None:
        """Stop playing because the end is reached (all is released), or the notes ran out (sounds are held)."""
        self._state = state
        self._position = min(position, self._timeline.end) if state == ENDED else max(position, self._position)
        self._since = self._clock()
        if state == ENDED:
            self._sounding.release(self._since)
        self._report(Status(state, self._position))

    def _wait(self) -> None:
        """Go on once there is enough music; let go what was held for too long."""
        if self._timeline.is_finished or self._timeline.known_until >= self._position + CUSHION:
            self._since = self._clock()
            self._state = PLAYING
            if not self._sounding:
                self._press_pedals()
        elif self._sounding and self._clock() >= self._since + FERMATA:
            self._sounding.release(self._clock())

    def _halt(self, position: float) -> None:
        self._sounding.release(self._clock())
        self._state, self._position = PAUSED, position
        self._report(Status(PAUSED, position))
