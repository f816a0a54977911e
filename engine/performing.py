"""A score performed: all its notes and none added, with timing, dynamics and pedal in a style, as far as is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from engine.composer import Composer, Request, with_pedals_lifted
from engine.decoding import Step
from engine.errors import RequestError
from engine.given_writing import ScoreNote, ScoreWriter
from engine.performance import LOWEST, Note, Pedal, Performance
from engine.vocabulary import KEYS, STEPS_PER_SECOND


@dataclass(frozen=True)
class Performed:
    """A score and how it is played. notes: (as in the score, as played) of each note; pedals: as played."""

    score: Performance
    notes: tuple[tuple[Note, Note], ...]
    pedals: tuple[Pedal, ...]


class Performing:
    """Plays a score in the request's style: all its notes, none added. `steps` is pulled to its end; then `performed`
    says how it went."""

    def __init__(self, composer: Composer, score: Performance, request: Request, take: int = 0) -> None:
        composer.need_notes()
        self.score = score
        self.of_note = _score_notes(score)
        if not self.of_note:
            raise RequestError(f"{score.name or 'The score'} has no notes on the piano's keys", "Transpose it")
        notes = [note for note, _ in self.of_note]
        given = composer.given(replace(request, melody=score), score.seconds + 1, take)
        # The model's guidance is for choosing notes: it would make a caricature of how they are played.
        options = replace(
            given["options"], style_strength=request.style_strength, melody_strength=request.melody_strength
        )
        self.writer = ScoreWriter(**{**given, "options": options}, begin=notes[0].step, score=notes)

    def steps(self) -> Iterator[Step]:
        """What is played, in order of time, as it is chosen."""
        return self.writer.write()

    def performed(self) -> Performed:
        """The score's notes and how they were played."""
        pairs = []
        for index, (note, written) in enumerate(self.of_note):
            step = self.writer.played[index]
            event = step.event()
            assert isinstance(event, Note)
            late = (step.at - note.step) / STEPS_PER_SECOND
            longer = (step.release - step.at - note.length) / STEPS_PER_SECOND
            start = written.start + late
            pairs.append((written, Note(start, start + written.end - written.start + longer, *event[2:])))
        moves = [step.event() for step in self.writer.steps if step.symbol >= KEYS]
        return Performed(self.score, tuple(pairs), tuple(move for move in moves if isinstance(move, Pedal)))


def blended(performed: Performed, timing: float = 1.0, dynamics: float = 1.0, has_pedal: bool = True) -> Performance:
    """A performance between the score and how it was played: 0 is the score, 1 is as played.

    timing: of onsets and lengths; dynamics: of velocities; has_pedal: whether the pedal played is used, or the
    score's.
    """
    notes = []
    for written, played in performed.notes:
        start = written.start + timing * (played.start - written.start)
        length = (1 - timing) * (written.end - written.start) + timing * (played.end - played.start)
        velocity = round(written.velocity + dynamics * (played.velocity - written.velocity))
        notes.append(Note(start, start + max(length, 1 / STEPS_PER_SECOND), written.pitch, min(max(velocity, 1), 127)))
    pedals = performed.score.pedals
    if has_pedal:
        there = np.array([played.start for _, played in performed.notes])
        order = np.argsort(there, kind="stable")
        here = np.array([note.start for note in notes])
        times = [pedal.time for pedal in performed.pedals]
        moved = np.array(times) + np.interp(times, there[order], (here - there)[order])
        pedals = tuple(p._replace(time=max(t, 0.0)) for p, t in zip(performed.pedals, moved.tolist(), strict=True))
    return with_pedals_lifted(Performance.of(notes, pedals, performed.score.name).with_repeats_cut())


def _score_notes(score: Performance) -> list[tuple[ScoreNote, Note]]:
    """The notes of a score as its writer is given them, each with its own; a key struck twice at once is one note."""
    found: dict[tuple[int, int], Note] = {}
    for note in score.notes:
        stroke = round(note.start * STEPS_PER_SECOND), note.pitch - LOWEST
        if 0 <= stroke[1] < KEYS and (stroke not in found or found[stroke].end < note.end):
            found[stroke] = note
    notes = ((ScoreNote(*_placed(stroke, note)), note) for stroke, note in found.items())
    return sorted(notes, key=lambda pair: (pair[0].step, -pair[0].key))


def _placed(stroke: tuple[int, int], note: Note) -> tuple[int, int, int]:
    return stroke[0], max(round(note.end * STEPS_PER_SECOND) - stroke[0], 1), stroke[1]
