"""Performances to tokens and back. A token is a tuple of fields; a codec says the fields and their sizes.

`NoteCodec` (the default) takes one step a note: its notes are whole at their onset, so nothing can hang and playback
can follow at once. `engine.event_codec` has the paper's tokens, kept to compare with.
"""

from __future__ import annotations

import hashlib
import json
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.performance import HIGHEST, LOWEST, SUSTAIN, Note, Pedal, Performance
from engine.performance import PEDAL_DOWN as DOWN_FROM
from engine.vocabulary import (
    DURATIONS,
    END,
    GAPS,
    KEYS,
    MAX_DURATION,
    MAX_GAP,
    MELODY_NOTE_FIELDS,
    NOTE_FIELDS,
    PEDAL_DOWN,
    PEDAL_UP,
    RANK,
    STEPS_PER_SECOND,
    VELOCITY_BINS,
    Field,
    velocity_bin,
    velocity_of,
)

Ints = NDArray[np.int64]


class Codec(Protocol):
    """Performances to tokens (steps, fields) int64 and back; a melody to tokens (notes or frames, melody fields)."""

    name: str
    fields: tuple[Field, ...]
    melody_fields: tuple[Field, ...]

    def encode(self, performance: Performance) -> Ints:
        """Tokens of the whole performance, its end included."""
        ...

    def decode(self, tokens: Ints) -> Performance:
        """The performance the tokens say, up to their end."""
        ...

    def windows(self, performance: Performance, longest: int) -> list[Ints]:
        """Tokens in equal windows of about `longest` steps, each from its first note on: what a style is heard in."""
        ...

    def encode_melody(self, melody: Performance) -> tuple[Ints, Ints]:
        """Tokens of a melody and the 10 ms step at which each stands."""
        ...


def to_steps(seconds: NDArray[np.float64], rate: int = STEPS_PER_SECOND) -> Ints:
    """Seconds to the nearest step, of 10 ms or as many a second as `rate` says."""
    return np.floor(np.asarray(seconds) * rate + 0.5).astype(np.int64)


def fingerprint(codec: Codec) -> str:
    """A hash of the token tables and of what their values mean: a model is only read with the codec it was trained
    with."""
    meaning = [GAPS.first, DURATIONS.first, velocity_of(np.arange(VELOCITY_BINS)), RANK]
    table = [codec.name, *map(list, codec.fields), *map(list, codec.melody_fields), *(a.tolist() for a in meaning)]
    return hashlib.sha256(json.dumps(table).encode()).hexdigest()[:16]


class NoteCodec:
    """One step a note: (gap since the last onset, pitch, velocity, duration), pedal-up and -down as two more pitches.

    Notes of one 10 ms step come from the top key down. A pause beyond ten seconds repeats the pedal's state.
    """

    name = "notes"
    fields = NOTE_FIELDS
    melody_fields = MELODY_NOTE_FIELDS

    def encode(self, performance: Performance) -> Ints:
        """(steps, 4) int64: gap bin, symbol, velocity bin, duration bin, ending with END. See `Codec`."""
        onsets, symbols, velocities, durations = self.events(performance)
        end = int((onsets + durations).max(initial=0))
        onsets, symbols = np.append(onsets, end), np.append(symbols, END)
        velocities, durations = np.append(velocities, 1), np.append(durations, 1)
        onsets, symbols, velocities, durations = _fill_pauses(onsets, symbols, velocities, durations)
        return self.tokens(onsets, symbols, velocities, durations)

    def events(self, performance: Performance) -> tuple[Ints, Ints, Ints, Ints]:
        """Onset step, symbol, MIDI velocity and duration in steps of each note and pedal, in order."""
        starts, ends, pitches, velocities = performance.arrays
        inside = (pitches >= LOWEST) & (pitches <= HIGHEST)
        onsets, keys = to_steps(starts[inside]), pitches[inside] - LOWEST
        durations = np.maximum(to_steps(ends[inside]) - onsets, 1)
        times, pedals = _pedal_steps(performance)
        onsets, symbols = np.concatenate([onsets, times]), np.concatenate([keys, pedals])
        velocities = np.concatenate([velocities[inside], np.ones(len(times), np.int64)])
        durations = np.concatenate([durations, np.zeros(len(times), np.int64)])
        order = np.lexsort((-durations, RANK[symbols], onsets))
        onsets, symbols, velocities, durations = (a[order] for a in (onsets, symbols, velocities, durations))
        fresh = np.ones(len(onsets), bool)  # a key struck twice within one step is one note
        fresh[1:] = (onsets[1:] != onsets[:-1]) | (symbols[1:] != symbols[:-1])
        onsets, symbols, velocities, durations = (a[fresh] for a in (onsets, symbols, velocities, durations))
        return onsets, symbols, velocities, one_voice_a_key(onsets, symbols, durations)

    def tokens(self, onsets: Ints, symbols: Ints, velocities: Ints, durations: Ints) -> Ints:
        """(steps, 4) tokens of events in order; gaps beyond ten seconds and durations beyond twenty are cut."""
        gaps = GAPS.table[_gaps_to_say(onsets)]
        is_note = symbols < KEYS
        bins = velocity_bin(velocities) * is_note
        lengths = DURATIONS.table[np.clip(durations, 1, MAX_DURATION)] * is_note
        return np.stack([gaps, symbols, bins, lengths], axis=1)

    def decode(self, tokens: Ints) -> Performance:
        """See `Codec`. A repeated key ends its earlier note."""
        tokens = np.asarray(tokens, np.int64).reshape(-1, len(self.fields))
        ends = np.flatnonzero(tokens[:, 1] == END)
        tokens = tokens[: ends[0]] if len(ends) else tokens
        onsets = np.cumsum(GAPS.middle[tokens[:, 0]])
        durations = one_voice_a_key(onsets, tokens[:, 1], DURATIONS.middle[tokens[:, 3]])
        velocities = velocity_of(tokens[:, 2])
        notes, pedals, is_down = [], [], False
        rows = zip(onsets.tolist(), tokens[:, 1].tolist(), velocities.tolist(), durations.tolist(), strict=True)
        for onset, symbol, velocity, duration in rows:
            time = onset / STEPS_PER_SECOND
            if symbol < KEYS:
                notes.append(Note(time, (onset + duration) / STEPS_PER_SECOND, LOWEST + symbol, velocity))
            elif (symbol == PEDAL_DOWN) != is_down:
                is_down = symbol == PEDAL_DOWN
                pedals.append(Pedal(time, 127 * is_down))
        return Performance.of(notes, pedals)

    def windows(self, performance: Performance, longest: int) -> list[Ints]:
        """See `Codec`."""
        tokens = self.encode(performance)[:-1]
        count = max(round(len(tokens) / longest), 1)
        windows = [window.copy() for window in np.array_split(tokens, count) if len(window)]
        for window in windows:
            window[0, 0] = 0
        return windows

    def encode_melody(self, melody: Performance) -> tuple[Ints, Ints]:
        """(notes, 3) int64: gap to the note before, key, duration bin; and each note's 10 ms step."""
        starts, ends, pitches, _ = melody.arrays
        onsets = to_steps(starts)
        return self.melody_tokens(onsets, pitches - LOWEST, to_steps(ends) - onsets), onsets

    def melody_tokens(self, onsets: Ints, keys: Ints, durations: Ints) -> Ints:
        """(notes, 3) tokens of melody notes in order."""
        gaps = GAPS.table[np.minimum(np.diff(onsets, prepend=onsets[:1]), MAX_GAP)]
        return np.stack([gaps, keys, DURATIONS.table[np.clip(durations, 1, MAX_DURATION)]], axis=1)


