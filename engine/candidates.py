"""Which track of a file is its melody: every track weighed, and the three best as lines of one voice.

What speaks for a track: one voice, a singer's register, on top of the others, playing for most of the piece, many
different keys in small steps, its name, and syllables of the lyrics on its notes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.melody import top_line
from engine.midi import DRUM_CHANNEL, MidiFile, Track
from engine.performance import Performance

MOST = 3  # candidates
REGISTER, REGISTER_WIDTH = 72.0, 10.0  # MIDI pitch of the middle of a melody, and semitones around it
OVERLAP = 0.03  # seconds that two notes of one voice may sound together
SMALL_STEP = 5  # semitones
MANY_KEYS = 8
NEAR = 0.05  # seconds between a syllable and its note
MANY_NOTES = 20_000  # of all tracks together: more are not searched for a line
BASS_PROGRAMS = range(32, 40)
GOOD_NAME = re.compile(
    r"melod|vocal|voice|lead|sing|solo|sopran|cantus|gesang|chant|right|rechts|violin i\b|flute", re.I
)
BAD_NAME = re.compile(r"bass|drum|perc|pad|chord|accomp|begleit|rhythm|left|links|guitar 2|back", re.I)
WEIGHTS = {"voice": 2.0, "register": 1.5, "top": 2.0, "coverage": 1.0, "variety": 1.0, "steps": 1.0}
NAME_WEIGHT, LYRICS_WEIGHT = 0.3, 0.6  # added to the weighed mean


@dataclass(frozen=True)
class Candidate:
    """A line that may be the melody. line: one voice; likeness: 0 to 1; track: its index, None for all together."""

    name: str
    line: Performance
    likeness: float
    track: int | None = None
    had_chords: bool = False


def candidates(file: MidiFile) -> list[Candidate]:
    """Up to three lines of a file, the most melody-like first; none where it has no notes."""
    weighed = sorted(likenesses(file).items(), key=lambda item: -item[1])
    found = [_candidate(file, index, likeness) for index, likeness in weighed[:MOST]]
    if 1 < len(weighed) < MOST and len(file.performance) <= MANY_NOTES:
        whole = file.performance
        found.append(Candidate(file.name, replace(top_line(whole), name=file.name), 0.0, None, True))
    return found


def likenesses(file: MidiFile) -> dict[int, float]:
    """How much each track but drums is like a melody, 0 to 1, by its index; tracks without notes are left out."""
    played = {i: t for i, t in enumerate(file.tracks) if t.notes and t.channel != DRUM_CHANNEL}
    whole = Performance.of(note for track in played.values() for note in track.notes)
    syllables = np.array([text.time for text in file.lyrics])
    return {index: _likeness(track, whole, syllables) for index, track in played.items()}


def _candidate(file: MidiFile, index: int, likeness: float) -> Candidate:
    track = file.tracks[index]
    name = track.name or file.name
    notes = Performance(track.notes, track.pedals, name)
    line = replace(top_line(notes), name=name)
    return Candidate(name, line, likeness, index, len(line) < len(notes))


def _likeness(track: Track, whole: Performance, syllables: NDArray[np.float64]) -> float:
    starts, ends, pitches, _ = Performance(track.notes).arrays
    before = np.maximum.accumulate(ends)[:-1]
    steps = np.abs(np.diff(pitches))
    parts = {
        "voice": 1 - float(np.mean(before - starts[1:] > OVERLAP)) if len(starts) > 1 else 1.0,
        "register": float(np.exp(-(((pitches.mean() - REGISTER) / REGISTER_WIDTH) ** 2) / 2)),
        "top": _share_on_top(starts, pitches, whole),
        "coverage": min(float((ends - starts).sum()) / max(whole.seconds * 0.6, 1e-9), 1.0),
        "variety": min(len(np.unique(pitches)) / MANY_KEYS, 1.0),
        "steps": float(np.mean((steps > 0) & (steps <= SMALL_STEP))) if len(steps) else 0.0,
    }
    likeness = sum(WEIGHTS[name] * part for name, part in parts.items()) / sum(WEIGHTS.values())
    likeness += NAME_WEIGHT * (bool(GOOD_NAME.search(track.name)) - bool(BAD_NAME.search(track.name)))
    likeness -= NAME_WEIGHT * (track.program in BASS_PROGRAMS)
    if len(syllables):
        nearest = np.abs(starts - syllables[_nearest(syllables, starts)])
        sung = float(np.mean(nearest <= NEAR)) * min(len(starts) / len(syllables), len(syllables) / len(starts), 1.0)
        likeness += LYRICS_WEIGHT * sung
    return float(np.clip(likeness / (1 + NAME_WEIGHT + (LYRICS_WEIGHT if len(syllables) else 0)), 0, 1))


def _nearest(times: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.int64]:
    """The index of the time nearest to each wanted one. times: in order."""
    after = np.clip(np.searchsorted(times, wanted), 0, len(times) - 1)
    before = np.maximum(after - 1, 0)
    nearer: NDArray[np.int64] = np.where(wanted - times[before] < np.abs(times[after] - wanted), before, after)
    return nearer


def _share_on_top(starts: NDArray[np.float64], pitches: NDArray[np.int64], whole: Performance) -> float:
    """Share of a track's notes above which nothing else sounds as they are struck."""
    all_starts, all_ends, all_pitches, _ = whole.arrays
    highest = np.full(len(starts), -1)
    for pitch in np.unique(all_pitches):
        mine = all_pitches == pitch
        begun = np.searchsorted(all_starts[mine], starts + OVERLAP, side="right")
        ended = np.searchsorted(np.sort(all_ends[mine]), starts + OVERLAP, side="right")
        highest[begun > ended] = pitch
    return float(np.mean(highest <= pitches))
