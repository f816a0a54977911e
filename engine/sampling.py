"""How the next value is drawn: temperature, top-p, what is not allowed, and how strongly the conditions pull."""

from __future__ import annotations

from dataclasses import dataclass

import torch
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
    """One row of logits from those of each condition. logits: (rows, size), the rows of `conditions`."""
    result, row = logits[0], 1
    for strength, is_given in ((options.style_strength, has_style), (options.melody_strength, has_melody)):
        if is_given and strength != 1:
            result = result + (strength - 1) * (logits[0] - logits[row])
            row += 1
    return result


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
    probability = torch.softmax(logits.double().cpu() / max(temperature, 1e-4), -1)
    if top_p < 1:
        ordered, index = probability.sort(descending=True)
        beyond = ordered.cumsum(0) - ordered >= top_p
        probability = probability.index_fill(0, index[beyond], 0.0)
    return int(torch.multinomial(probability, 1, generator=generator))


def allowed_symbols(after: int | None, pedal: bool, melody_key: int | None, may_end: bool) -> Tensor:
    """Which pitch symbols may follow, (92,) bool.

    after: the symbol before, if it is at the same step (a step is written from the top key down); pedal: whether it is
    down; melody_key: the melody note that may be struck now. Nothing but the end follows a pedal pressed at one step.
    """
    allowed = torch.ones(MELODY + 1, dtype=torch.bool)
    if after is not None:
        allowed[: END + 1] = torch.from_numpy(RANK) > int(RANK[after])
    allowed[PEDAL_DOWN if pedal else PEDAL_UP] = False
    allowed[END] &= may_end
    allowed[MELODY] = melody_key is not None and (after is None or int(RANK[melody_key]) > int(RANK[after]))
    return allowed