def one_voice_a_key(onsets: Ints, symbols: Ints, durations: Ints) -> Ints:
    """Durations cut where the same key is struck again, as on a piano. All (events,) steps, in order."""
    order = np.lexsort((onsets, symbols))
    same = np.diff(symbols[order]) == 0
    until_next = np.diff(onsets[order])
    cut = durations[order]
    cut[:-1] = np.where(same & (symbols[order][:-1] < KEYS), np.minimum(cut[:-1], until_next), cut[:-1])
    out = np.empty_like(durations)
    out[order] = cut
    return out


def _gaps_to_say(onsets: Ints) -> Ints:
    """Gaps of 0..MAX_GAP steps between events in order: what rounding adds to a long one, the next long one lacks."""
    gaps = np.minimum(np.diff(onsets, prepend=0), MAX_GAP)
    late = 0
    for index in np.flatnonzero(gaps >= GAPS_ROUNDED_FROM).tolist():
        said = min(int(gaps[index]) - late, MAX_GAP)
        late += int(GAPS.middle[GAPS.table[said]] - gaps[index])
        gaps[index] = said
    return gaps


def _pedal_steps(performance: Performance) -> tuple[Ints, Ints]:
    """Steps at which the sustain pedal passes 64, and which way; a change that lasts less than a step is left out."""
    moves: list[tuple[int, int]] = []
    is_down = False
    for pedal in performance.pedals:
        if pedal.controller != SUSTAIN or (pedal.value >= DOWN_FROM) == is_down:
            continue
        is_down = not is_down
        step = int(to_steps(np.array(pedal.time)))
        if is_down is False and moves and moves[-1] == (step, PEDAL_DOWN):
            moves.pop()
        else:
            moves.append((step, PEDAL_DOWN if is_down else PEDAL_UP))
    table = np.array(moves, np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _fill_pauses(onsets: Ints, symbols: Ints, velocities: Ints, durations: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Events with the pedal's state repeated so that no gap is longer than the longest that is said exactly."""
    rows: list[tuple[int, int, int, int]] = []
    last, pedal = 0, PEDAL_UP
    columns = (a.tolist() for a in (onsets, symbols, velocities, durations))
    for onset, symbol, velocity, duration in zip(*columns, strict=True):
        while onset - last > MAX_GAP_DECODED:
            last += MAX_GAP_DECODED
            rows.append((last, pedal, 1, 1))
        pedal = symbol if symbol in (PEDAL_UP, PEDAL_DOWN) else pedal
        rows.append((onset, symbol, velocity, duration))
        last = onset
    table = np.array(rows, np.int64).reshape(-1, 4)
    return table[:, 0], table[:, 1], table[:, 2], table[:, 3]


MAX_GAP_DECODED = int(GAPS.middle[-1])  # the longest gap that decodes to itself
GAPS_ROUNDED_FROM = int(GAPS.first[GAPS.after - GAPS.first > 1][0])
