"""What a decoder is asked, and the reference that answers: the model's own decoder in torch, with a cache."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from engine.autoencoder import Autoencoder, Decoder
from engine.situation import After, Melody, Situation
from engine.transformer import Cache, Memory


@torch.inference_mode()
def remembered(
    model: Autoencoder,
    style: Tensor | None,
    melody: Melody,
    given: list[tuple[bool, bool]],
    after: After | None = None,
) -> Memory:
    """What the decoder listens to, one row for each (style, melody) of `given`. style: (1, width) or None; melody:
    (1, notes, …); after: (1, events, …), heard in every row."""
    device, rows = next(model.parameters()).device, len(given)
    has_style = torch.tensor([has_style for has_style, _ in given], device=device)
    has_melody = torch.tensor([has_melody for _, has_melody in given], device=device)
    style = torch.zeros(1, model.config.block.width) if style is None else style
    tokens, steps, ends, keys, valid = (part.to(device).expand(rows, *part.shape[1:]) for part in melody)
    melody = Melody(tokens, steps, ends, keys, valid & has_melody[:, None])
    if after is not None:
        after = After(*(part.to(device).expand(rows, *part.shape[1:]) for part in after))
    return model.remember(style.to(device).expand(rows, -1), has_style, melody, after)


class StepDecoder(Protocol):
    """A model's decoder as a writer asks it: it reads steps, and is told each field of the next as it is chosen.

    It answers with the logits of the field that follows, (rows, size), which the same question's next answer may
    replace. All rows of the memory are told the same.
    """

    model: Autoencoder

    @property
    def state(self) -> Tensor:
        """After a reading: what the next step is chosen from, (rows, 1, width)."""

    def begin(self, memory: Memory) -> None:
        """Open a window: nothing of it is read yet."""

    def read(self, tokens: Tensor, struck: Tensor, situation: Situation | None, steps: Tensor) -> Tensor:
        """Read steps; the next one's first field. tokens: (time, fields), struck: (time,); steps, and situation in
        each row: the moment after each, and in a window's first reading also that of its beginning."""

    def arrive(self, gap: int, situation: Situation, step: int) -> Tensor:
        """The gap leads to this step; field 1."""

    def choose(self, index: int, value: int, struck: bool = False) -> Tensor:
        """Field `index` takes the value; field index + 1. struck: whether a pitch is a melody note's."""


class TorchDecoder:
    """See `StepDecoder`. The reference. decoder: the model's, or a copy of it elsewhere. state: (rows, 1, width)."""

    def __init__(self, model: Autoencoder, decoder: Decoder | None = None) -> None:
        self.model, self.decoder = model, decoder or model.decoder
        self.device = self.decoder.begin.device

    def begin(self, memory: Memory) -> None:
        """Open a window."""
        steps = None if memory.steps is None else memory.steps.to(self.device)
        vectors, mask, style = (part.to(self.device) for part in (memory.vectors, memory.mask, memory.style))
        self.memory = Memory(vectors, mask[:, 0, 0] == 0, steps, style)
        self.cache, self.rows = Cache(self.model.config.window + 2), len(vectors)

    @torch.inference_mode()
    def read(self, tokens: Tensor, struck: Tensor, situation: Situation | None, steps: Tensor) -> Tensor:
        """Read steps."""
        given = (part.to(self.device).expand(self.rows, *part.shape) for part in (tokens, struck, steps))
        tokens, struck, steps = given
        if situation is not None:
            situation = self._there(situation)
        is_first = not self.cache.length
        trunk = self.decoder.trunk(tokens, struck, situation, steps, self.memory, self.cache, is_first)
        self.state = trunk[:, -1:]
        return self._logits(0)

    @torch.inference_mode()
    def arrive(self, gap: int, situation: Situation, step: int) -> Tensor:
        """Go to the new onset."""
        onset = self._all(step)
        self.state = self.decoder.arrive(self.state, self._all(gap), self._there(situation), onset, self.memory)
        return self._logits(1)

    @torch.inference_mode()
    def choose(self, index: int, value: int, struck: bool = False) -> Tensor:
        """Choose the value of a field."""
        note = self._all(struck) if index == 1 else None
        self.state = self.decoder.choose(self.state, index, self._all(value), note)
        return self._logits(index + 1)

    def _there(self, situation: Situation) -> Situation:
        return Situation(*(part.to(self.device) for part in situation))

    def _all(self, value: int) -> Tensor:
        return torch.full((self.rows, 1), int(value), device=self.device)

    def _logits(self, index: int) -> Tensor:
        return self.decoder.logits(self.state, index)[:, 0].float().cpu()
