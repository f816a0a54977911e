"""Writing where notes are given: new ones among notes that stay, and the notes of a score, each struck once.

What the model may not choose is not simply masked: an event it expected in its place would be replaced by one it did
not. So the writers here look ahead, at what would be struck were the next event at another time, before any is chosen.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.decoding import MelodyNote, NoteWriter, Step
from engine.sampling import allowed_symbols, pick
from engine.situation import Situation
from engine.transformer import Memory
from engine.vocabulary import DURATIONS, GAPS, KEYS, MAX_GAP, MELODY

CHORD = 3  # steps within which a score's notes are struck as one chord
SPREAD = 6  # steps over which a chord may be spread
FARTHEST = 12  # steps that a note's time may be from the score's, at most
NEAREST = 2  # and that it always may be
ROOM = 0.4  # of the time to the chords around it, that it may be
EASE = 0.5  # of a chord's delay that the next one shares: a tempo bends
SHORTEST, LONGEST = 0.5, 1.2  # of the score's duration


class ScoreNote(NamedTuple):
    """A note of a score. step: when it begins; length: in steps; key: 0..87."""

    step: int
    length: int
    key: int


@dataclass
class GivenWriter(NoteWriter, ABC):
    """What both writers share: a look at what the next event would be, were it then or then."""

    def _remember(self, heard: list[MelodyNote]) -> Memory:
        self.memory = super()._remember(heard)
        return self.memory

    @torch.inference_mode()
    def look(self, moments: Sequence[int]) -> Tensor:
        """Log-probabilities of each symbol, were the next event at each of these steps: (moments, symbols)."""
        decoder, rows = self.decoder.model.decoder, len(self.given)
        situations = [self._situation(at) for at in moments]
        situation = Situation(*(torch.cat(parts, 1) for parts in zip(*situations, strict=True)))
        gaps = torch.tensor([self._gap(at) for at in moments]).expand(rows, -1)
        state = self.decoder.state.float().cpu().expand(-1, len(moments), -1)
        steps = torch.tensor(moments).expand(rows, -1) - self.origin
        arrived = decoder.arrive(state, gaps, situation, steps, self.memory)
        logits = self._guided(decoder.logits(arrived, 1).float())
        return torch.log_softmax(logits / self.options.temperature, -1)

    def gap_scores(self) -> Tensor:
        """Log-probabilities of the next gap, (gap bins,)."""
        return torch.log_softmax(self._guided(self.gaps).double() / self.options.temperature, -1)

    def free_event(self, until: int, rate: float = 1.0) -> tuple[int, int] | None:
        """The first of the model's own events before `until`: its step and symbol, or None where none comes.

        Events come as often as the model expects those that `allowed` lets in; those it does not are passed by.
        rate: share of them that is written.
        """
        gaps = self.gap_scores().exp()
        moments = self.now + torch.from_numpy(GAPS.middle)
        moments = moments if self.steps else torch.full_like(moments, self.begin)
        first = 0
        while True:
            left = gaps[first:]
            if not left.sum() > 0:
                return None
            gap = first + int(torch.multinomial(left, 1, generator=self.generator))
            at = int(moments[gap])
            if at >= until:
                return None
            if at >= self.begin:
                scores = self.look([at])[0].masked_fill(~self.allowed(at), float("-inf"))
                if self._chance() < rate * float(scores.exp().sum()):
                    return at, pick(scores, 1.0, self.generator, self.options.top_p)
            if not self.steps:
                return None
            first = gap + 1

    @abstractmethod
    def allowed(self, at: int) -> Tensor:
        """Which symbols the model may write at a step, (symbols,) bool."""

    def write_free(self, at: int, symbol: int) -> Step:
        """Write an event of the model's own."""
        self.decoder.arrive(self._gap(at), self._situation(at), at - self.origin)
        velocity = duration = 0
        release = at
        if symbol < KEYS:
            velocity = self._pick(self.decoder.choose(1, symbol))
            duration = self._pick(self.decoder.choose(2, velocity))
            release += int(DURATIONS.middle[duration])
        return self._written(Step(at, release, symbol, velocity, duration, is_melody=False))

    def _written(self, step: Step) -> Step:
        self._append(step, self._gap(step.at))
        return step

    def _gap(self, at: int) -> int:
        return int(GAPS.table[min(max(at - self.now, 0), MAX_GAP)])

    def _chance(self) -> float:
        return float(torch.rand(1, generator=self.generator))

    def _may_follow(self, at: int) -> Tensor:
        """Which symbols may come at a step after what is written, (symbols,) bool: from the top key down."""
        after = self.steps[-1].symbol if self.steps and at == self.now else None
        return allowed_symbols(after, self.pedal, None, False)


@dataclass
class LockedWriter(GivenWriter):
    """Writes new notes among steps that stay as they are.

    locked: in order, from `begin` on; keys: (88,) bool, which new notes may have; rate: how many of the notes that the
    model would write there are written, as a share.
    """

    locked: Sequence[Step] = ()
    keys: NDArray[np.bool_] = field(default_factory=lambda: np.ones(KEYS, bool))
    rate: float = 1.0

    def __post_init__(self) -> None:
        self.waiting = 0  # the locked step that comes next
        self.new: list[Step] = []  # the others
        self.held = np.zeros(KEYS, np.int64)  # until when a note that stays sounds on each key
        for step in self.steps:
            self._hold(step)
        super().__post_init__()

    @torch.inference_mode()
    def write_step(self) -> Step | None:
        """The next step, locked or new; None at the end."""
        due = self.locked[self.waiting] if self.waiting < len(self.locked) else None
        found = self.free_event(due.at if due else self.length, self.rate)
        if found is not None:
            self.new.append(self.write_free(*found))
            return self.new[-1]
        if due is None:
            return None
        self.waiting += 1
        self._hold(due)
        return self._written(due)

    def allowed(self, at: int) -> Tensor:
        """Free keys on which nothing that stays sounds."""
        allowed = self._may_follow(at)
        allowed[:KEYS] &= torch.from_numpy(self.keys & (self.held <= at))
        allowed[KEYS:] = False
        return allowed

    def _hold(self, step: Step) -> None:
        if step.symbol < KEYS:
            self.held[step.symbol] = step.release


