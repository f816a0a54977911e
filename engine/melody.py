"""The melody of a performance: the line a listener would sing, found by the paper's Viterbi search.

Source: `infer_melody_for_sequence` of note-seq with the values of the Transformer autoencoder's release (Choi et al.
2020, section 4.2): states rest, onset(p), sustain(p); melody onsets are real onsets, and the melody tends to be the
highest note that sounds. Times are on the codec's 10 ms grid, as the paper infers it from decoded tokens.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.alignment import Line, best_alignment, matches
from engine.performance import HIGHEST, LOWEST, Note, Performance

STEPS_PER_SECOND = 100
KEYS = HIGHEST - LOWEST + 1
TOGETHER = 0.03  # seconds: keys struck within this are one chord
REST_CHANCE = 0.1
INTERVAL_SCALE = 2.0  # semitones
UNLIKELY = float(np.log(1e-15))  # log probability, a second, of a melody note that is not the highest, or not there

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def extract_melody(performance: Performance) -> Performance:
    """The melody as a performance of its own: its notes last until the line moves on; no pedals.

    The sustain pedal is applied first, as in the paper: what still sounds on top is still the melody.
    """
    heard = performance.with_sustain_applied()
    starts, ends, pitches, _ = heard.arrays
    index, until = melody_line(_steps(starts), _steps(ends), pitches)
    notes = (
        heard.notes[i]._replace(end=max(end / STEPS_PER_SECOND, heard.notes[i].start + 1 / STEPS_PER_SECOND))
        for i, end in zip(index.tolist(), until.tolist(), strict=True)
    )
    return replace(performance, notes=tuple(Note(*note) for note in notes), pedals=())


def _steps(seconds: Floats) -> Ints:
    return np.floor(seconds * STEPS_PER_SECOND + 0.5).astype(np.int64)


def melody_line(starts: Ints, ends: Ints, pitches: Ints) -> tuple[Ints, Ints]:
    """Which notes are the melody. starts, ends: (notes,) 10 ms steps; pitches: (notes,) MIDI.

    Returns the melody notes' indices (melody,) in order of time and the step until which the line stays on each.
    """
    inside = np.flatnonzero((pitches >= LOWEST) & (pitches <= HIGHEST))
    if not len(inside):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    starts, keys = starts[inside], pitches[inside] - LOWEST
    ends = np.maximum(ends[inside], starts + 1)
    times = np.unique(np.concatenate([starts, ends]))
    first = np.searchsorted(times, starts)
    path = _best_path(times, first, np.searchsorted(times, ends), keys)
    struck = np.flatnonzero(path[first] == keys)  # an onset on the path is a melody note
    struck = struck[np.unique(first[struck], return_index=True)[1]]
    leaves = np.flatnonzero(np.diff(path) != 0) + 1  # frames where the line moves to another key or to a rest
    edges = np.unique(np.concatenate([leaves, first[struck], [len(path)]]))
    until = times[edges[np.searchsorted(edges, first[struck], side="right")]]
    return inside[struck], until


def _best_path(times: Ints, first: Ints, last: Ints, keys: Ints) -> Ints:
    """The key of the melody in each frame between two times, -1 for a rest. first, last: frames of each note."""
    frames = len(times) - 1
    onset = np.zeros((frames, KEYS), bool)
    onset[first, keys] = True
    change = np.zeros((frames + 1, KEYS), np.int32)
    np.add.at(change, (first, keys), 1)
    np.add.at(change, (last, keys), -1)
    sounding = np.cumsum(change[:frames], axis=0) > 0
    top = np.where(sounding, np.arange(KEYS), -1).max(axis=1)
    seconds = np.diff(times) / STEPS_PER_SECOND
    below = UNLIKELY * (np.arange(KEYS) < top[:, None])
    struck_score = seconds[:, None] * below
    held_score = seconds[:, None] * (below + UNLIKELY * ~sounding)
    held_score[onset] = 0.0  # replaced by the onset's own score in _forward
    return _forward(onset, struck_score, held_score, top < 0)


def _forward(onset: NDArray[np.bool_], struck_score: Floats, held_score: Floats, silent: NDArray[np.bool_]) -> Ints:
    """Viterbi over the frames: one score a key (onset where the key is struck in the frame, sustain elsewhere)."""
    move = _log_intervals()
    frames = len(onset)
    came_from = np.empty((frames, KEYS + 1), np.int16)  # the key before; KEYS is the rest
    stay = np.arange(KEYS + 1, dtype=np.int16)
    score, rest = np.full(KEYS, -np.inf), 0.0
    frame_of, key_of = np.nonzero(onset)
    bounds = np.searchsorted(frame_of, np.arange(frames + 1)).tolist()
    is_silent = silent.tolist()
    for frame in range(frames):
        came_from[frame] = stay
        struck = key_of[bounds[frame] : bounds[frame + 1]]
        before = score
        score = before + held_score[frame]
        if len(struck):
            reach = before + move[struck]
            best = reach.argmax(axis=1)
            value = reach[np.arange(len(struck)), best]
            from_rest = rest - np.log(128)
            came_from[frame, struck] = np.where(value >= from_rest, best, KEYS)
            score[struck] = np.maximum(value, from_rest) + struck_score[frame, struck]
        if is_silent[frame]:
            ending = int(before.argmax())
            if before[ending] + np.log(REST_CHANCE) > rest:
                rest, came_from[frame, KEYS] = float(before[ending] + np.log(REST_CHANCE)), ending
        else:
            rest = -np.inf
    return _trace(came_from, int(score.argmax()) if score.max() >= rest else KEYS)


def _trace(came_from: NDArray[np.int16], state: int) -> Ints:
    path = np.empty(len(came_from), np.int64)
    for frame in range(len(came_from) - 1, -1, -1):
        path[frame] = -1 if state == KEYS else state
        state = int(came_from[frame, state])
    return path


def _log_intervals() -> Floats:
    """Log chance of an onset at key q after key p, (q, p): near intervals are likelier."""
    before, after = np.arange(LOWEST, HIGHEST + 1), np.arange(128)
    weight = 1 / (1 + ((after[:, None] - before) / INTERVAL_SCALE) ** 2)
    share = (1 - REST_CHANCE) * weight / weight.sum(axis=0)
    return np.asarray(np.log(share[LOWEST : HIGHEST + 1]))


def has_chords(performance: Performance) -> bool:
    """Whether two keys are struck together (within 30 ms) and sound together for longer than that.

    Notes that merely overlap, as in legato, are still one voice.
    """
    together: deque[Note] = deque()
    for note in performance.notes:
        while together and note.start - together[0].start > TOGETHER:
            together.popleft()
        if any(n.pitch != note.pitch and min(n.end, note.end) - note.start > TOGETHER for n in together):
            return True
        together.append(note)
    return False


def top_line(performance: Performance) -> Performance:
    """What a melody with chords is reduced to, since a melody is one voice: its extracted melody. One voice stays."""
    return extract_melody(performance) if has_chords(performance) else performance


def melody_recall(melody: Performance, take: Performance) -> float:
    """Share of the melody's notes struck in the take, 0 to 1; 0 without a melody.

    Struck: same pitch, onset within 100 ms, after the best constant shift and tempo of the melody (0.8 to 1.25 times
    as slow); each note of the take counts once. Melodies of fewer than four notes are only shifted: a tempo would be
    free to fit them to anything.
    """
    if not melody.notes:
        return 0.0
    tune, played = Line.of(melody), Line.of(take)
    return len(matches(tune, played, best_alignment(tune, played))[0]) / len(melody)


def melody_f1(melody: Performance, take: Performance) -> float:
    """Whether the melody is heard on top: harmonic mean of its recall and its share of the take's extracted melody.

    Both by the alignment with the best recall.
    """
    on_top = extract_melody(take)
    if not melody.notes or not on_top.notes:
        return 0.0
    tune, played = Line.of(melody), Line.of(take)
    alignment = best_alignment(tune, played)
    recall = len(matches(tune, played, alignment)[0]) / len(melody)
    precision = len(matches(tune, Line.of(on_top), alignment)[0]) / len(on_top)
    return 2 * recall * precision / (recall + precision) if recall + precision > 0 else 0.0
