"""Performances to the paper's event tokens and back: 88 note-ons, 88 note-offs, 100 time shifts, 32 velocities.

Choi et al. 2020, section 4.1, by the rules of the authors' release: the sustain pedal is applied first, onsets and
offsets go to the nearest 10 ms, at one step events come in the order of the notes' (start, pitch), a note-off closes
the oldest open note of its key. Notes begin and end with events of their own, so a note that is never closed hangs.
"""

from __future__ import annotations

from collections import defaultdict, deque

import numpy as np
from numpy.typing import NDArray

from engine.codec import to_steps
from engine.performance import HIGHEST, LOWEST, Note, Performance
from engine.vocabulary import (
    DEFAULT_VELOCITY,
    EOS,
    EVENT_FIELDS,
    FRAME,
    FRAME_RATE,
    MAX_SHIFT,
    MELODY_EVENT_FIELDS,
    MELODY_OFF,
    MELODY_ON,
    NO_CHANGE,
    NOTE_OFF,
    NOTE_ON,
    STEPS_PER_SECOND,
    TIME_SHIFT,
    VELOCITY,
    VELOCITY_STEP,
    velocity_bin,
)

Ints = NDArray[np.int64]


class EventCodec:
    """One field a token: note-on, note-off, time shift or velocity; notes as long as they sound, no pedal."""

    name = "events"
    fields = EVENT_FIELDS
    melody_fields = MELODY_EVENT_FIELDS

    def encode(self, performance: Performance) -> Ints:
        """(events, 1) int64, ending with EOS. See `Codec`."""
        return np.append(self.tokens(*self.notes(performance)), [[EOS]], axis=0)

    def windows(self, performance: Performance, longest: int) -> list[Ints]:
        """Tokens of about `longest` events each: as many notes in each, from its first note on. See `Codec`."""
        notes = self.notes(performance)
        count = max(round(len(self.tokens(*notes)) / longest), 1)
        parts = zip(*(np.array_split(column, count) for column in notes), strict=True)
        return [
            self.tokens(onsets - onsets[0], ends - onsets[0], keys, velocities)
            for onsets, ends, keys, velocities in parts
            if len(onsets)
        ]

    def notes(self, performance: Performance) -> tuple[Ints, Ints, Ints, Ints]:
        """Onset and end step, key and MIDI velocity of each note as it sounds, in order."""
        starts, ends, pitches, velocities = performance.with_sustain_applied().arrays
        inside = (pitches >= LOWEST) & (pitches <= HIGHEST)
        onsets = to_steps(starts[inside])
        return onsets, np.maximum(to_steps(ends[inside]), onsets + 1), pitches[inside] - LOWEST, velocities[inside]

    def tokens(self, onsets: Ints, ends: Ints, keys: Ints, velocities: Ints) -> Ints:
        """(events, 1) tokens of notes in order of their start."""
        note = np.tile(np.arange(len(onsets)), 2)
        is_off = np.repeat([False, True], len(onsets))
        steps = np.concatenate([onsets, ends])
        order = np.lexsort((is_off, note, steps))
        note, is_off, steps = note[order], is_off[order], steps[order]
        gaps = np.diff(steps, prepend=0)
        bins = velocity_bin(velocities)[note]
        is_new = np.zeros(len(note), bool)  # whether a velocity event comes before
        is_new[~is_off] = np.diff(bins[~is_off], prepend=-1) != 0
        shifts = -(-gaps // MAX_SHIFT)  # all but the last by one second
        place = np.cumsum(shifts + is_new + 1) - 1
        out = np.full(place[-1] + 1 if len(place) else 0, TIME_SHIFT + MAX_SHIFT - 1)
        out[place] = np.where(is_off, NOTE_OFF, NOTE_ON) + keys[note]
        out[place[is_new] - 1] = VELOCITY + bins[is_new]
        late = shifts > 0
        out[(place - is_new - 1)[late]] = TIME_SHIFT + (gaps[late] - 1) % MAX_SHIFT
        return np.asarray(out[:, None], np.int64)

    def decode(self, tokens: Ints) -> Performance:
        """See `Codec`. Notes still open at the end are closed there; a note-off without a note says nothing."""
        held: defaultdict[int, deque[tuple[int, int]]] = defaultdict(deque)  # key -> onset and velocity, oldest first
        notes: list[Note] = []
        step, velocity = 0, DEFAULT_VELOCITY

        def close(key: int) -> None:
            onset, loudness = held[key].popleft()
            if step > onset:
                notes.append(Note(onset / STEPS_PER_SECOND, step / STEPS_PER_SECOND, LOWEST + key, loudness))

        for token in np.asarray(tokens).reshape(-1).tolist():
            if token <= EOS:
                break
            if token >= VELOCITY:
                velocity = 1 + (token - VELOCITY) * VELOCITY_STEP
            elif token >= TIME_SHIFT:
                step += token - TIME_SHIFT + 1
            elif token >= NOTE_OFF:
                if held[token - NOTE_OFF]:
                    close(token - NOTE_OFF)
            else:
                held[token - NOTE_ON].append((step, velocity))
        for key in held:
            while held[key]:
                close(key)
        return Performance.of(notes)

    def encode_melody(self, melody: Performance) -> tuple[Ints, Ints]:
        """(frames, 1) int64, one token every 100 ms: no change, off, or a key struck; and each frame's 10 ms step."""
        starts, ends, pitches, _ = melody.arrays
        inside = (pitches >= LOWEST) & (pitches <= HIGHEST)
        first, after = to_steps(starts[inside], FRAME_RATE), to_steps(ends[inside], FRAME_RATE)
        return _frames(first, after, pitches[inside] - LOWEST)

    def melody_frames(self, onsets: Ints, ends: Ints, keys: Ints) -> tuple[Ints, Ints]:
        """The same of melody notes in order. onsets, ends: (notes,) 10 ms steps."""
        return _frames((onsets + FRAME // 2) // FRAME, (ends + FRAME // 2) // FRAME, keys)


def steps_reached(tokens: Ints) -> Ints:
    """The step at which each event happens. tokens: (events, 1) -> (events,)."""
    is_shift = (tokens[:, 0] >= TIME_SHIFT) & (tokens[:, 0] < VELOCITY)
    return np.cumsum(np.where(is_shift, tokens[:, 0] - TIME_SHIFT + 1, 0))


def _frames(first: Ints, after: Ints, keys: Ints) -> tuple[Ints, Ints]:
    """Tokens of frames from notes that begin in frame `first` and are over in `after`; a later note overwrites."""
    after = np.maximum(after, first + 1)
    grid = np.full((int(after.max(initial=0)) + 1, 1), NO_CHANGE)
    changes = np.stack([MELODY_ON + keys, np.full_like(keys, MELODY_OFF)], 1)
    grid[np.stack([first, after], 1).ravel(), 0] = changes.ravel()  # in order: numpy keeps the last
    return grid[:-1], np.arange(len(grid) - 1) * FRAME