@dataclass
class ScoreWriter(GivenWriter):
    """Plays a score: each of its notes once, when, how loud and how long the model would; and the pedal.

    score: in order; begin is its first step. The melody, if any, is of notes of the score. Chords come in the score's
    order, each near its time.
    """

    score: Sequence[ScoreNote] = ()

    def __post_init__(self) -> None:
        self.chords = _chords(self.score)
        self.reaches = _reaches([self.score[chord[0]].step for chord in self.chords])
        self.chord = -1
        self.left: list[int] = []  # notes of the chord that are not struck yet
        self.late = 0  # steps that the chord is behind the score
        self.played: dict[int, Step] = {}  # by the number of the score's note
        super().__post_init__()

    @torch.inference_mode()
    def write_step(self) -> Step | None:
        """The next note or pedal movement; None at the end."""
        is_first = not self.left
        if is_first:
            self.chord += 1
            if self.chord == len(self.chords):
                return None
            self.left = list(self.chords[self.chord])
        at = self._moment(is_first)
        found = self.free_event(at)
        if found is not None:
            if is_first:
                self.left, self.chord = [], self.chord - 1
            return self.write_free(*found)
        if is_first:
            self.late = at - self._begins
        return self._strike_one(at)

    def allowed(self, at: int) -> Tensor:
        """The pedal alone."""
        allowed = self._may_follow(at)
        allowed[:KEYS] = False
        return allowed

    @property
    def _begins(self) -> int:
        """When the score has the chord."""
        return self.score[self.chords[self.chord][0]].step

    def _moment(self, is_first: bool) -> int:
        """When the chord begins or goes on."""
        if not self.steps:
            return self.begin
        reach, centre = self.reaches[self.chord], self._begins + EASE * self.late
        low, high = self._begins - reach, self._begins + reach
        if not is_first:
            low, high = self.now, self._begins + self.late + SPREAD
        low = max(low, self.now + (not self._may_strike_now()))
        moments = list(range(low, max(low, high) + 1))
        gaps = [self._gap(at) for at in moments]
        width = torch.from_numpy(GAPS.log_width)
        scores = (self.gap_scores() - width)[gaps] + self._notes(moments).logsumexp(-1)
        if is_first:
            scores -= (torch.tensor(moments) - centre) ** 2 / (2 * (reach / 3) ** 2)
        return moments[pick(scores, 1.0, self.generator)]

    def _may_strike_now(self) -> bool:
        allowed = self._may_follow(self.now)
        return any(bool(allowed[self.score[index].key]) for index in self.left)

    def _notes(self, moments: Sequence[int]) -> Tensor:
        """Log-probability of each note of the chord that is left at each moment, (moments, notes)."""
        symbols = [MELODY if self._is_due(index) else self.score[index].key for index in self.left]
        scores = self.look(moments)[:, symbols]
        keys = [self.score[index].key for index in self.left]
        is_possible = torch.stack([self._may_follow(at)[keys] for at in moments])
        return scores.masked_fill(~is_possible, float("-inf"))

    def _is_due(self, index: int) -> bool:
        """Whether a note of the score is the melody's next."""
        due, note = self._due(), self.score[index]
        return due is not None and (due.step, due.key) == (note.step, note.key)

    def _strike_one(self, at: int) -> Step:
        """Strike a note of the chord."""
        index = self.left.pop(pick(self._notes([at])[0], 1.0, self.generator))
        note, is_melody = self.score[index], self._is_due(index)
        self.decoder.arrive(self._gap(at), self._situation(at), at - self.origin)
        if is_melody:
            self._strike(self.melody[self.next_note])
        velocity = self._pick(self.decoder.choose(1, note.key, is_melody))
        lengths = self._guided(self.decoder.choose(2, velocity)).masked_fill(~_lengths_near(note.length), float("-inf"))
        duration = pick(lengths, self.options.temperature, self.generator)
        release = at + int(DURATIONS.middle[duration])
        self.played[index] = Step(at, release, note.key, velocity, duration, is_melody)
        return self._written(self.played[index])


def _chords(score: Sequence[ScoreNote]) -> list[list[int]]:
    """The numbers of the notes that are struck together, each key once."""
    chords: list[list[int]] = []
    for index, note in enumerate(score):
        last = [score[other] for other in chords[-1]] if chords else []
        if last and note.step - last[0].step < CHORD and note.key not in {other.key for other in last}:
            chords[-1].append(index)
        else:
            chords.append([index])
    return chords


def _reaches(begins: Sequence[int]) -> list[int]:
    """How far from its time each chord may be, in steps: less where others are near."""
    apart = np.diff(np.array(begins, np.float64), prepend=-np.inf, append=np.inf)
    reaches: list[int] = np.clip(ROOM * np.minimum(apart[:-1], apart[1:]), NEAREST, FARTHEST).astype(int).tolist()
    return reaches


def _lengths_near(length: int) -> Tensor:
    """The durations a note of the score may have, (duration bins,) bool."""
    middle = DURATIONS.middle
    near = (middle >= SHORTEST * length) & (middle <= LONGEST * length)
    near[DURATIONS.table[min(max(length, 1), len(DURATIONS.table) - 1)]] = True
    return torch.from_numpy(near)
