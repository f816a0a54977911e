"""The Transformer autoencoder (Choi et al. 2020): a performance to one style vector, and back with a melody.

A performance encoder whose output is averaged over time to one vector, a melody encoder that keeps its time axis, and
a causal decoder that listens to both. Conditions are dropped at random in training, so one network is all four of the
paper's models. The `paper` configuration follows the paper; what the default changes, and why, stands at each field.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.codec import Codec
from engine.situation import (
    After,
    Melody,
    Situation,
    SituationEmbedding,
    coming_keys,
    held_keys,
    melody_state,
    pedal_states,
    rest_of_gap,
)
from engine.transformer import (
    Block,
    BlockConfig,
    Cache,
    CrossAttention,
    Encoder,
    FeedForward,
    FieldEmbedding,
    Memory,
    Rotation,
    placed,
)
from engine.vocabulary import KEYS, MELODY

PITCH_FIELD = 1  # of a NoteCodec token
SMALLEST_SPREAD = 1e-4  # of a style's number over performances
STYLE_SIZE = 0.25  # how far styles are spread at first, beside melody vectors of size 1


@dataclass(frozen=True)
class AutoencoderConfig:
    """Size and kind of the autoencoder."""

    codec: str = "notes"
    block: BlockConfig = field(default_factory=BlockConfig)
    decoder_layers: int = 6
    performance_layers: int = 2  # the style vector is an average: depth buys it little
    melody_layers: int = 2
    combination: str = "sum"  # or "concat", "tile": the paper's three
    window: int = 512  # steps the decoder sees
    style_spread: bool = True  # style vectors are standardised, and hold the steps' embeddings too: what the encoder
    # makes of them all but coincides for all performances, and went unheard
    style_guidance: float = 1.0  # how much what a condition changes is enlarged in composing, at a strength of 1:
    melody_guidance: float = 1.0  # found on validation data once a model is trained (Ho and Salimans 2021)
    infills: bool = False  # it can be given the music after a gap, to write what leads there
    style_throughout: bool = True  # the style is added at the decoder's ends too: by attention alone it is learned late

    @classmethod
    def default(cls) -> AutoencoderConfig:
        """Notes, rotary positions, cross-attention by musical time, music known on both sides of a gap."""
        return cls(infills=True)

    @classmethod
    def paper(cls) -> AutoencoderConfig:
        """The paper's: events and relative attention. Widths are the released code's; it has sets of 6, 8 and 10
        layers and of dropout from 0.1 (this one's is not on attention weights)."""
        block = BlockConfig(
            width=384,
            heads=8,
            kv_heads=8,
            feed_forward=1024,
            dropout=0.1,
            positions="relative",
            reach=1024,
            timing=True,
            activation="relu",
            key_width=512,
        )
        return cls(
            codec="events",
            block=block,
            decoder_layers=6,
            performance_layers=6,
            melody_layers=6,
            window=2048,
            style_spread=False,
            style_throughout=False,
        )

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> AutoencoderConfig:
        """From what `to_json` gave."""
        return cls(**{**values, "block": BlockConfig(**values["block"])})


class Window(NamedTuple):
    """What the decoder is to say, padded. For codecs of notes the last three are used.

    tokens: (batch, time, fields) int64; valid: (batch, time) bool; steps, releases: (batch, time) int64, when each
    event begins and its key goes up; struck: (batch, time) bool, melody notes; pedal: (batch,) bool, down before.
    forgotten: (batch, time) bool, steps the decoder does not hear when it says those after (word dropout, Bowman et al.
    2016, section 3.1).
    """

    tokens: Tensor
    valid: Tensor
    steps: Tensor
    releases: Tensor
    struck: Tensor
    pedal: Tensor
    forgotten: Tensor | None = None


class Autoencoder(nn.Module):
    """See the module. style: (batch, width); memory: from `remember`; likelihood: from `forward`."""

    def __init__(self, config: AutoencoderConfig, codec: Codec) -> None:
        super().__init__()
        self.config, self.codec = config, codec
        block, width = config.block, config.block.width
        sizes = tuple(f.size for f in codec.fields)
        self.performance_encoder = Encoder(sizes, block, config.performance_layers)
        self.melody_encoder = Encoder(tuple(f.size for f in codec.melody_fields), block, config.melody_layers)
        self.no_style = nn.Parameter(torch.zeros(width))
        self.no_melody = nn.Parameter(torch.zeros(width))
        if config.infills:
            self.known = nn.Parameter(torch.zeros(width))  # marks notes that are there already
        if config.combination == "concat":
            self.stop = nn.Parameter(torch.zeros(width))
        memory_width = 2 * width if config.combination == "tile" else width
        self.decoder = Decoder(config, codec, memory_width)
        if config.style_spread:
            self.spread = nn.BatchNorm1d(width, eps=SMALLEST_SPREAD**2)
        self.apply(_initialise)
        if config.style_spread:
            nn.init.constant_(self.spread.weight, STYLE_SIZE)
        if config.style_throughout:
            nn.init.zeros_(self.decoder.style_in.weight)
            nn.init.zeros_(self.decoder.style_out.weight)
        for embedding in (self.decoder.before, self.decoder.arrived) if self.decoder.is_notes else ():
            if embedding.coming is not None:
                nn.init.zeros_(embedding.coming.weight)

    def style(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """Style of each performance: the mean over its steps. tokens: (batch, time, fields), valid: (batch, time) bool
        -> (batch, width). Padding changes nothing."""
        encoded: Tensor = self.performance_encoder(tokens, valid).float()
        if self.config.style_spread:
            encoded = encoded + self.performance_encoder.embed(tokens).float()
        weight = valid[..., None].float()
        mean = (encoded * weight).sum(1) / weight.sum(1).clamp(min=1)
        return self.spread(mean) if self.config.style_spread else mean

    def remember(self, style: Tensor, has_style: Tensor, melody: Melody, after: After | None = None) -> Memory:
        """Combine the conditions. style: (batch, width); has_style: (batch,) bool; a melody without valid notes is
        no melody; after: the music after a gap, of models that infill -> what the decoder attends to (paper, section
        3.3: sum, concat or tile)."""
        z = torch.where(has_style[:, None], style, self.no_style.to(style.dtype))[:, None]
        has_melody = melody.valid.any(1)
        valid = melody.valid.clone()
        valid[:, 0] |= ~has_melody
        vectors = self.melody_encoder(melody.tokens, valid)
        vectors = torch.where(has_melody[:, None, None], vectors, self.no_melody.to(vectors.dtype))
        steps = torch.where(melody.valid, melody.steps, 0) if self.codec.name == "notes" else None
        if after is not None and steps is not None:
            later = self.melody_encoder(after.tokens, _one_at_least(after.valid)) + self.known
            vectors, valid = torch.cat([vectors, later], 1), torch.cat([valid, after.valid], 1)
            steps = torch.cat([steps, after.steps], 1)
        if self.config.combination == "sum":
            return Memory(vectors + z, valid, steps, z)
        if self.config.combination == "tile":
            return Memory(torch.cat([vectors, z.expand_as(vectors)], -1), valid, steps, z)
        tail = torch.cat([self.stop.to(z.dtype).expand_as(z), z], 1)
        always = torch.ones_like(valid[:, :1]).expand(-1, 2)
        steps = None if steps is None else F.pad(steps, (0, 2))
        return Memory(torch.cat([vectors, tail], 1), torch.cat([valid, always], 1), steps, z)

    def forward(self, window: Window, memory: Memory, melody: Melody, after: After | None = None) -> Tensor:
        """Negative log-likelihood of each field of each step, (batch, time, fields) nats, 0 at padding."""
        loss: Tensor = self.decoder(window, memory, melody, after)
        return loss


class Decoder(nn.Module):
    """Causal trunk over steps, then the fields of a step in turn, each seeing those before it."""

    def __init__(self, config: AutoencoderConfig, codec: Codec, memory_width: int) -> None:
        super().__init__()
        width, sizes = config.block.width, tuple(f.size for f in codec.fields)
        self.config = config
        self.is_notes = codec.name == "notes"
        self.embed = FieldEmbedding(sizes, width)
        self.begin = nn.Parameter(torch.zeros(width))
        self.blocks = nn.ModuleList(
            Block(config.block, causal=True, memory_width=memory_width, by_time=self.is_notes)
            for _ in range(config.decoder_layers)
        )
        self.norm = nn.LayerNorm(width)
        self.chosen = nn.ModuleList(nn.Embedding(size, width) for size in sizes[:-1])
        self.think = nn.ModuleList(FeedForward(width, 3 * width // 2) for _ in sizes[:-1])
        self.think_norm = nn.ModuleList(nn.LayerNorm(width) for _ in sizes[:-1])
        self.head_norm = nn.ModuleList(nn.LayerNorm(width) for _ in sizes[:-1])
        self.head = nn.ModuleList(nn.Linear(width, size, bias=False) for size in sizes)
        if config.style_throughout:
            self.style_in = nn.Linear(width, width, bias=False)
            self.style_out = nn.Linear(width, width, bias=False)
        if self.is_notes:
            self.before = SituationEmbedding(width, config.infills)  # as the step begins
            self.arrived = SituationEmbedding(width, config.infills)  # at the new onset, once the gap is chosen
            self.strike = nn.Embedding(2, width)  # whether a step is a melody note
            self.struck = nn.Embedding(2, width)  # the same, for the fields after the pitch
            self.look = CrossAttention(config.block, memory_width, by_time=True)  # at the melody, from the new onset
            self.look_norm = nn.LayerNorm(width)

    def trunk(
        self,
        tokens: Tensor,
        struck: Tensor,
        situation: Situation | None,
        steps: Tensor,
        memory: Memory,
        cache: Cache | None = None,
        begin: bool = True,
        forgotten: Tensor | None = None,
    ) -> Tensor:
        """State from which each next step is chosen.

        tokens: (batch, time, fields) the steps so far, struck: (batch, time); situation and steps: (batch, time +
        begin), the moment each state stands at; forgotten: like struck -> (batch, time + begin, width).
        """
        x = self.embed(tokens)
        if self.is_notes:
            x = x + self.strike(struck.long())
        if forgotten is not None:
            x = x.masked_fill(forgotten[..., None], 0.0)
        if begin:
            x = torch.cat([self.begin.to(x.dtype).expand(len(x), 1, -1), x], 1)
        if situation is not None:
            x = x + self.before(situation)
        if self.config.style_throughout:
            x = x + self.style_in(memory.style)
        x = placed(x, self.config.block, cache.length if cache is not None else 0)
        turn = Rotation.by_time(steps, self.config.block.key_head) if memory.steps is not None else None
        for layer, block in enumerate(self.blocks):
            x = block(x, None, memory, turn, cache, layer)
        if cache is not None:
            cache.length += x.shape[1]
        y: Tensor = self.norm(x)
        return y + self.style_out(memory.style) if self.config.style_throughout else y

    def arrive(self, state: Tensor, gap: Tensor, situation: Situation, steps: Tensor, memory: Memory) -> Tensor:
        """The state at the new onset. gap: (batch, time) bin; steps: (batch, time), the onset -> like state."""
        state = state + self.chosen[0](gap) + self.arrived(situation)
        turn = Rotation.by_time(steps, self.look.head)
        state = state + self.look(self.look_norm(state), memory, turn, len(self.blocks))
        return self._think(state, 0)

    def choose(self, state: Tensor, index: int, value: Tensor, struck: Tensor | None = None) -> Tensor:
        """The state after field `index` took `value` (batch, time), for the fields that follow."""
        state = state + self.chosen[index](value)
        if struck is not None:
            state = state + self.struck(struck.long())
        return self._think(state, index)

    def _think(self, state: Tensor, index: int) -> Tensor:
        thought: Tensor = self.think[index](self.think_norm[index](state))
        return state + thought

    def logits(self, state: Tensor, index: int) -> Tensor:
        """Of field `index`, (batch, time, size)."""
        scores: Tensor = self.head[index](state if index == 0 else self.head_norm[index - 1](state))
        return scores

    def forward(self, window: Window, memory: Memory, melody: Melody, after: After | None = None) -> Tensor:
        """See `Autoencoder.forward`."""
        tokens, struck = window.tokens, window.struck
        forgotten = None if window.forgotten is None else window.forgotten[:, :-1]
        if not self.is_notes:
            state = self.trunk(tokens[:, :-1], struck[:, :-1], None, window.steps, memory, forgotten=forgotten)
            return _nats(self.logits(state, 0), tokens[..., 0], window.valid)[..., None]
        before, arrived, moments = situations(window, melody, after)
        state = self.trunk(tokens[:, :-1], struck[:, :-1], before, moments, memory, forgotten=forgotten)
        gap, pitch, velocity, duration = tokens.unbind(-1)
        is_note = window.valid & (pitch < KEYS)
        loss = [_nats(self.logits(state, 0), gap, window.valid)]
        state = self.arrive(state, gap, arrived, window.steps, memory)
        loss.append(_nats(self.logits(state, 1), torch.where(struck, MELODY, pitch), window.valid))
        state = self.choose(state, 1, pitch, struck)
        loss.append(_nats(self.logits(state, 2), velocity, is_note))
        state = self.choose(state, 2, velocity)
        loss.append(_nats(self.logits(state, 3), duration, is_note))
        return torch.stack(loss, -1)


def situations(window: Window, melody: Melody, after: After | None = None) -> tuple[Situation, Situation, Tensor]:
    """For each step of a window: the situation as it begins (after the step before), and at its own onset.

    Also the moments (batch, time) at which the steps begin: the onset of the step before, 0 for the first.
    """
    symbols, time = window.tokens[..., PITCH_FIELD], window.tokens.shape[1]
    moments = F.pad(window.steps[:, :-1], (1, 0))
    counted = torch.ones(time, time, dtype=torch.bool, device=symbols.device).tril(-1)
    count = F.pad(window.struck[:, :-1].long().cumsum(1), (1, 0))
    pedal = torch.cat([window.pedal[:, None], pedal_states(symbols, window.pedal)[:, :-1]], 1)
    pair = []
    for at in (moments, window.steps):
        keys = held_keys(symbols, window.releases, at, counted)
        held = torch.cat([keys, pedal[..., None].float()], -1)
        there = rest_of_gap(after, at), coming_keys(after, at)
        pair.append(Situation(held, *melody_state(melody, count, at), *there))
    return pair[0], pair[1], moments


def _one_at_least(valid: Tensor) -> Tensor:
    """The same with the first of each row: attention needs something to look at."""
    return torch.cat([torch.ones_like(valid[:, :1]), valid[:, 1:]], 1)


def _nats(logits: Tensor, target: Tensor, counted: Tensor) -> Tensor:
    loss = F.cross_entropy(logits.flatten(0, 1).float(), target.flatten(), reduction="none").view(target.shape)
    return loss * counted


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
