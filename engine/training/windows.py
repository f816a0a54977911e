"""Training windows from a prepared data set: what to say, the melody given, and the style given, augmented.

Sample i is a function of (seed, i) alone, so a run that was killed goes on where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.autoencoder import Window
from engine.codec import NoteCodec, one_voice_a_key
from engine.errors import RequestError
from engine.situation import After, Melody
from engine.training.dataset import Dataset, Events, lengths
from engine.vocabulary import END, GAPS, KEYS, MAX_DURATION, PEDAL_DOWN, PEDAL_UP, RANK

Ints = NDArray[np.int64]
MS_PER_STEP = 10


@dataclass(frozen=True)
class WindowConfig:
    """How windows are cut and augmented. Chances are of what is given to the decoder; the rest is both."""

    steps: int = 512
    rows: int | None = None  # of events: as many tokens as so many notes and pedals take, whatever `steps` says
    style_steps: int = 256  # longest; the shortest is a quarter of it
    transpose: int = 3  # semitones either way, the whole window
    stretch: float = 0.05
    style_transpose: int = 6  # the style input alone, so that the vector carries style, not notes
    style_stretch: float = 0.05
    style_within: float = 0.8  # chance that the style is heard in the window itself (the paper's perturbed copy)
    neither: float = 0.10
    melody_only: float = 0.10
    style_only: float = 0.15
    thin: float = 0.75  # the largest share of melody notes left out: a tune has fewer notes than a top line
    forgetful: float = 0.3  # chance that a share of the steps before is hidden: the style must tell what they told
    infill: float = 0.5  # chance that the music after a gap is given: the window's last events, and those that follow
    after: int = 64  # of the events that follow, at most
    overlap: int = 24  # of the window's last ones, at most: by copying them it is learned to look there
    paired: bool = False  # items 2k and 2k + 1 are of one performance, so that their styles can be held together
    ahead: int = 96  # events beyond the window whose melody notes may be given, so that its end is not told
    augment: bool = True


@dataclass(frozen=True)
class Sample:
    """One window in numpy, as the fields of `Window` and `Melody` name them, and the style's tokens."""

    tokens: Ints
    steps: Ints
    releases: Ints
    struck: NDArray[np.bool_]
    pedal: bool
    melody: tuple[Ints, Ints, Ints, Ints]  # tokens, steps, ends, keys
    style: Ints
    has_style: bool
    after: tuple[Ints, Ints]  # tokens and steps of the notes after a gap, which the window's last ones are of
    forgotten: NDArray[np.bool_] | None = None  # steps the decoder does not hear when it says those after


