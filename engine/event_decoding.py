"""Writing a take with a model of events: one event after another, in overlapping windows, the melody as a guide.

A note is known when it ends, so notes come in the order of their ends. What the tokens' grammar rules out is not
drawn (releasing a key that is up, a velocity that is never struck); a key struck again ends its earlier note, since a
model kept from that leaves notes hanging; and no note lasts beyond the longest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from engine.decoding import HORIZON, PART, SHOWN, MelodyNote, Step
from engine.errors import RequestError
from engine.event_codec import EventCodec, steps_reached
from engine.sampling import SamplingOptions, conditions, guided, pick
from engine.situation import Melody
from engine.torch_decoder import StepDecoder, remembered
from engine.vocabulary import (
    DURATIONS,
    EOS,
    EVENT_FIELDS,
    MAX_DURATION,
    MAX_SHIFT,
    NOTE_OFF,
    NOTE_ON,
    PAD,
    TIME_SHIFT,
    VELOCITY,
    velocity_of,
)

ENDING = 0.9  # share of the length from which a piece without a melody may end
CODEC = EventCodec()


@dataclass
class EventWriter:
    """Writes one take of a model of events. Fields as of `NoteWriter`, but a melody can only guide."""

    decoder: StepDecoder
    style: Tensor | None
    melody: list[MelodyNote]
    length: int
    options: SamplingOptions
    seed: int
    keep: bool = False
    steps: list[Step] = field(default_factory=list)
    pause: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        if self.keep and self.melody:
            raise RequestError("This model hears a melody but can't be made to keep it", "Choose the melody mode guide")
        self.generator = torch.Generator().manual_seed(self.seed)
        self.given = conditions(self.options, self.style is not None, bool(self.melody))
        self.now = 0
        self.velocity: int | None = None  # bin; None: a window begins with one
        self.sounding: dict[int, Step] = {}  # by key; their release is still to come
        self.context: list[int] = []  # events of the window
        self.open_window(0)

    def write(self) -> Iterator[Step]:
        """The take's notes, each as soon as it ends; what sounds at the end of the take ends there."""
        while (token := self.choose()) is not None:
            yield from self._hear(token)
            self._append(token)
        for key in list(self.sounding):
            yield from self._release(key, self.length)

    @torch.inference_mode()
    def choose(self) -> int | None:
        """The next event; None at the end of the take."""
        overlong = [key for key, note in self.sounding.items() if self.now - note.at >= MAX_DURATION]
        if overlong and not self._is_velocity_said():
            return NOTE_OFF + overlong[0]
        scores = guided(self.logits, self.options, self.style is not None, bool(self.melody))
        scores = scores.masked_fill(~self._allowed(), float("-inf"))
        token = pick(scores, self.options.temperature, self.generator, self.options.top_p)
        is_over = token == EOS or self.now + _shift(token) >= self.length
        return None if is_over else token

    def _is_velocity_said(self) -> bool:
        """Whether the last event was a velocity: a note must follow."""
        return bool(self.context) and self.context[-1] >= VELOCITY

    def _allowed(self) -> Tensor:
        """Which events may follow, (310,) bool."""
        allowed = torch.ones(EVENT_FIELDS[0].size, dtype=torch.bool)
        allowed[PAD] = False
        allowed[EOS] = not self.melody and self.now >= ENDING * self.length
        allowed[NOTE_OFF:TIME_SHIFT] = False
        for key, note in self.sounding.items():
            allowed[[NOTE_ON + key, NOTE_OFF + key]] = note.at < self.now
        if self._is_velocity_said():
            allowed[[PAD, EOS]] = False
            allowed[NOTE_OFF:] = False
        elif self.velocity is None:
            allowed[NOTE_ON:VELOCITY] = False
        else:
            allowed[VELOCITY + self.velocity] = False
        return allowed

    def _hear(self, token: int) -> Iterator[Step]:
        """What an event does; yields the note it ends."""
        self.now += _shift(token)
        if token >= VELOCITY:
            self.velocity = token - VELOCITY
        elif NOTE_OFF <= token < TIME_SHIFT:
            yield from self._release(token - NOTE_OFF, self.now)
        elif token < NOTE_OFF and self.velocity is not None:
            key = token - NOTE_ON
            yield from self._release(key, self.now)
            self.sounding[key] = Step(self.now, 0, key, self.velocity, 0, is_melody=False)

    def _release(self, key: int, at: int) -> Iterator[Step]:
        note = self.sounding.pop(key, None)
        if note is not None:
            duration = int(DURATIONS.table[min(at - note.at, MAX_DURATION)])
            self.steps.append(note._replace(release=at, duration=duration))
            yield self.steps[-1]

    def _append(self, token: int) -> None:
        self.context.append(token)
        is_full = len(self.context) >= self.decoder.model.config.window
        if is_full or (self.melody and self.now - self.origin >= SHOWN):
            origin = self._middle()
            if origin > self.origin or is_full:
                self.open_window(origin if origin > self.origin else self.now)
                return
        self._read([token])

    def _middle(self) -> int:
        """The onset of the middle note of the window."""
        onsets = sorted(note.at for note in (*self.steps, *self.sounding.values()) if note.at >= self.origin)
        return onsets[len(onsets) // 2] if onsets else self.now

    def open_window(self, origin: int) -> None:
        """Begin a window at a step with the notes that sound there; what follows is read at once."""
        before = self.context
        self.origin = origin
        self.context = self._events_since(origin)
        said = [token for token in self.context if token >= VELOCITY]
        self.velocity = said[-1] - VELOCITY if said else None
        if before and before[-1] >= VELOCITY:  # its note is still to come
            self.velocity = before[-1] - VELOCITY
            self.context.append(before[-1])
        self.decoder.begin(remembered(self.decoder.model, self.style, self._melody(), self.given))
        for first in range(0, max(len(self.context), 1), PART):
            self.pause()
            self._read(self.context[first : first + PART], is_first=not first)

    def _events_since(self, origin: int) -> list[int]:
        """The events from a step to now, no more than three quarters of a window."""
        ended = [note for note in self.steps if note.release > origin]
        still = [note._replace(release=self.now + 1) for note in self.sounding.values()]
        notes = sorted(ended + still, key=lambda note: (max(note.at, origin), note.symbol))
        table = np.array([(max(n.at, origin), n.release, n.symbol, n.velocity) for n in notes], np.int64).reshape(-1, 4)
        onsets, ends, keys, bins = table.T
        tokens = CODEC.tokens(onsets - origin, ends - origin, keys, velocity_of(bins))
        tokens = tokens[steps_reached(tokens) <= self.now - origin]
        rest = self.now - origin - int(steps_reached(tokens)[-1:].sum())
        shifts = [MAX_SHIFT] * (rest // MAX_SHIFT) + [rest % MAX_SHIFT] * (rest % MAX_SHIFT > 0)
        events: list[int] = tokens[:, 0].tolist() + [TIME_SHIFT + shift - 1 for shift in shifts]
        return events[-(self.decoder.model.config.window * 3 // 4) :]

    def _melody(self) -> Melody:
        """The melody from the window's beginning to the horizon, on the grid of 100 ms; (1, frames, …)."""
        notes = [note for note in self.melody if self.origin <= note.step < self.origin + HORIZON]
        table = np.array(notes, np.int64).reshape(-1, 3)
        frames, steps = CODEC.melody_frames(table[:, 0] - self.origin, table[:, 1] - self.origin, table[:, 2])
        valid = np.ones(len(frames), bool)
        if not len(frames):
            frames, steps, valid = np.zeros((1, 1), np.int64), np.zeros(1, np.int64), np.zeros(1, bool)
        return Melody(*(torch.from_numpy(part)[None] for part in (frames, steps, steps, steps, valid)))

    def _read(self, events: list[int], is_first: bool = False) -> None:
        """Let the decoder read events, and keep what it says of the next."""
        tokens = torch.tensor(events, dtype=torch.long)[:, None]
        none = torch.zeros(len(events) + is_first, dtype=torch.long)  # events have no moments
        self.logits = self.decoder.read(tokens, none[is_first:].bool(), None, none)


def _shift(token: int) -> int:
    """Steps by which an event moves time."""
    return token - TIME_SHIFT + 1 if TIME_SHIFT <= token < VELOCITY else 0
