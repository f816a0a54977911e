"""How the next value is drawn: temperature, top-p, what is not allowed, and how strongly the conditions pull.

It is computed in numpy: between two runs of a decoder, whose weights and keys fill the processor's caches, each
operation of torch on so few values takes several times as long.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.vocabulary import END, MELODY, PEDAL_DOWN, PEDAL_UP, RANK


@dataclass(frozen=True)
class SamplingOptions:
    """temperature: 1 is the model's own spread, less is safer; top_p: share of the pitch probability drawn from.

    Top-p is for pitch alone: on every field it adds up to short dry notes. style_strength, melody_strength: 1 is as
    learned; above, the difference the condition makes is enlarged, below it is lessened.
    """

    temperature: float = 1.0
    top_p: float = 0.95
    style_strength: float = 1.0
    melody_strength: float = 1.0


def guided(logits: Tensor, options: SamplingOptions, has_style: bool, has_melody: bool) -> Tensor:
    """One row of logits from those of each condition. logits: (rows, …), the rows of `conditions` -> (…)."""
    if len(logits) == 1:
        return logits[0]
    rows = logits.numpy().reshape(len(logits), -1)
    return torch.from_numpy(_shares(options, has_style, has_melody) @ rows).view(logits.shape[1:])


@lru_cache
def _shares(options: SamplingOptions, has_style: bool, has_melody: bool) -> NDArray[np.float32]:
    """By how much each row of `conditions` counts, (rows,), 1 in all: what each condition changes is enlarged."""
    strengths = ((options.style_strength, has_style), (options.melody_strength, has_melody))
    more = [strength - 1 for strength, is_given in strengths if is_given and strength != 1]
    return np.array([1 + sum(more), *(-each for each in more)], np.float32)


def conditions(options: SamplingOptions, has_style: bool, has_melody: bool) -> list[tuple[bool, bool]]:
    """(style, melody) of each row that `guided` needs, in its order: all that is given, then without each in turn."""
    rows = [(has_style, has_melody)]
    if has_style and options.style_strength != 1:
        rows.append((False, has_melody))
    if has_melody and options.melody_strength != 1:
        rows.append((has_style, False))
    return rows


def pick(logits: Tensor, temperature: float, generator: torch.Generator, top_p: float = 1.0) -> int:
    """Draw from logits (size,): the least set of values whose probability is at least top_p, at a temperature."""
    scores = logits.numpy().astype(np.float64)
    weights = np.exp((scores - scores.max()) / max(temperature, 1e-4))
    order = None if top_p >= 1 else np.argsort(-weights, kind="stable")
    reached = (weights if order is None else weights[order]).cumsum()
    if order is not None:
        reached = reached[: reached.searchsorted(top_p * reached[-1]) + 1]
    drawn = torch.rand(1, generator=generator, dtype=torch.float64).item() * reached[-1]
    place = reached.searchsorted(drawn, "right")
    return int(place if order is None else order[place])


def allowed_symbols(after: int | None, pedal: bool, melody_key: int | None, may_end: bool) -> Tensor:
    """Which pitch symbols may follow, (92,) bool.

    after: the symbol before, if it is at the same step (a step is written from the top key down); pedal: whether it is
    down; melody_key: the melody note that may be struck now. Nothing but the end follows a pedal pressed at one step.
    """
    allowed = np.ones(MELODY + 1, np.bool_)
    if after is not None:
        allowed[: END + 1] = RANK[after] < RANK
    allowed[PEDAL_DOWN if pedal else PEDAL_UP] = False
    allowed[END] &= may_end
    allowed[MELODY] = melody_key is not None and (after is None or RANK[melody_key] > RANK[after])
    return torch.from_numpy(allowed)
