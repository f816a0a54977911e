"""Writing a take: one step after another, in overlapping windows, with the melody struck where it is due."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from engine.codec import NoteCodec
from engine.performance import LOWEST, Note, Pedal, Performance
from engine.sampling import SamplingOptions, allowed_symbols, conditions, guided, pick
from engine.situation import COMING, LATE, NO_COUNTDOWN, NO_KEY, After, Melody, Situation, coming_keys, countdown_of
from engine.torch_decoder import StepDecoder, remembered
from engine.transformer import Memory
from engine.vocabulary import (
    DURATIONS,
    END,
    GAPS,
    KEYS,
    MAX_GAP,
    MELODY,
    PEDAL_DOWN,
    PEDAL_UP,
    RANK,
    STEPS_PER_SECOND,
    VELOCITY_BINS,
    velocity_of,
)

BREATH = 5  # steps: how far a struck melody note may be from its time, either way
HORIZON = 6000  # steps of melody the decoder is shown ahead of a window's start
AFTER = 64  # notes after a gap that the decoder is shown
PART = 64  # steps read at once: of more, attention computes much that nothing may look at
SHOWN = 4000  # steps after which the window moves on, so that melody stays in sight
GAP_STEPS, DURATION_STEPS = GAPS.middle.tolist(), DURATIONS.middle.tolist()  # what each bin is decoded to
VELOCITIES = velocity_of(np.arange(VELOCITY_BINS)).tolist()
COUNTDOWN: list[int] = countdown_of(torch.arange(-LATE, MAX_GAP + 1)).tolist()  # by steps until a note, from -LATE on


def countdown_until(steps: int) -> int:
    """`countdown_of` one number."""
    return COUNTDOWN[min(max(steps + LATE, 0), LATE + MAX_GAP)]


class MelodyNote(NamedTuple):
    """A note of the given melody. step, end: 10 ms steps; key: 0..87."""

    step: int
    end: int
    key: int


class Step(NamedTuple):
    """One step written. at, release: 10 ms steps from the start of the take; the rest as in the tokens."""

    at: int
    release: int
    symbol: int
    velocity: int  # bin
    duration: int  # bin
    is_melody: bool
    was_forced: bool = False

    def event(self) -> Note | Pedal:
        """The note or pedal movement, in seconds."""
        time = self.at / STEPS_PER_SECOND
        if self.symbol >= KEYS:
            return Pedal(time, 127 if self.symbol == PEDAL_DOWN else 0)
        return Note(time, self.release / STEPS_PER_SECOND, LOWEST + self.symbol, VELOCITIES[self.velocity])


def tokens_of(steps: Sequence[Step], begin: int) -> list[list[int]]:
    """The tokens of steps, (steps, 4), the gap of the first one from `begin` on."""
    before = [begin, *(step.at for step in steps)]
    return [
        [int(GAPS.table[min(step.at - last, MAX_GAP)]), step.symbol, step.velocity, step.duration]
        for step, last in zip(steps, before, strict=False)
    ]


def steps_of(performance: Performance) -> list[Step]:
    """A performance as steps that are no melody notes."""
    onsets, symbols, velocities, durations = NoteCodec().events(performance)
    tokens = NoteCodec().tokens(onsets, symbols, velocities, durations)
    return [
        Step(at, at + length, symbol, velocity, duration, is_melody=False)
        for at, length, (_, symbol, velocity, duration) in zip(
            onsets.tolist(), durations.tolist(), tokens.tolist(), strict=True
        )
    ]


@dataclass
class NoteWriter:
    """Writes one take of a model of notes.

    style: (1, width) or None; melody: notes in order; length: steps to write; keep: every melody note is played; pause:
    called between the parts of what takes longer than a step, and may raise to end the take there.
    To write within a piece: steps are those before, begin is when the first new one may come, and after are those that
    stand from `length` on, which only a model that infills hears.
    """

    decoder: StepDecoder
    style: Tensor | None
    melody: list[MelodyNote]
    length: int
    options: SamplingOptions
    seed: int
    keep: bool = True
    steps: list[Step] = field(default_factory=list)
    begin: int = 0
    after: Sequence[Step] = ()
    pause: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.generator = torch.Generator().manual_seed(self.seed)
        self.given = conditions(self.options, self.style is not None, bool(self.melody))
        self.nothing_comes = torch.zeros(len(self.given), 1, COMING)
        self.next_note = sum(step.is_melody for step in self.steps)  # the melody note due next
        self.struck = list(range(self.next_note))  # melody notes struck; others are passed over (never in keep)
        is_heard = self.decoder.model.config.infills
        self.after = [step for step in self.after if step.symbol < KEYS][:AFTER] if is_heard else []
        self.last: MelodyNote | None = None  # the melody note struck last in this window
        self.pedal = False
        self.now = self.steps[-1].at if self.steps else self.begin
        self.open_window(max(len(self.steps) - self.decoder.model.config.window // 2, 0))

    def write(self) -> Iterator[Step]:
        """The take's steps in order of time, each as soon as it is chosen."""
        while True:
            step = self.write_step()
            if step is None:
                return
            yield step

    def write_step(self) -> Step | None:
        """Choose the next step; None at the end of the take."""
        gap, at, forced = self._choose_gap(self.gaps)
        if at >= self.length and not forced:
            return None
        self._pass_missed(at)
        symbols = self.decoder.arrive(gap, self._situation(at), at - self.origin)
        symbol, is_melody = self._choose_symbol(symbols, at, forced)
        if symbol == END:
            return None
        velocity = duration = 0
        release = at
        if symbol < KEYS:
            velocity = self._pick(self.decoder.choose(1, symbol, is_melody))
            duration = self._pick(self.decoder.choose(2, velocity))
            release += DURATION_STEPS[duration]
        step = Step(at, release, symbol, velocity, duration, is_melody, forced)
        self._append(step, gap)
        return step

    def _choose_gap(self, logits: Tensor) -> tuple[int, int, bool]:
        """Gap bin, the step it leads to, and whether the melody's deadline decided it."""
        gap = self._pick_gap(self._guided(logits)) if self.steps else 0
        at = max(self.now + GAP_STEPS[gap], self.begin)
        due = self._due()
        if self.keep and due is not None and at > self._deadline(due):
            at = max(due.step, self.now)
            gap = int(GAPS.table[min(at - self.now, MAX_GAP)])
            if not self._may_strike(at, due):
                at, gap = self.now + 1, 1
            return gap, at, True
        return gap, at, False

    def _pick_gap(self, logits: Tensor) -> int:
        if self.steps[-1].symbol == PEDAL_DOWN:  # the last of its step
            logits = logits.index_fill(0, torch.tensor([0]), float("-inf"))
        if self.begin > self.now:
            early = torch.from_numpy(GAPS.middle < self.begin - self.now)
            if not early.all():
                logits = logits.masked_fill(early, float("-inf"))
        return pick(logits, self.options.temperature, self.generator)

    def _choose_symbol(self, logits: Tensor, at: int, forced: bool) -> tuple[int, bool]:
        """The symbol, its real key where it is a melody note, and whether it is one."""
        due = self._due()
        if forced and due is not None:
            return self._strike(due), True
        is_near = due is not None and abs(due.step - at) <= BREATH
        after = self.steps[-1].symbol if self.steps and at == self.now else None
        may_end = not self.melody and not self.after and at >= 0.9 * self.length
        allowed = allowed_symbols(after, self.pedal, due.key if due is not None and is_near else None, may_end)
        if self.keep and due is not None and at >= self._deadline(due) and allowed[MELODY]:
            allowed[: END + 1] &= torch.from_numpy(RANK[due.key] > RANK)  # its place is still to come
        logits = torch.from_numpy(np.where(allowed.numpy(), self._guided(logits).numpy(), np.float32("-inf")))
        symbol = pick(logits, self.options.temperature, self.generator, self.options.top_p)
        if symbol == MELODY and due is not None:
            return self._strike(due), True
        return symbol, False

    def _strike(self, due: MelodyNote) -> int:
        self.struck.append(self.next_note)
        self.next_note += 1
        self.last = due
        return due.key

    def _due(self) -> MelodyNote | None:
        return self.melody[self.next_note] if self.next_note < len(self.melody) else None

    def _deadline(self, due: MelodyNote) -> int:
        return min(due.step + BREATH, self.length - 1)

    def _may_strike(self, at: int, due: MelodyNote) -> bool:
        """Whether the melody note may follow the last step at the same time: notes are written from the top down."""
        if not self.steps or at > self.now:
            return True
        return bool(allowed_symbols(self.steps[-1].symbol, self.pedal, due.key, False)[MELODY])

    def _pass_missed(self, at: int) -> None:
        """Give up melody notes whose time is over; in keep there are none."""
        while not self.keep and (due := self._due()) is not None and due.step + BREATH < at:
            self.next_note += 1

    def _append(self, step: Step, gap: int) -> None:
        self.steps.append(step)
        self.now = step.at
        self._press(step)
        written = len(self.steps) - self.first
        if written >= self.decoder.model.config.window or step.at - self.origin >= SHOWN:
            self.open_window(len(self.steps) - max(written // 2, 1))
            return
        self._read(
            [[gap, step.symbol, step.velocity, step.duration]],
            [step.is_melody],
            [self.now],
            [self._situation(self.now)],
        )

    def open_window(self, first: int) -> None:
        """Begin a window whose first step is step `first` of the take; what follows it is read at once."""
        kept = self.steps[first:]
        self.first, self.origin = first, kept[0].at if kept else self.begin
        heard = self.struck[len(self.struck) - sum(step.is_melody for step in kept) :]
        self.decoder.begin(self._remember([self.melody[index] for index in heard]))
        self.releases, self.last = np.zeros(KEYS, np.int64), None
        before = [s for s in self.steps[:first] if s.symbol in (PEDAL_UP, PEDAL_DOWN)]
        self.pedal = bool(before) and before[-1].symbol == PEDAL_DOWN
        due = iter([*heard, self.next_note])
        self.next_note = next(due)
        situations, moments = [self._situation(self.origin)], [self.origin]
        for step in kept:
            self._press(step)
            if step.is_melody:
                self.last, self.next_note = self.melody[self.next_note], next(due)
            situations.append(self._situation(step.at))
            moments.append(step.at)
        rows, struck = tokens_of(kept, self.origin), [step.is_melody for step in kept]
        for first in range(0, max(len(kept), 1), PART):
            after, now = first + PART, slice(first + (first > 0), first + PART + 1)  # the beginning is a moment too
            self.pause()
            self._read(rows[first:after], struck[first:after], moments[now], situations[now])

    def _press(self, step: Step) -> None:
        if step.symbol in (PEDAL_UP, PEDAL_DOWN):
            self.pedal = step.symbol == PEDAL_DOWN
        if step.symbol < KEYS:
            self.releases[step.symbol] = step.release

    def _remember(self, heard: list[MelodyNote]) -> Memory:
        """The conditions, of the melody the notes struck in the window and those to come within the horizon."""
        coming = [note for note in self.melody[self.next_note :] if note.step < self.origin + HORIZON]
        shown = heard + coming
        notes = shown or [MelodyNote(self.origin, self.origin + 1, 0)]
        steps = np.array([note.step for note in notes]) - self.origin
        ends, keys = np.array([note.end for note in notes]) - self.origin, np.array([note.key for note in notes])
        tokens = NoteCodec().melody_tokens(steps, keys, ends - steps)
        valid = np.full(len(notes), bool(shown))
        melody = Melody(*(torch.from_numpy(part)[None] for part in (tokens, steps, ends, keys, valid)))
        return remembered(self.decoder.model, self.style, melody, self.given, self._after())

    def _after(self) -> After | None:
        """The music after a gap as the model is given it: the first of it, its times from the window's origin on."""
        if not self.after:
            return None
        notes = np.array([(step.at - self.origin, step.symbol, step.release - step.at) for step in self.after])
        steps = torch.from_numpy(notes[:, 0])[None]
        tokens = torch.from_numpy(NoteCodec().melody_tokens(*notes.T))[None]
        return After(tokens, steps, torch.ones(steps.shape, dtype=torch.bool))

    def _situation(self, at: int) -> Situation:
        """The situation at one moment, for each row."""
        due, now = self._due(), self.last
        countdown = countdown_until(due.step - at) if due is not None else NO_COUNTDOWN
        next_key = due.key if due is not None else NO_KEY
        now_key = now.key if now is not None and now.end > at else NO_KEY
        rest = countdown_until(self.after[0].at - at) if self.after else NO_COUNTDOWN
        known, unknown = (countdown, next_key, now_key, rest), (NO_COUNTDOWN, NO_KEY, NO_KEY, rest)
        values = np.array([known if has_melody else unknown for _, has_melody in self.given])
        held = np.empty((len(values), 1, KEYS + 1), np.float32)
        held[..., :KEYS], held[..., KEYS] = self.releases > at, self.pedal
        told = [torch.from_numpy(part) for part in (held, *values.T[..., None])]
        return Situation(*[*told, self._coming(at)])

    def _coming(self, at: int) -> Tensor:
        if not self.after:
            return self.nothing_comes
        return coming_keys(self._after(), torch.tensor([[at - self.origin]])).expand_as(self.nothing_comes)

    def _read(self, rows: list[list[int]], struck: list[bool], moments: list[int], situations: list[Situation]) -> None:
        """Let the decoder read steps (rows: their tokens), and keep what it says of the next gap."""
        situation = situations[0]
        if len(situations) > 1:
            situation = Situation(*(torch.cat(parts, 1) for parts in zip(*situations, strict=True)))
        told = np.array(rows, np.int64).reshape(-1, 4), np.array(struck, np.bool_), np.array(moments) - self.origin
        tokens, flags, steps = map(torch.from_numpy, told)
        self.gaps = self.decoder.read(tokens, flags, situation, steps)

    def _guided(self, logits: Tensor) -> Tensor:
        return guided(logits, self.options, self.style is not None, bool(self.melody))

    def _pick(self, logits: Tensor) -> int:
        return pick(self._guided(logits), self.options.temperature, self.generator)
