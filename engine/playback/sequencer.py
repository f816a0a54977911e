"""What is due when: the player's logic over a clock and an output, both given. It sleeps nowhere and knows no process.

Time is absolute: a position in the piece stands at a time of the clock, and every event's due time follows from that
one pair and the rate, so errors don't add up. Held keys are not struck again when the playing starts in their middle,
pedals are.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable

from engine.performance import Note, Pedal
from engine.playback.clock_out import ClockOut
from engine.playback.lanes import Lanes
from engine.playback.messages import Message, Output
from engine.playback.sounding import THRU
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
        self.lanes = Lanes(output)
        self.clock_out = ClockOut(self.lanes.send_clock)
        self._timeline = Timeline()
        self._state = PAUSED
        self._position = 0.0  # at the time _since while playing, for good otherwise
        self._since = 0.0
        self._rate = 1.0  # seconds of the piece a second
        self._loop = (0.0, math.inf)
        self._jumped = 0.0  # seconds that the loop went back since the playing began
        self._next_report = 0.0
        self.lateness: array[float] | None = None  # seconds of each message of the piece, where that is asked for

    @property
    def position(self) -> float:
        """Seconds into the piece."""
        return self.position_at(self._clock())

    def position_at(self, time: float) -> float:
        """Seconds into the piece at a time of the clock not long ago."""
        if self._state != PLAYING:
            return self._position
        moved = self._position + (time - self._since) * self._rate
        end = self._loop_end()
        return min(max(moved, 0.0), max(self._timeline.end, self._position) if end == math.inf else end)

    @property
    def is_playing(self) -> bool:
        """Whether it plays, or would if it had the notes."""
        return self._state in (PLAYING, WAITING)

    @property
    def output(self) -> Output:
        """Where it plays."""
        return self.lanes.output

    def load(self, events: Iterable[Note | Pedal], is_finished: bool) -> None:
        """Replace the piece; position 0, no loop."""
        self._halt(0.0)
        self._loop = (0.0, math.inf)
        self._timeline = Timeline(events, is_finished)

    def add(self, events: Iterable[Note | Pedal], lane: int = 0) -> None:
        """Put more into a piece still being written."""
        self._timeline.add(events, lane)

    def finish(self) -> None:
        """Nothing more will be added."""
        self._timeline.is_finished = True

    def play(self, position: float | None = None) -> None:
        """Play on, or from a position; from the start where the end was reached."""
        if position is None and self._timeline.is_finished and self.position >= self._timeline.end:
            position = 0.0
        if position is None and self.is_playing:
            return
        self.lanes.silence(self._clock())
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
        self.lanes.panic(self._clock())
        self.pause()

    def set_loop(self, start: float | None, end: float | None) -> None:
        """Play round in [start, end), seconds, once the playing comes to its end from before it; None: no more."""
        self._anchor(self.position, self._clock())
        self._loop = (0.0, math.inf) if start is None or end is None else (start, end)

    def set_rate(self, rate: float) -> None:
        """Seconds of the piece a second, from here on."""
        self._anchor(self.position, self._clock())
        self._rate = rate

    def follow(self, position: float, at: float, rate: float) -> None:
        """Another's clock is at a position at a time: be there, too, and go on at its rate."""
        if self._state == PLAYING:
            before_loop_end = self._loop_end() - 1e-6  # it is the jump that passes it
            self._anchor(min(max(position - self._jumped, 0.0), before_loop_end), at)
            self._rate = rate

    def _anchor(self, position: float, at: float) -> None:
        if self._state == PLAYING:
            self._position, self._since = position, at

    def set_lane(self, lane: int, port: str | None, channel: int) -> None:
        """Where a lane sounds."""
        self.lanes.route(lane, port, channel, self._clock())

    def set_clock_out(self, port: str | None) -> None:
        """Where the clock is sent, from now on."""
        self.clock_out.stop(self._clock())
        self.lanes.clock_port, self.clock_out.is_on = port, port is not None
        if self._state == PLAYING:
            self.clock_out.start(self.position, self._clock())

    def set_mute(self, lane: int, is_muted: bool) -> None:
        """Silence a lane at once, or let it sound again."""
        self.lanes.mute(lane, is_muted, self._clock())
        if not is_muted and self._state == PLAYING:
            self._press_pedals()

    def strike(self, message: Message) -> None:
        """Send what is played by hand at once."""
        self.lanes.send(message, self._clock(), lane=THRU)

    def set_output(self, output: Output) -> Output:
        """Play on another output from now on; the old one is silenced and given back."""
        old = self.lanes.set_output(output, self._clock())
        if self._state == PLAYING:
            self._press_pedals()
        self._report(Status(PORT, self.position, output.name))
        return old

    def fail(self, text: str) -> None:
        """A port doesn't work: say so, and pause where it was."""
        self._report(Status(FAULT, self.position, text))
        self.pause()

    def step(self) -> float:
        """Send what is due. Returns the clock's time of the next thing to do, infinity when there is none."""
        if self._state == WAITING:
            self._wait()
        if self._state != PLAYING:
            return self._since + FERMATA if self._state == WAITING and self.lanes else math.inf
        next_due = self._send_due()
        now = self._clock()
        if self._state == PLAYING and now >= self._next_report:
            self._report(Status(PLAYING, self.position_at(now), at=now))
            self._next_report = now + REPORT
        return min(next_due, self._next_report) if self._state == PLAYING else self._clock()

    def _send_due(self) -> float:
        limit = math.inf if self._timeline.is_finished else self._timeline.known_until - LOOK_AHEAD
        for _ in range(BATCH):
            event, tick, loop_end = self._timeline.next_time(), self.clock_out.next_time(), self._loop_end()
            time = max(min(event, tick, limit, loop_end), self._position)
            if min(event, limit, loop_end) == math.inf:
                end = max(self._timeline.end, self._position) + TAIL * self._rate
                time, event = min(end, max(tick, self._position)), math.inf
            late = self._clock() - self._due(time)
            if late < 0:
                return self._due(time)
            if self.lateness is not None:
                self.lateness.append(late)
            if late > LATE:
                self._since += late
            self._do(time, event, tick, limit, loop_end)
            if self._state != PLAYING:
                break
        return self._clock()

    def _do(self, time: float, event: float, tick: float, limit: float, loop_end: float) -> None:
        """What is due at a position: the loop's end before all, then the clock, then the music."""
        if loop_end == time and loop_end <= min(event, tick, limit):
            self._jump()
        elif tick <= min(event, limit) and tick <= time:
            self.clock_out.take(self._due(tick))
        elif event < limit:
            due = self._timeline.take()
            self.lanes.send(due.message, self._due(due.time), due.stroke, due.lane)
        else:
            self._leave(ENDED if limit == math.inf else WAITING, time)

    def _loop_end(self) -> float:
        """Where the loop ends; infinity where there is none, or the playing began behind it."""
        return self._loop[1] if self._position < self._loop[1] else math.inf

    def _jump(self) -> None:
        """From the loop's end to its start, in no time."""
        start, end = self._loop
        at = self._due(end)
        self.lanes.let_go(at)
        self._position, self._since = start, at
        self._jumped += end - start
        self._timeline.seek(start)
        self._press_pedals()
        self.clock_out.start(start, at)

    def _due(self, position: float) -> float:
        """The clock's time at which a position is reached."""
        return self._since + (position - self._position) / self._rate

    def _start(self, position: float) -> None:
        self._position, self._since = position, self._clock()
        self._next_report = self._since
        self._jumped = 0.0
        self._timeline.seek(position)
        self._state = PLAYING
        self._press_pedals()
        self.clock_out.start(position, self._since)

    def _press_pedals(self) -> None:
        for lane, message in self._timeline.pedals():
            self.lanes.send(message, self._clock(), lane=lane)

    def _leave(self, state: str, position: float) -> None:
        """Stop playing because the end is reached (all is released), or the notes ran out (sounds are held)."""
        self._state = state
        self._position = min(position, self._timeline.end) if state == ENDED else max(position, self._position)
        self._since = self._clock()
        self.clock_out.stop(self._since)
        if state == ENDED:
            self.lanes.silence(self._since)
        self._report(Status(state, self._position, at=self._since))

    def _wait(self) -> None:
        """Go on once there is enough music; let go what was held for too long."""
        if self._timeline.is_finished or self._timeline.known_until >= self._position + CUSHION:
            self._since = self._clock()
            self._state = PLAYING
            if not self.lanes:
                self._press_pedals()
            self.clock_out.start(self._position, self._since)
        elif self.lanes and self._clock() >= self._since + FERMATA:
            self.lanes.silence(self._clock())

    def _halt(self, position: float) -> None:
        now = self._clock()
        self.lanes.silence(now)
        self.clock_out.stop(now)
        self._state, self._position = PAUSED, position
        self._report(Status(PAUSED, position, at=now))
