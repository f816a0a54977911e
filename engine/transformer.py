"""Attention, blocks and positions: the parts both the encoders and the decoder are built from.

Positions are rotary (Su et al. 2021) or, as in the paper, learned relative ones (Music Transformer, Huang et al. 2018),
one-sided in the decoder and two-sided in the encoders. Cross-attention may be rotated by musical time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SHORTEST, LONGEST = 0.1, 60.0  # seconds: wavelengths of the rotation by musical time
STEP = 0.01  # seconds in a step of the codec


@dataclass(frozen=True)
class BlockConfig:
    """One transformer block. feed_forward: its inner width."""

    width: int = 256
    heads: int = 4
    kv_heads: int = 2  # fewer than heads: the cache is what decoding waits for
    feed_forward: int = 1024
    dropout: float = 0.0
    positions: str = "rotary"  # or "relative", as in the paper
    reach: int = 1024  # positions: beyond this distance relative attention says nothing
    timing: bool = False  # add sinusoids of the position too, as the paper's code does
    activation: str = "gelu"  # or "relu", as in the paper
    key_width: int | None = None  # of the queries of all heads together; None: as `width`

    @property
    def head(self) -> int:
        """Channels of a value in each head."""
        return self.width // self.heads

    @property
    def key_head(self) -> int:
        """Channels of a query and a key in each head."""
        return (self.key_width or self.width) // self.heads


class Cache:
    """Keys and values of the steps already decoded, for each block, (batch, kv_heads, capacity, channels)."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.length = 0
        self.stored: dict[int, tuple[Tensor, Tensor]] = {}

    def extend(self, block: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add the new steps' keys and values (batch, kv_heads, new, channels); returns all so far."""
        new = key.shape[2]
        if block not in self.stored:
            self.stored[block] = (self._room(key), self._room(value))
        keys, values = self.stored[block]
        keys[:, :, self.length : self.length + new] = key
        values[:, :, self.length : self.length + new] = value
        return keys[:, :, : self.length + new], values[:, :, : self.length + new]

    def _room(self, new: Tensor) -> Tensor:
        return new.new_zeros(*new.shape[:2], self.capacity, new.shape[3])


class Rotation:
    """Cosines and sines by which queries and keys are turned. cos, sin: broadcast to (batch, heads, time, head / 2)."""

    def __init__(self, angles: Tensor) -> None:
        self.cos, self.sin = angles.cos().float(), angles.sin().float()

    @classmethod
    def by_index(cls, first: int, count: int, head: int, device: torch.device) -> Rotation:
        """Positions first..first + count, as in RoFormer."""
        frequencies = 10000.0 ** (-torch.arange(head // 2, dtype=torch.float64) / (head // 2))
        angles = torch.arange(first, first + count, dtype=torch.float64)[:, None] * frequencies
        return cls(angles[None, None].to(device))

    @classmethod
    def by_time(cls, steps: Tensor, head: int) -> Rotation:
        """Musical time. steps: (batch, time) int64, 10 ms each."""
        return cls((steps.double() * STEP)[:, None, :, None] * cls.by_second(head).to(steps.device))

    @staticmethod
    def by_second(head: int) -> Tensor:
        """By how much a second of musical time turns, (head / 2) radians."""
        return 2 * math.pi / torch.logspace(math.log10(SHORTEST), math.log10(LONGEST), head // 2, dtype=torch.float64)

    def __call__(self, x: Tensor) -> Tensor:
        """Turn x (batch, heads, time, head)."""
        cos, sin = self.cos.to(x.dtype), self.sin.to(x.dtype)
        a, b = x.chunk(2, -1)
        return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


class SelfAttention(nn.Module):
    """Grouped-query self-attention, causal in the decoder and two-sided in the encoders."""

    def __init__(self, config: BlockConfig, causal: bool) -> None:
        super().__init__()
        self.config, self.causal, self.head = config, causal, config.key_head
        self.widths = (config.heads * self.head, config.kv_heads * self.head, config.kv_heads * config.head)
        self.project = nn.Linear(config.width, sum(self.widths), bias=False)
        self.out = nn.Linear(config.heads * config.head, config.width, bias=False)
        if config.positions == "relative":
            rows = config.reach if causal else 2 * config.reach - 1  # the last in the past, or the middle, is "here"
            self.distance = nn.Parameter(torch.randn(config.heads, rows, self.head) * self.head**-0.5)

    def forward(self, x: Tensor, valid: Tensor | None = None, cache: Cache | None = None, block: int = 0) -> Tensor:
        """x: (batch, time, width); valid: (batch, time) bool, False where there is padding -> (batch, time, width)."""
        batch, time, _ = x.shape
        heads, kv_heads = self.config.heads, self.config.kv_heads
        parts = self.project(x).split(self.widths, dim=-1)
        query, key, value = (
            part.view(batch, time, count, -1).transpose(1, 2)
            for part, count in zip(parts, (heads, kv_heads, kv_heads), strict=True)
        )
        first = cache.length if cache is not None else 0
        if self.config.positions == "rotary":
            turn = Rotation.by_index(first, time, self.head, x.device)
            query, key = turn(query), turn(key)
        if cache is not None:
            key, value = cache.extend(block, key, value)
        key, value = (t.repeat_interleave(heads // kv_heads, dim=1) for t in (key, value))
        bias = self._bias(query, key.shape[2], first, valid)
        y = weigh(query, key, value, bias, is_causal=self.causal and bias is None and time > 1)
        mixed: Tensor = self.out(y.transpose(1, 2).flatten(2))
        return mixed

    def _bias(self, query: Tensor, keys: int, first: int, valid: Tensor | None) -> Tensor | None:
        """What is added to the scores: relative positions, and minus infinity at padding and at the future."""
        time = query.shape[2]
        bias = None
        if self.config.positions == "relative":
            bias = self._relative(query, keys, first)
        if valid is not None:
            bias = _add(bias, _minus_infinity(~valid[:, None, None, :], query.dtype))
        if self.causal and time > 1 and (bias is not None or first):
            future = torch.ones(time, keys, dtype=torch.bool, device=query.device).triu(first + 1)
            bias = _add(bias, _minus_infinity(future, query.dtype))
        return bias

    def _relative(self, query: Tensor, keys: int, first: int) -> Tensor:
        """q · E[distance] without a (time, time, width) tensor: the product is skewed (Huang et al. 2018, 3.4).

        The query at time t stands at key first + t. In the decoder what it says of the future is not to be used.
        """
        reach, time = self.config.reach, query.shape[2]
        farthest = first + time - 1  # distance of the last query from the first key
        ahead = 0 if self.causal else keys - 1  # and of the first query from the last key
        back = min(farthest, reach - 1)
        rows = self.distance[:, reach - 1 - back : reach + min(ahead, reach - 1)]
        scores = query @ rows.transpose(1, 2) * self.head**-0.5
        scores = F.pad(scores, (farthest - back, max(ahead - reach + 1, 0)))  # nothing to say beyond the reach
        return _skew(scores)[..., :keys]


def _skew(scores: Tensor) -> Tensor:
    """Each row moved one column less to the left than the row below; the last row by none, and what leaves is lost.

    Read in rows one element shorter than they are, each begins one element later than the one above. A row's
    last columns are what follows it in memory, and mean nothing.
    """
    batch, heads, time, columns = scores.shape
    flat = F.pad(scores, (0, 1)).flatten(2)[..., time - 1 : time - 1 + time * columns]
    return flat.view(batch, heads, time, columns)


def _minus_infinity(where: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.zeros(where.shape, dtype=dtype, device=where.device).masked_fill(where, float("-inf"))


def _add(bias: Tensor | None, more: Tensor) -> Tensor:
    return more if bias is None else bias + more


def weigh(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, is_causal: bool = False) -> Tensor:
    """Softmax attention, all (batch, heads, time, head); bias: added to the scores.

    Fused, but for training on a CPU in bf16: there plain products are twice as fast as the fused backward pass.
    """
    if not (query.requires_grad and query.device.type == "cpu"):
        return F.scaled_dot_product_attention(query, key, value, bias, is_causal=is_causal)
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    if bias is not None:
        scores = scores + bias
    if is_causal:
        future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(future, float("-inf"))
    return torch.softmax(scores, -1, dtype=scores.dtype) @ value


class Memory:
    """What cross-attention looks at. vectors: (batch, notes, width); valid: (batch, notes) bool; steps: (batch, notes)
    int64 musical time of each, or None where attention goes by content alone; style: (batch, 1, width)."""

    def __init__(self, vectors: Tensor, valid: Tensor, steps: Tensor | None, style: Tensor) -> None:
        self.vectors, self.steps, self.style = vectors, steps, style
        self.mask = _minus_infinity(~valid[:, None, None, :], vectors.dtype)
        self.projected: dict[int, tuple[Tensor, Tensor]] = {}  # keys and values by layer: once a piece


class CrossAttention(nn.Module):
    """Attention to the conditions. Rotated by musical time where the memory has one.

    The constant parts of key and query make the score peak, before anything is learned, at the memory note that
    stands where the query does; the heads learn to look elsewhere.
    """

    def __init__(self, config: BlockConfig, memory_width: int, by_time: bool) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head = config.heads, config.kv_heads, config.key_head
        self.widths = (config.kv_heads * self.head, config.kv_heads * config.head)
        self.query = nn.Linear(config.width, config.heads * self.head, bias=False)
        self.key_value = nn.Linear(memory_width, sum(self.widths), bias=False)
        self.out = nn.Linear(config.heads * config.head, config.width, bias=False)
        if by_time:
            peak = torch.zeros(1, self.head)
            peak[:, : self.head // 2] = 2**0.5
            self.query_peak = nn.Parameter(peak.repeat(config.heads, 1)[:, None])
            self.key_peak = nn.Parameter(peak.repeat(config.kv_heads, 1)[:, None])

    def forward(self, x: Tensor, memory: Memory, turn: Rotation | None, layer: int) -> Tensor:
        """x: (batch, time, width), `turn` the rotation of its times -> (batch, time, width)."""
        batch, time, _ = x.shape
        query = self.query(x).view(batch, time, self.heads, self.head).transpose(1, 2)
        if turn is not None:
            query = turn(query + self.query_peak)
        if self.training or layer not in memory.projected:
            memory.projected[layer] = self.project(memory)
        key, value = memory.projected[layer]
        y = weigh(query, key, value, memory.mask)
        mixed: Tensor = self.out(y.transpose(1, 2).flatten(2))
        return mixed

    def project(self, memory: Memory) -> tuple[Tensor, Tensor]:
        """Keys and values of the memory, each (batch, heads, notes, head)."""
        batch, notes, _ = memory.vectors.shape
        parts = self.key_value(memory.vectors).split(self.widths, dim=-1)
        key, value = (part.view(batch, notes, self.kv_heads, -1).transpose(1, 2) for part in parts)
        if memory.steps is not None:
            key = Rotation.by_time(memory.steps, self.head)(key + self.key_peak)
        shared = self.heads // self.kv_heads
        return key.repeat_interleave(shared, dim=1), value.repeat_interleave(shared, dim=1)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": partial(F.gelu, approximate="tanh"), "relu": F.relu}


class FeedForward(nn.Module):
    """Two linear layers with an activation between."""

    def __init__(self, width: int, inner: int, dropout: float = 0.0, activation: str = "gelu") -> None:
        super().__init__()
        self.widen, self.narrow = nn.Linear(width, inner), nn.Linear(inner, width)
        self.activate, self.dropout = ACTIVATIONS[activation], nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(…, width) -> (…, width)."""
        y: Tensor = self.narrow(self.dropout(self.activate(self.widen(x))))
        return y


class Block(nn.Module):
    """Pre-norm block: attend, listen (in the decoder), feed forward. by_time: the memory's musical time is known."""

    def __init__(self, config: BlockConfig, causal: bool, memory_width: int = 0, by_time: bool = False) -> None:
        super().__init__()
        self.attend = SelfAttention(config, causal)
        self.norm_1 = nn.LayerNorm(config.width)
        self.listen = CrossAttention(config, memory_width, by_time) if memory_width else None
        self.norm_2 = nn.LayerNorm(config.width) if memory_width else None
        self.feed_forward = FeedForward(config.width, config.feed_forward, config.dropout, config.activation)
        self.norm_3 = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Tensor,
        valid: Tensor | None = None,
        memory: Memory | None = None,
        turn: Rotation | None = None,
        cache: Cache | None = None,
        layer: int = 0,
    ) -> Tensor:
        """x: (batch, time, width) -> the same shape. See `SelfAttention` and `CrossAttention` for the rest."""
        x = x + self.dropout(self.attend(self.norm_1(x), valid, cache, layer))
        if self.listen is not None and self.norm_2 is not None and memory is not None:
            x = x + self.dropout(self.listen(self.norm_2(x), memory, turn, layer))
        x = x + self.dropout(self.feed_forward(self.norm_3(x)))
        return x


class FieldEmbedding(nn.Module):
    """Tokens of several fields to vectors: the sum of one embedding a field."""

    def __init__(self, sizes: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(size, width) for size in sizes)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, time, fields) int64 -> (batch, time, width)."""
        vectors: Tensor = self.tables[0](tokens[..., 0])
        for index, table in enumerate(self.tables[1:], 1):
            vectors = vectors + table(tokens[..., index])
        return vectors


def placed(x: Tensor, config: BlockConfig, first: int = 0) -> Tensor:
    """Embeddings (batch, time, width) as the blocks take them: with `timing`, scaled, and sinusoids of the position
    first, first + 1, … added, as in tensor2tensor."""
    if not config.timing:
        return x
    waves = config.width // 2
    frequencies = torch.logspace(0, -4, waves, dtype=torch.float64)  # radians a position
    angles = torch.arange(first, first + x.shape[1], dtype=torch.float64)[:, None] * frequencies
    signal = torch.cat([angles.sin(), angles.cos()], -1)
    return torch.add(signal.to(x), x, alpha=config.width**0.5)


class Encoder(nn.Module):
    """Two-sided transformer over tokens; its output is normed."""

    def __init__(self, sizes: tuple[int, ...], config: BlockConfig, layers: int) -> None:
        super().__init__()
        self.config = config
        self.embed = FieldEmbedding(sizes, config.width)
        self.blocks = nn.ModuleList(Block(config, causal=False) for _ in range(layers))
        self.norm = nn.LayerNorm(config.width)

    def forward(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """tokens: (batch, time, fields); valid: (batch, time) bool -> (batch, time, width)."""
        x = placed(self.embed(tokens), self.config)
        for block in self.blocks:
            x = block(x, valid)
        y: Tensor = self.norm(x)
        return y
