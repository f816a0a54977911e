"""Training windows of event tokens, from the same data set, drawn and augmented as those of notes.

The data set has keys and pedal; here each note lasts as long as it sounds. A window begins with a note: what sounded
before is not in it. Window i of a seed begins at the same row for both codecs where an event window is
`TOKENS_A_ROW` times as long.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.event_codec import EventCodec, steps_reached
from engine.training.dataset import Events, sounding_ends
from engine.training.windows import MS_PER_STEP, Sample, Windows, is_pedal_down
from engine.vocabulary import EOS, FRAME, KEYS

Ints = NDArray[np.int64]
TOKENS_A_ROW = 4  # 3.9 a note on the training archive
LEAST_TOKENS_A_ROW = 2  # a note begins and ends
CODEC = EventCodec()


class HeardNotes(NamedTuple):
    """Notes as they sound, in order of (onset, key). All (notes,) int64: 10 ms steps, key, MIDI velocity, for how many
    steps the melody stays on it (0: it is not melody), and the note's row."""

    onsets: Ints
    ends: Ints
    keys: Ints
    velocities: Ints
    stay: Ints
    rows: Ints

    @property
    def tokens(self) -> Ints:
        """(events, 1), from the first note on."""
        begin = self.onsets[:1].sum()
        return CODEC.tokens(self.onsets - begin, self.ends - begin, self.keys, self.velocities)


class EventWindows(Windows):
    """Windows of events, without end: item i of a seed is always the same."""

    def rows(self, steps: int) -> int:
        """See `Windows`."""
        return steps // TOKENS_A_ROW

    def style_tokens(self, events: Events, first: int, length: int, semitones: int, factor: float) -> Ints:
        """See `Windows`."""
        return heard_notes(events, first, self.rows(length), semitones, factor).tokens[:length]

    def window(self, events: Events, start: int, semitones: int, factor: float, random: np.random.Generator) -> Sample:
        """See `Windows`."""
        config = self.config
        ahead = int(random.integers(config.ahead + 1))
        enough = config.rows or config.steps // LEAST_TOKENS_A_ROW
        notes = heard_notes(events, start, enough + ahead, semitones, factor)
        begin = int(notes.onsets[:1].sum())
        tokens = notes.tokens
        if start + enough < len(events):  # from here on, what is heard is not all among the notes
            known = _steps(events[start + enough : start + enough + 1]["onset"], factor) - begin
            tokens = tokens[steps_reached(tokens) < known]
        else:
            tokens = np.append(tokens, [[EOS]], axis=0)
        tokens = tokens if config.rows else tokens[: config.steps]
        steps = steps_reached(tokens)
        last = notes.rows[notes.onsets - begin <= steps.max(initial=0)].max(initial=0)
        stay = np.where(notes.rows <= last + ahead, notes.stay, 0).astype(np.float64)
        given, at, ends = self.given_melody(notes.onsets - begin, stay, random)
        frames, moments = CODEC.melody_frames(at, ends, notes.keys[given])
        return Sample(
            tokens=tokens,
            steps=steps,
            releases=np.zeros_like(steps),
            struck=np.zeros(len(steps), bool),
            pedal=False,
            melody=(frames, moments, moments + FRAME, np.zeros_like(moments)),
            style=tokens[:0],
            has_style=True,
            after=(tokens[:0], steps[:0]),
        )


def heard_notes(events: Events, first: int, count: int, semitones: int, factor: float) -> HeardNotes:
    """The notes among `count` rows from row `first` on, transposed, stretched, as long as they sound."""
    chunk = events[first : first + count]
    onsets, symbols = chunk["onset"].astype(np.int64), chunk["symbol"].astype(np.int64)
    is_note = symbols < KEYS
    ends = sounding_ends(onsets, onsets + chunk["duration"], symbols, is_pedal_down(events, first))
    keys = symbols + semitones
    rows = np.flatnonzero(is_note & (keys >= 0) & (keys < KEYS))
    begin = _steps(onsets[rows], factor)
    notes = HeardNotes(
        onsets=begin,
        ends=np.maximum(_steps(ends[rows], factor), begin + 1),
        keys=keys[rows],
        velocities=chunk["velocity"][rows].astype(np.int64),
        stay=np.ceil(chunk["melody"][rows] * (factor / MS_PER_STEP)).astype(np.int64),
        rows=rows,
    )
    order = np.lexsort((notes.keys, notes.onsets))
    return HeardNotes(*(column[order] for column in notes))


def _steps(milliseconds: NDArray[np.integer], factor: float) -> Ints:
    return np.asarray(np.asarray(milliseconds) * (factor / MS_PER_STEP) + 0.5).astype(np.int64)


WINDOWS: dict[str, type[Windows]] = {"notes": Windows, "events": EventWindows}  # by the name of the codec
