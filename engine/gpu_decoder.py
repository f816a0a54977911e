"""The decoder on a GPU: keys and values in place, in bf16, the kernels of each question recorded once.

A step of so small a model is hundreds of short kernels, and to start them takes longer than they do. So all that an
answer depends on lies in tensors that stay where they are: then the kernels can be recorded, and started together, as a
CUDA graph. MPS has none and goes the same way without. What the decoder listens to is made by the model, on the CPU,
once a window. The speed is not measured: there was no GPU. On CPU tensors it says what torch says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from engine.autoencoder import Autoencoder, Decoder
from engine.situation import COMING, Situation
from engine.torch_decoder import StepDecoder, TorchDecoder
from engine.transformer import STEP, Block, Memory, Rotation, SelfAttention, weigh
from engine.vocabulary import KEYS

ROOM = 64  # positions and notes: kernels like sizes in multiples of it, and one recording serves more windows
WARM_UPS = 2  # runs before a recording: what is chosen and allotted at first use must not be in it
Compute = Callable[[], Tensor]


def gpu_decoders(device: str, model: Autoencoder, kept: Path | None) -> Callable[[], StepDecoder]:
    """Makes the decoder of a take on a device; nothing needs to be kept for it. The model stays where it is.

    Raises RuntimeError where the device has no memory for it.
    """
    decoder, block = deepcopy(model.decoder).to(device), model.config.block
    if block.positions != "rotary" or block.timing:
        return partial(TorchDecoder, model, decoder)
    return partial(GpuDecoder, model, decoder.to(torch.bfloat16), RECORD[device])


def cuda_graph(compute: Compute) -> Compute:
    """The computation as one CUDA graph, which answers in the same tensor each time."""
    now, beside = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
    beside.wait_stream(now)
    with torch.cuda.stream(beside):
        for _ in range(WARM_UPS):
            compute()
    now.wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        answer = compute()

    def replay() -> Tensor:
        graph.replay()
        return answer

    return replay


def as_it_is(compute: Compute) -> Compute:
    """The computation unrecorded."""
    return compute


RECORD: dict[str, Callable[[Compute], Compute]] = {"cuda": cuda_graph, "mps": as_it_is}  # by device


class GpuDecoder:
    """See `StepDecoder`. decoder: a copy of the model's on the device, in the type it is to compute in; record: makes
    of a computation one that does the same again, on the same tensors."""

    def __init__(self, model: Autoencoder, decoder: Decoder, record: Callable[[Compute], Compute] = as_it_is) -> None:
        self.model, self.decoder, self.record = model, decoder, record
        self.listening = {layer: cast(Block, block).listen for layer, block in enumerate(model.decoder.blocks)}
        if decoder.is_notes:
            self.listening[len(decoder.blocks)] = model.decoder.look
        self.rows = self.notes = 0  # there is room for

    @torch.inference_mode()
    def begin(self, memory: Memory) -> None:
        """Open a window."""
        rows, notes = memory.vectors.shape[:2]
        if rows != self.rows or notes > self.notes:
            self._make_room(rows, _rounded(notes))
        self.length = 0
        self.memory.mask.fill_(float("-inf"))
        self.memory.mask[..., :notes].copy_(memory.mask)
        self.memory.style.copy_(memory.style)
        for layer, attention in self.listening.items():
            assert attention is not None
            for room, part in zip(self.memory.projected[layer], attention.project(memory), strict=True):
                room[:, :, :notes].copy_(part)

    @torch.inference_mode()
    def read(self, tokens: Tensor, struck: Tensor, situation: Situation | None, steps: Tensor) -> Tensor:
        """Read steps."""
        at = self.length + torch.arange(len(steps))
        given = (tokens[None], struck[None], at, self._angles_of(steps), *(situation or ()))
        is_first, self.length = not self.length, self.length + len(steps)
        if is_first or len(steps) > 1:
            return self._read(*(part.to(there) for part, there in zip(given, self.asked, strict=True))).cpu()
        _fill(self.asked, given)
        return self.step().cpu()

    @torch.inference_mode()
    def arrive(self, gap: int, situation: Situation, step: int) -> Tensor:
        """Go to the new onset."""
        self.value.fill_(gap)
        self.angles.copy_(self._angles_of(torch.tensor([step])))
        _fill(self.situation, situation)
        return self.stages[0]().cpu()

    @torch.inference_mode()
    def choose(self, index: int, value: int, struck: bool = False) -> Tensor:
        """Choose the value of a field."""
        self.value.fill_(value)
        self.struck.fill_(struck)
        return self.stages[index]().cpu()

    def _angles_of(self, steps: Tensor) -> Tensor:
        """By how much each step's musical time turns, (time, head / 2) radians, without whole turns: float32 is exact
        enough for the rest."""
        turns = steps.double()[:, None] * STEP * Rotation.by_second(self.model.config.block.key_head)
        return (turns % (2 * math.pi)).float()

    def _make_room(self, rows: int, notes: int) -> None:
        """The tensors for so many rows and notes heard, and the recordings of what is done with them."""
        self.rows, self.notes = rows, notes
        block, kind = self.model.config.block, self.decoder.begin
        capacity = _rounded(self.model.config.window + 2)
        widths = block.key_head, block.head
        self.cache = [
            [kind.new_zeros(rows, block.kv_heads, capacity, width) for width in widths] for _ in self.decoder.blocks
        ]
        self.places = torch.arange(capacity, device=kind.device)
        turn = Rotation.by_index(0, capacity, block.key_head, torch.device("cpu"))
        self.turns = torch.atan2(turn.sin, turn.cos)[0, 0].to(kind.device)
        self.state, style = (kind.new_zeros(rows, 1, block.width) for _ in range(2))
        self.memory = Memory(kind.new_zeros(rows, notes, 0), self.places.new_ones(rows, notes).bool(), None, style)
        for layer in self.listening:
            keys, values = (kind.new_zeros(rows, block.heads, notes, width) for width in widths)
            self.memory.projected[layer] = keys, values
        self._record()

    def _record(self) -> None:
        """What one step is told, and the answers to it."""
        number, kind, fields = self.places.new_zeros, self.decoder.begin, len(self.model.codec.fields)
        self.value, self.struck = number(1, 1), number(1, 1)
        self.angles = self.turns[:1].clone()
        held, coming = (kind.new_zeros(self.rows, 1, size) for size in (KEYS + 1, COMING))
        moment = [number(self.rows, 1) for _ in Situation._fields[1:-1]]
        self.situation = (held, *moment, coming) if self.decoder.is_notes else ()
        self.asked = (number(1, 1, fields), self.struck, number(1), self.angles, *self.situation)
        self.step = self.record(lambda: self._read(*self.asked))
        if self.decoder.is_notes:
            choices = [partial(self._choose, index) for index in range(1, fields - 1)]
            self.stages = [self.record(self._arrive), *map(self.record, choices)]

    def _read(self, tokens: Tensor, struck: Tensor, at: Tensor, angles: Tensor, *situation: Tensor) -> Tensor:
        """See `Decoder.trunk`; the first field's logits. at: (time,) the steps' places in the cache, of which the first
        is the window's beginning if there is one more than steps; angles: (time, head / 2)."""
        decoder = self.decoder
        x = decoder.embed(tokens)
        if decoder.is_notes:
            x = x + decoder.strike(struck)
        if len(at) > tokens.shape[1]:
            x = torch.cat([decoder.begin.expand(1, 1, -1), x], 1)
        if situation:
            x = x + decoder.before(Situation(*situation))
        x = x.expand(self.rows, -1, -1)
        if decoder.config.style_throughout:
            x = x + decoder.style_in(self.memory.style)
        by_place, by_time = Rotation(self.turns[at]), Rotation(angles) if decoder.is_notes else None
        future = torch.zeros_like(x[0, :, :1]).masked_fill(self.places > at[:, None], float("-inf"))
        for layer, block in enumerate(cast(list[Block], decoder.blocks)):
            x = x + self._attend(block.attend, block.norm_1(x), self.cache[layer], at, by_place, future)
            assert block.listen is not None
            assert block.norm_2 is not None
            x = x + block.listen(block.norm_2(x), self.memory, by_time, layer)
            x = x + block.feed_forward(block.norm_3(x))
        state = decoder.norm(x[:, -1:])
        if decoder.config.style_throughout:
            state = state + decoder.style_out(self.memory.style)
        return self._answer(state, 0)

    def _attend(
        self, attend: SelfAttention, x: Tensor, cache: list[Tensor], at: Tensor, turn: Rotation, future: Tensor
    ) -> Tensor:
        """See `SelfAttention`. All of the cache is looked at but what `future` (time, capacity) hides; the queries that
        share keys stand one below the other."""
        config, (rows, time, _) = attend.config, x.shape
        counts = config.heads, config.kv_heads, config.kv_heads
        parts = zip(attend.project(x).split(attend.widths, dim=-1), counts, strict=True)
        query, key, value = (part.view(rows, time, count, -1).transpose(1, 2) for part, count in parts)
        keys, values = cache
        keys[:, :, at], values[:, :, at] = turn(key), value
        shared = config.heads // config.kv_heads
        query = turn(query).reshape(rows, config.kv_heads, shared * time, -1)
        y = weigh(query, keys, values, future.repeat(shared, 1)).reshape(rows, config.heads, time, -1)
        mixed: Tensor = attend.out(y.transpose(1, 2).flatten(2))
        return mixed

    def _arrive(self) -> Tensor:
        """See `Decoder.arrive`."""
        decoder, turn = self.decoder, Rotation(self.angles)
        state = self.state + decoder.chosen[0](self.value) + decoder.arrived(Situation(*self.situation))
        state = state + decoder.look(decoder.look_norm(state), self.memory, turn, len(decoder.blocks))
        return self._answer(state + decoder.think[0](decoder.think_norm[0](state)), 1)

    def _choose(self, index: int) -> Tensor:
        """See `Decoder.choose`."""
        state = self.decoder.choose(self.state, index, self.value, self.struck if index == 1 else None)
        return self._answer(state, index + 1)

    def _answer(self, state: Tensor, index: int) -> Tensor:
        """Keep the state; the logits of a field, (rows, size)."""
        self.state.copy_(state)
        return self.decoder.logits(self.state, index)[:, 0].float()