class Windows(torch.utils.data.Dataset[Sample]):
    """Windows of a data set, without end: item i of a seed is always the same."""

    def __init__(self, data: Dataset, config: WindowConfig, seed: int, size: int = 1 << 40) -> None:
        self.data, self.config, self.seed, self.size = data, config, seed, size
        self.codec = NoteCodec()
        self.borders = np.cumsum(lengths(data.pieces))
        if not len(self.borders):
            raise RequestError(
                "There are no performances in a split of this data set",
                "Prepare more files, or give them a catalogue with splits",
            )

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Sample:
        random = np.random.default_rng((self.seed, index))
        config = self.config
        choice = np.random.default_rng((self.seed, 1, index // 2)) if config.paired and config.augment else random
        row = int(choice.integers(self.borders[-1]))
        piece = self.data.pieces[int(np.searchsorted(self.borders, row, side="right"))]
        events = self.data.events[piece.first : piece.after]
        start = int(random.integers(max(len(events) - self.rows(config.steps) // 2, 1)))
        semitones, factor = self._augmentation(random, config.transpose, config.stretch)
        sample = self.window(events, start, semitones, factor, random)
        chance = random.random()
        has_style = not (chance < config.neither + config.melody_only)
        if chance < config.neither or 0 <= chance - config.neither - config.melody_only < config.style_only:
            sample = self._without_melody(sample)
        semitones, factor = self._augmentation(random, config.style_transpose, config.style_stretch)
        length = config.style_steps
        if config.augment:
            length = int(random.integers(length // 4, length + 1))
        first, last = 0, len(events)
        if random.random() < config.style_within:
            first, last = start, min(start + self.rows(config.steps), last)
        first += int(random.integers(max(last - first - self.rows(length), 1)))
        style = self.style_tokens(events[:last], first, length, semitones, factor)
        forgotten = None
        if config.augment and random.random() < config.forgetful:
            forgotten = random.random(len(sample.tokens)) < random.random()
        return replace(sample, style=style, has_style=has_style, forgotten=forgotten)

    def rows(self, steps: int) -> int:
        """Rows of the data set that so many steps are about."""
        return steps

    def style_tokens(self, events: Events, first: int, length: int, semitones: int, factor: float) -> Ints:
        """Tokens of about `length` steps from row `first` on."""
        return self._tokens(events[first : first + length], semitones, factor)[0]

    def _augmentation(self, random: np.random.Generator, semitones: int, stretch: float) -> tuple[int, float]:
        if not self.config.augment:
            return 0, 1.0
        return int(random.integers(-semitones, semitones + 1)), float(random.uniform(1 - stretch, 1 + stretch))

    def _tokens(self, events: Events, semitones: int, factor: float) -> tuple[Ints, Ints, Ints, Ints]:
        """Tokens, durations in steps, the order of the events (some may be left out), and the steps they begin at."""
        symbols = events["symbol"].astype(np.int64)
        symbols = np.where(symbols < KEYS, symbols + semitones, symbols)
        onsets = (events["onset"] * (factor / MS_PER_STEP) + 0.5).astype(np.int64)
        fits = (events["symbol"] >= KEYS) | ((symbols >= 0) & (symbols < KEYS))
        order = np.flatnonzero(fits)
        order = order[np.lexsort((RANK[symbols[order]], onsets[order]))]
        symbols, onsets = symbols[order], onsets[order] - onsets[order[:1]]
        durations = np.maximum((events["duration"][order] * (factor / MS_PER_STEP) + 0.5).astype(np.int64), 1)
        durations = np.maximum(one_voice_a_key(onsets, symbols, durations), 1)
        tokens = self.codec.tokens(onsets, symbols, events["velocity"][order].astype(np.int64), durations)
        return tokens, durations, order, np.cumsum(GAPS.middle[tokens[:, 0]])

    def window(self, events: Events, start: int, semitones: int, factor: float, random: np.random.Generator) -> Sample:
        """What is to be said from row `start` on, and its melody; style and its tokens are still to come."""
        config = self.config
        ahead, after = int(random.integers(config.ahead + 1)), 0
        if random.random() < config.infill:
            after = int(random.integers(config.after // 8, config.after + 1)) if config.augment else config.after
        chunk = events[start : start + config.steps + max(ahead, after)]
        tokens, durations, order, steps = self._tokens(chunk, semitones, factor)
        inside = min(len(tokens), config.steps)
        given, at, ends = self.given_melody(steps, chunk["melody"][order] * (factor / MS_PER_STEP), random)
        keys = tokens[given, 1]
        melody = (self.codec.melody_tokens(at, keys, ends - at), at, ends, keys)
        struck = np.zeros(len(tokens), bool)
        struck[given] = True
        overlap = int(random.integers(1, config.overlap + 1)) if after and config.augment else 1
        known = slice(inside - overlap, inside + after if after and len(tokens) > inside else inside - overlap)
        is_note = tokens[known, 1] < KEYS
        later, begins, lasts = (part[known][is_note] for part in (tokens[:, 1], steps, durations))
        if start + len(chunk) == len(events) and len(tokens) < config.steps:
            tokens, steps, durations, struck = _with_end(tokens, steps, durations, struck)
            inside += 1
        return Sample(
            tokens=tokens[:inside],
            steps=steps[:inside],
            releases=(steps + durations)[:inside],
            struck=struck[:inside],
            pedal=is_pedal_down(events, start),
            melody=melody,
            style=tokens[:0],
            has_style=True,
            after=(self.codec.melody_tokens(begins, later, lasts), begins),
        )

    def given_melody(
        self, steps: Ints, stay: NDArray[np.float64], random: np.random.Generator
    ) -> tuple[Ints, Ints, Ints]:
        """Which events are given as the melody, and the steps at which each begins and ends there.

        steps: (events,) when each begins; stay: (events,) steps the melody stays on it, 0 where it is not melody.
        """
        given = np.flatnonzero(stay > 0)
        if self.config.augment and random.random() < 0.7:
            given = given[random.random(len(given)) >= random.uniform(0, self.config.thin)]
        ends = steps[given] + np.maximum(stay[given].astype(np.int64), 1)
        at = self._loosen(steps[given], random)
        return given, at, np.maximum(ends, at + 1)

    def _loosen(self, steps: Ints, random: np.random.Generator) -> Ints:
        """Melody times as a score or another player would have them: exact, shaken, or on a grid of 80 to 100 ms."""
        kind = int(random.integers(3)) if self.config.augment else 0
        if kind == 1:
            shaken = steps + np.clip(np.round(random.normal(0, 2, len(steps))), -5, 5).astype(np.int64)
            return np.maximum(np.maximum.accumulate(shaken), 0) if len(steps) else steps
        if kind == 2:
            grid = random.uniform(8, 10)
            return np.asarray(np.round(np.round(steps / grid) * grid), np.int64)
        return steps

    @staticmethod
    def _without_melody(sample: Sample) -> Sample:
        tokens, steps, ends, keys = (part[:0] for part in sample.melody)
        return replace(sample, melody=(tokens, steps, ends, keys), struck=np.zeros_like(sample.struck))


def is_pedal_down(events: Events, start: int) -> bool:
    """Whether the pedal is down before row `start`, as far as a while back tells."""
    earlier = events[max(start - 400, 0) : start]["symbol"]
    pedals = earlier[(earlier == PEDAL_UP) | (earlier == PEDAL_DOWN)]
    return bool(len(pedals) and pedals[-1] == PEDAL_DOWN)


def _with_end(
    tokens: Ints, steps: Ints, durations: Ints, struck: NDArray[np.bool_]
) -> tuple[Ints, Ints, Ints, NDArray[np.bool_]]:
    """The same with the end of the piece as one more step, when the last key goes up."""
    last = int(np.minimum(steps + durations, steps[-1] + MAX_DURATION).max(initial=0))
    gap = int(GAPS.table[np.clip(last - steps[-1], 0, len(GAPS.table) - 1)])
    tokens = np.vstack([tokens, [[gap, END, 0, 0]]])
    return tokens, np.append(steps, steps[-1] + GAPS.middle[gap]), np.append(durations, 1), np.append(struck, False)


def collate(samples: list[Sample]) -> dict[str, Any]:
    """Pad samples into one batch: window, melody, style tokens (batch, time, fields), style_valid and has_style."""

    def pad(arrays: Sequence[NDArray[Any]]) -> Tensor:
        longest = max(1, max(len(array) for array in arrays))
        out = np.zeros((len(arrays), longest, *arrays[0].shape[1:]), arrays[0].dtype)
        for row, array in zip(out, arrays, strict=True):
            row[: len(array)] = array
        return torch.from_numpy(out)

    def valid(arrays: Sequence[NDArray[Any]]) -> Tensor:
        return pad([np.ones(len(array), bool) for array in arrays])

    tokens = [sample.tokens for sample in samples]
    window = Window(
        tokens=pad(tokens),
        valid=valid(tokens),
        steps=pad([sample.steps for sample in samples]),
        releases=pad([sample.releases for sample in samples]),
        struck=pad([sample.struck for sample in samples]),
        pedal=torch.tensor([sample.pedal for sample in samples]),
        forgotten=pad([np.zeros(len(s.tokens), bool) if s.forgotten is None else s.forgotten for s in samples]),
    )
    parts = list(zip(*(sample.melody for sample in samples), strict=True))
    melody_tokens, steps, ends, keys = map(pad, parts)
    melody = Melody(melody_tokens, steps, ends, keys, valid(parts[1]))
    style = [sample.style for sample in samples]
    after = [sample.after[0] for sample in samples]
    return {
        "window": window,
        "melody": melody,
        "after": After(pad(after), pad([sample.after[1] for sample in samples]), valid(after)),
        "style": pad(style),
        "style_valid": valid(style),
        "has_style": torch.tensor([sample.has_style for sample in samples]),
    }
