"""What a pianist knows at a moment: which keys are down, the pedal, and where the given melody stands.

Without it the decoder must add up gaps and durations to know what still sounds; a fifth of its pitch probability went
to keys already down. The same four values are computed for a whole window in training and step by step in decoding.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from engine.vocabulary import GAPS, KEYS, MAX_GAP, PEDAL_DOWN, PEDAL_UP

LATE = 20  # steps: how late a melody note can be before it counts as no later
NO_KEY = KEYS  # "no melody note"
COUNTDOWNS = LATE + len(GAPS.first) + 1  # late by 20..1 steps, the gap bins, no further melody note
NO_COUNTDOWN = COUNTDOWNS - 1
MELODY_KEY = 1  # field of a melody token
REACHES = (20, 200)  # steps: over which the notes after a gap come near
COMING = (1 + len(REACHES)) * KEYS


class Situation(NamedTuple):
    """Moments of a window. All (batch, time, …).

    held: (…, 89) float, the keys that are down and the pedal; countdown: int64, the time to the next melody note;
    next_key: int64, its key; now_key: int64, the key of the melody note that lasts at this moment; rest: int64, the
    time to the music that is there already after a gap, as a countdown. coming: (…, COMING) float, how near each key's
    notes of that music are, from `coming_keys`.
    """

    held: Tensor
    countdown: Tensor
    next_key: Tensor
    now_key: Tensor
    rest: Tensor
    coming: Tensor


class Melody(NamedTuple):
    """A given melody, padded. tokens: (batch, notes, fields); steps, ends, keys: (batch, notes) int64; valid: bool."""

    tokens: Tensor
    steps: Tensor
    ends: Tensor
    keys: Tensor
    valid: Tensor


class After(NamedTuple):
    """Notes that are there already after what is to be written, padded, told as those of a melody are. tokens: (batch,
    notes, fields); steps: (batch, notes) int64, when each begins; valid: (batch, notes) bool."""

    tokens: Tensor
    steps: Tensor
    valid: Tensor


def countdown_of(steps: Tensor) -> Tensor:
    """Steps until a melody note (negative: late) -> countdown value."""
    table = torch.from_numpy(GAPS.table).to(steps.device)
    ahead = LATE + table[steps.clamp(0, MAX_GAP)]
    return torch.where(steps < 0, (steps + LATE).clamp(min=0), ahead)


def pedal_states(symbols: Tensor, before: Tensor) -> Tensor:
    """Whether the pedal is down after each event. symbols: (batch, time); before: (batch,) bool -> (batch, time)."""
    moves = (symbols == PEDAL_UP) | (symbols == PEDAL_DOWN)
    index = torch.arange(symbols.shape[1], device=symbols.device).expand_as(symbols)
    last = torch.where(moves, index, -1).cummax(dim=1).values
    state = symbols.gather(1, last.clamp(min=0)) == PEDAL_DOWN
    return torch.where(last < 0, before[:, None], state)


def held_keys(symbols: Tensor, releases: Tensor, moments: Tensor, counted: Tensor) -> Tensor:
    """Keys down at moments. symbols, releases: (batch, time), releases in steps; moments: (batch, moments) steps;
    counted: (moments, time) bool, which events have happened by each moment -> (batch, moments, 88) float."""
    keys = torch.nn.functional.one_hot(symbols.clamp(max=KEYS), KEYS + 1)[..., :KEYS]
    down = (releases[:, None, :] > moments[:, :, None]) & counted
    return (down.to(torch.bfloat16) @ keys.to(torch.bfloat16)).clamp(max=1).float()


def melody_state(melody: Melody, struck: Tensor, moments: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Countdown, next key and key now at moments (batch, moments), after `struck` (batch, moments) melody notes."""
    many = melody.steps.shape[1]
    following = struck.clamp(max=many - 1)
    is_left = (struck < many) & melody.valid.gather(1, following)
    wait = melody.steps.gather(1, following) - moments
    countdown = torch.where(is_left, countdown_of(wait), NO_COUNTDOWN)
    next_key = torch.where(is_left, melody.keys.gather(1, following), NO_KEY)
    current = (struck - 1).clamp(min=0, max=many - 1)
    lasts = (struck > 0) & (melody.ends.gather(1, current) > moments)
    return countdown, next_key, torch.where(lasts, melody.keys.gather(1, current), NO_KEY)


def rest_of_gap(after: After | None, moments: Tensor) -> Tensor:
    """Countdown to the music after a gap, at moments (batch, moments)."""
    if after is None:
        return torch.full_like(moments, NO_COUNTDOWN)
    wait = countdown_of(after.steps[:, :1] - moments)
    return torch.where(after.valid[:, :1], wait, NO_COUNTDOWN)


def coming_keys(after: After | None, moments: Tensor) -> Tensor:
    """How near each key's notes after a gap are at moments (batch, moments): 1 where one begins now, and then from 0,
    far away, to 1, over each of `REACHES` -> (batch, moments, COMING)."""
    if after is None:
        return torch.zeros(*moments.shape, COMING, device=moments.device)
    wait = after.steps[:, None] - moments[..., None]
    ahead = (wait >= 0) & after.valid[:, None]
    near = [(wait == 0).float(), *(torch.exp(-wait.clamp(min=0) / reach) for reach in REACHES)]
    keys = nn.functional.one_hot(after.tokens[..., MELODY_KEY].clamp(max=KEYS - 1), KEYS).to(torch.bfloat16)
    planes = [((each * ahead).to(torch.bfloat16) @ keys).clamp(max=1) for each in near]
    return torch.cat(planes, -1).float()


class SituationEmbedding(nn.Module):
    """A situation as a vector. infills: whether it knows of music after a gap."""

    def __init__(self, width: int, infills: bool) -> None:
        super().__init__()
        self.held = nn.Linear(KEYS + 1, width, bias=False)
        self.countdown = nn.Embedding(COUNTDOWNS, width)
        self.next_key = nn.Embedding(KEYS + 1, width)
        self.now_key = nn.Embedding(KEYS + 1, width)
        self.rest = nn.Embedding(COUNTDOWNS, width) if infills else None
        self.coming = nn.Linear(COMING, width, bias=False) if infills else None

    def forward(self, situation: Situation) -> Tensor:
        """-> (batch, time, width)."""
        vector: Tensor = self.held(situation.held) + self.countdown(situation.countdown)
        vector = vector + self.next_key(situation.next_key) + self.now_key(situation.now_key)
        if self.rest is None or self.coming is None:
            return vector
        vector = vector + self.rest(situation.rest) + self.coming(situation.coming)
        return vector