def _fill(there: Iterable[Tensor], given: Iterable[Tensor]) -> None:
    for room, part in zip(there, given, strict=True):
        room.copy_(part)


def _rounded(size: int) -> int:
    return -(-size // ROOM) * ROOM


class Spared:
    """A decoder on a GPU until that fails, as when its memory is full; then another takes over where it was.

    spare: makes the other, told why. The questions asked since the window's beginning are put to it again.
    """

    def __init__(self, decoder: StepDecoder, spare: Callable[[RuntimeError], StepDecoder]) -> None:
        self.model, self.decoder, self.spare = decoder.model, decoder, spare
        self.asked: list[Callable[[StepDecoder], Any]] = []

    @property
    def state(self) -> Tensor:
        """What the next step is chosen from."""
        return self.decoder.state

    def begin(self, memory: Memory) -> None:
        """Open a window."""
        self.asked.clear()
        self._ask(methodcaller("begin", memory))

    def read(self, tokens: Tensor, struck: Tensor, situation: Situation | None, steps: Tensor) -> Tensor:
        """Read steps."""
        return self._ask(methodcaller("read", tokens, struck, situation, steps))

    def arrive(self, gap: int, situation: Situation, step: int) -> Tensor:
        """Go to the new onset."""
        return self._ask(methodcaller("arrive", gap, situation, step))

    def choose(self, index: int, value: int, struck: bool = False) -> Tensor:
        """Choose the value of a field."""
        return self._ask(methodcaller("choose", index, value, struck))

    def _ask(self, question: Callable[[StepDecoder], Any]) -> Tensor:
        answer: Tensor
        try:
            answer = question(self.decoder)
        except RuntimeError as error:  # torch.OutOfMemoryError is one; what MPS raises is no more than that
            self.decoder = self.spare(error)
            for before in self.asked:
                before(self.decoder)
            answer = question(self.decoder)
        self.asked.append(question)
        return answer
