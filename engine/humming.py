"""A hummed, sung or whistled tune to a melody: a pitch track, notes in it, and the grid they lie on.

The pitch comes from SwiftF0 (Nieradzik 2025), a small network whose weights are in its package; 16 ms a frame. The
notes are the likeliest path through keys and rests (Viterbi), after the singer's own tuning is taken out; a key sung
again is told by a dip in loudness. What it can't do: two voices at once, words without a tune, an accompaniment;
singers who drift by more than half a semitone; notes under a tenth of a second; a tempo that changes: the grid has one.

Heard again (note F1, onsets within 50 and 100 ms): the six bundled tunes, synthesised with vibrato of half a semitone,
glides of 60 ms and noise 20 dB below, 0.88-0.97 and 1.00; four of them put together from syllables that espeak-ng said,
0.90-0.99 and 0.99-1.00. No performance is read from a recording: transkun 2.0.1 found all 60 notes of a piano's
rendering, but takes five seconds for each on one core, 56 MB of pickled weights and fifteen packages.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.errors import ScoreError
from engine.midi import MidiFile, TempoMap, Track
from engine.performance import Note
from engine.recording import read_recording

RATE = 16_000  # frames a second that the tracker takes
LOWEST, HIGHEST = 36, 96  # keys a voice or a whistle may reach
VOICED = 0.5  # the tracker's confidence from which there is a pitch
SPREAD = 0.6  # semitones: vibrato and glides around a key
FARTHEST = 2.0  # semitones from a key beyond which it makes no difference
CHANGE = 6.0  # what another key costs, as a negative log likelihood
REST = 1.5  # what a rest costs in a voiced frame, and a key in one without pitch
WAVE = 12  # frames that vibrato needs to come round, 0.19 s
MOST_WAVE = 1.6  # semitones of vibrato from top to bottom; more is a glide or another note
SHORTEST = 0.09  # seconds of a note
DIP = 5.0  # decibels that a note sung again is softer before it
DIP_REACH = 8  # frames to each side among which a dip is one
GRIDS = np.arange(0.09, 0.51, 0.0025)  # seconds a step of the grid may last
SLACK = 0.025  # seconds: nobody sings nearer to a grid
FITS = 3  # times a grid is moved nearer to the notes
BEATS = 0.4, 0.85  # seconds a beat may last, in whole steps
SOFTEST, LOUDEST = 50, 100  # velocities

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class PitchTrack(NamedTuple):
    """times: seconds; keys: MIDI pitch, fractions of a semitone kept, NaN without pitch; loudness: decibels."""

    times: Floats
    keys: Floats
    loudness: Floats


def read_humming(path: Path) -> MidiFile:
    """The melody in a recording of one voice, on its grid. Raises ScoreError where there is none in it."""
    return hummed(read_recording(path, RATE), path.stem)


def hummed(sound: NDArray[np.float32], name: str) -> MidiFile:
    """The melody in a sound, (frames,) float32 at RATE, on its grid. Raises ScoreError where there is none in it."""
    notes = notes_of(pitch_track(sound))
    if not notes:
        raise ScoreError(f"No tune is heard in {name}", "Hum nearer to the microphone, one note after another")
    return on_grid(notes, name)


def pitch_track(sound: NDArray[np.float32]) -> PitchTrack:
    """The pitch of a sound, (frames,) float32 at RATE."""
    from swift_f0 import SwiftF0

    if len(sound) < RATE // 10:
        return PitchTrack(np.zeros(0), np.zeros(0), np.zeros(0))
    found = SwiftF0(threads=1, spin=False).detect(sound, RATE, fmin=60.0)
    keys = 69 + 12 * np.log2(np.maximum(found.pitch_hz, 1) / 440)
    is_voiced = (found.confidence >= VOICED) & (keys > LOWEST - 1) & (keys < HIGHEST + 1)
    return PitchTrack(found.timestamps, np.where(is_voiced, keys, np.nan), found.loudness_db)


def notes_of(track: PitchTrack) -> list[Note]:
    """The notes sung, in order, as they were timed."""
    if np.isnan(track.keys).all():
        return []
    path = _best_path(track.keys - _tuning(track.keys))
    step = float(np.median(np.diff(track.times))) if len(track.times) > 1 else 0.016
    notes: list[Note] = []
    edges = np.flatnonzero(np.diff(path, prepend=-2, append=-2))
    peak = float(np.max(track.loudness))
    for first, last in pairwise(edges.tolist()):
        if path[first] < 0:
            continue
        cuts = [first, *_struck_again(track.loudness, first, last), last]
        for begin, end in pairwise(cuts):
            level = float(np.max(track.loudness[begin:end])) - peak
            velocity = round(np.clip(LOUDEST + 2 * level, SOFTEST, LOUDEST))
            start = float(track.times[begin])
            notes.append(Note(start, start + (end - begin) * step, int(path[first]), velocity))
    return [note for note in notes if note.end - note.start >= SHORTEST]


def _tuning(keys: Floats) -> float:
    """How far a singer is from the piano's keys, -0.5 to 0.5 semitones: the middle of what is sung, as on a circle.

    Vibrato is smoothed away first: it stays longest at its ends, half a semitone off.
    """
    if len(keys) < WAVE:
        return 0.0
    waves = np.lib.stride_tricks.sliding_window_view(keys, WAVE)
    held = waves[~np.isnan(waves).any(axis=1) & (np.ptp(waves, axis=1) < MOST_WAVE)].mean(axis=1)
    return float(np.angle(np.exp(2j * np.pi * held).sum()) / (2 * np.pi)) if len(held) else 0.0


def _best_path(keys: Floats) -> Ints:
    """The key of each frame, -1 for a rest: the path of least cost."""
    candidates = np.arange(LOWEST, HIGHEST + 1)
    is_silent = np.isnan(keys)
    away = np.abs(np.where(is_silent, 0, keys)[:, None] - candidates)
    cost = np.where(is_silent[:, None], REST, np.minimum(away, FARTHEST) ** 2 / (2 * SPREAD**2))
    cost = np.concatenate([cost, np.where(is_silent, 0, REST)[:, None]], axis=1)  # the rest is last
    came_from = np.zeros(cost.shape, np.int16)
    total = cost[0]
    own = np.arange(cost.shape[1])
    for frame in range(1, len(cost)):
        best = int(total.argmin())
        moves = total[best] + CHANGE < total
        came_from[frame] = np.where(moves, best, own)
        total = np.where(moves, total[best] + CHANGE, total) + cost[frame]
    state = int(total.argmin())
    path = np.empty(len(cost), np.int64)
    for frame in range(len(cost) - 1, -1, -1):
        path[frame] = -1 if state == len(candidates) else candidates[state]
        state = int(came_from[frame, state])
    return path


def _struck_again(loudness: Floats, first: int, last: int) -> list[int]:
    """Frames within a key's stretch where it is sung again: the ends of dips in loudness."""
    level = loudness[first:last]
    found: list[int] = []
    for at in range(DIP_REACH // 2, len(level) - DIP_REACH // 2):
        around = level[max(at - DIP_REACH, 0) : at + DIP_REACH + 1]
        left, right = level[max(at - DIP_REACH, 0) : at].max(), level[at + 1 : at + DIP_REACH + 1].max()
        is_dip = level[at] == around.min() and min(left, right) - level[at] >= DIP
        if is_dip and (not found or first + at - found[-1] > DIP_REACH):
            found.append(first + at)
    return found


def on_grid(notes: list[Note], name: str = "") -> MidiFile:
    """The notes on the nearest steps of the grid they fit best, beginning at 0, with its tempo."""
    starts = np.array([note.start for note in notes])
    step, places = _fitted(starts, _step(starts))
    lengths = np.maximum(np.rint([(note.end - note.start) / step for note in notes]).astype(np.int64), 1)
    placed: dict[int, tuple[int, int, int]] = {}
    for place, length, note in zip(places.tolist(), lengths.tolist(), notes, strict=True):
        while place in placed:
            place += 1
        placed[place] = length, note.pitch, note.velocity
    following = [*sorted(placed)[1:], max(placed) + max(placed[max(placed)][0], 1)]
    steps_a_beat = max(round(np.mean(BEATS) / step), 1)
    tempo_map = TempoMap(480, ((0, round(step * steps_a_beat * 1e6)),))
    seconds = tempo_map.seconds([place * 480 / steps_a_beat for place in range(max(following) + 1)]).tolist()
    line = tuple(
        Note(seconds[place], seconds[min(place + placed[place][0], after)], placed[place][1], placed[place][2])
        for place, after in zip(sorted(placed), following, strict=True)
    )
    return MidiFile(name, (Track(name, notes=line),), tempo_map)


def _fitted(starts: Floats, step: float) -> tuple[float, Ints]:
    """The step that fits all starts best, near a first guess, and the step each start is on, the first on 0."""
    places = np.rint((starts - starts[0]) / step)
    for _ in range(FITS):
        if len(starts) > 2 and np.ptp(places) > 0:
            step, begin = (float(value) for value in np.polyfit(places, starts, 1))
            places = np.rint((starts - begin) / step)
    return step, (places - places[0]).astype(np.int64)


def _step(starts: Floats) -> float:
    """Seconds of a grid's step: the longest that the notes' starts fit well."""
    since = starts - starts[0]
    if len(since) < 3:
        return float(GRIDS[-1]) / 2
    places = np.rint(since[:, None] / GRIDS)
    # The grid is stretched to the notes before it is judged: what the first guess is off adds up.
    best = (places * since[:, None]).sum(0) / np.maximum((places**2).sum(0), 1)
    best = np.where(best > 0, best, GRIDS)
    off = np.sqrt(np.mean((since[:, None] - places * best) ** 2, axis=0))
    return float(best[np.argmin(np.maximum(off, SLACK) / best)])
