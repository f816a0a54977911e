"""How good composing with music that is there is: a stretch anew, a score performed, a take varied.

Rows of plain figures, kept and gone on with as those of `engine.training.evaluation`; their means are the report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.arranging import (
    continuation,
    in_own_style,
    ranked,
    regenerate,
    varied_by_bars,
    varied_by_surprise,
)
from engine.composer import Composer, Request, filled
from engine.features import similarity
from engine.performance import Note, Performance
from engine.performing import Performing, blended
from engine.surprise import join_surprise
from engine.training.evaluation import Excerpt, Row

GAP_SECONDS = 4.0  # of a stretch that is written anew, in the middle of an excerpt
BORDER = 0.05  # seconds that its music may end before its end, or beyond
GRID = 0.1  # seconds: a performance on it is a score of sorts
FLAT = 64  # velocity of all its notes
BAR = 2.0  # seconds that stand for a bar
FLOOR = 0.005  # seconds between onsets, below which they differ no more

Floats = NDArray[np.float64]


@dataclass
class Regeneration:
    """`GAP_SECONDS` in the middle of each excerpt, with what follows known, beside a continuation that is cut there."""

    composer: Composer
    styles: Sequence[Excerpt]
    seed: int
    takes: int = 4
    name: str = "regenerate"

    def __len__(self) -> int:
        return len(self.styles)

    def row(self, case: int) -> Row:
        """Figures of the first proposal, of the best joined of all, and of the continuation.

        join: nats a note of what follows; overlap: of style, with the music as long on either side, of which the halves
        are one with the other.
        """
        own = self.styles[case].own
        start = (own.seconds - GAP_SECONDS) / 2
        end = start + GAP_SECONDS
        request = Request(seed=self.seed + case * self.takes, takes=self.takes)
        request = in_own_style(self.composer, own, request)
        proposals = list(regenerate(self.composer, own, start, end, request))
        first, best = proposals[0], ranked(proposals)[0]
        _, _, events = continuation(self.composer, own, start, replace(request, seconds=GAP_SECONDS))
        cut = filled(own, events, start, end)
        around = own.slice(start - GAP_SECONDS, start), own.slice(end, end + GAP_SECONDS)
        joins = {
            "join_first": first.join,
            "join_best": best.join,
            "join_continuation": join_surprise(self.composer.model, cut, end, request.style),
            "join_human": join_surprise(self.composer.model, own, end, request.style),
        }
        nats = {name: float(value or 0.0) for name, value in joins.items()}
        halves = similarity(*around)["average"]
        like = {
            name: float(np.mean([similarity(piece.slice(start, end), side)["average"] for side in around]))
            for name, piece in (("first", first.performance), ("best", best.performance), ("human", own))
        }
        return {
            "style": own.name,
            "is_outside_kept": all(_outside(p.performance, start, end) == _outside(own, start, end) for p in proposals),
            "is_border_met": _is_border_met(first.performance, start, end),
            "is_border_met_human": _is_border_met(own, start, end),
            **nats,
            "first_beats_continuation": nats["join_first"] < nats["join_continuation"],
            "best_beats_continuation": nats["join_best"] < nats["join_continuation"],
            "overlap_halves": halves,
            **{f"overlap_{name}": value for name, value in like.items()},
            "overlap_less_halves": like["first"] - halves,
            "notes": len(first.performance.slice(start, end)) / max(len(own.slice(start, end)), 1),
            "notes_best": len(best.performance.slice(start, end)) / max(len(own.slice(start, end)), 1),
        }


@dataclass
class ScorePerformance:
    """Each excerpt flattened to a grid with equal velocities, and performed in the style of what the same pianist plays
    next."""

    composer: Composer
    styles: Sequence[Excerpt]
    seed: int
    name: str = "perform"

    def __len__(self) -> int:
        return len(self.styles)

    def row(self, case: int) -> Row:
        """How far velocities and timing are from the true performance's, beside the flat version's, and how they go
        with the truth note by note."""
        own, following, _ = self.styles[case]
        score = flattened(own)
        style = self.composer.style(following)
        performing = Performing(self.composer, score, Request(style=style, seed=self.seed + case))
        steps = list(performing.steps())
        performed = performing.performed()
        played = blended(performed)
        true = _true_notes(own)
        pairs = [(mine, true[_cell(written)]) for written, mine in performed.notes]
        velocity = [velocity_distance(one, own) for one in (played, score)]
        timing = [timing_distance(one, own) for one in (played, score)]
        late = [abs(mine.start - written.start) for written, mine in performed.notes]
        return {
            "style": own.name,
            "is_every_note_kept": sorted(n.pitch for n in played.notes) == sorted(n.pitch for n in score.notes),
            "is_nothing_added": len(played) == len(score),
            "velocity_distance": velocity[0],
            "velocity_distance_flat": velocity[1],
            "timing_distance": timing[0],
            "timing_distance_flat": timing[1],
            "is_velocity_nearer": velocity[0] < velocity[1],
            "is_timing_nearer": timing[0] < timing[1],
            "is_nearer": velocity[0] < velocity[1] and timing[0] < timing[1],
            "interval_correlation": _correlation(*(_intervals([n[side] for n in pairs]) for side in (0, 1))),
            "interval_correlation_flat": _correlation(
                _intervals([written for written, _ in performed.notes]), _intervals([theirs for _, theirs in pairs])
            ),
            "deviation_correlation": _correlation(*_deviations(performed.notes, pairs)),
            "velocity_correlation": _correlation(
                *(np.array([n[side].velocity for n in pairs], float) for side in (0, 1))
            ),
            "largest_deviation": max(late),
            "mean_deviation": float(np.mean(late)),
            "pedals_a_second": sum(step.event()[1] == 127 for step in steps if not isinstance(step.event(), Note))
            / own.seconds,
            "pedals_a_second_human": sum(pedal.value >= 64 for pedal in own.pedals) / own.seconds,
        }


@dataclass
class Variation:
    """Each excerpt varied with a share kept, by bars and by surprise."""

    composer: Composer
    styles: Sequence[Excerpt]
    seed: int
    share: float = 0.5
    name: str = "vary"

    def __len__(self) -> int:
        return len(self.styles)

    def row(self, case: int) -> Row:
        """Whether what is kept is as it was, how far its share is from what was asked, and how many notes there are
        beside before."""
        own = self.styles[case].own
        request = in_own_style(self.composer, own, Request(seed=self.seed + case))
        bars = np.arange(0.0, own.seconds, BAR).tolist()
        made = {
            "bars": varied_by_bars(self.composer, own, self.share, bars, request),
            "surprise": varied_by_surprise(self.composer, own, self.share, request),
        }
        row: Row = {"style": own.name}
        for name, (piece, kept) in made.items():
            row |= {
                f"{name}_is_kept": kept <= set(piece.notes),
                f"{name}_off_share": abs(len(kept) / len(own) - self.share),
                f"{name}_same": len(set(piece.notes) & set(own.notes)) / len(own),
                f"{name}_notes": len(piece) / len(own),
                f"{name}_overlap": similarity(piece, own)["average"],
            }
        return row


def flattened(performance: Performance) -> Performance:
    """The notes on a grid, all as loud, without pedal: a score of sorts. Of notes that fall together one stays."""
    notes = {cell: _on_grid(note) for note in reversed(performance.notes) for cell in [_cell(note)]}
    return Performance.of(notes.values(), (), performance.name)


def _on_grid(note: Note) -> Note:
    start, length = round(note.start / GRID), max(round((note.end - note.start) / GRID), 1)
    return Note(start * GRID, (start + length) * GRID, note.pitch, FLAT)


def _cell(note: Note) -> tuple[int, int]:
    return round(note.start / GRID), note.pitch


def _true_notes(performance: Performance) -> dict[tuple[int, int], Note]:
    """The first note of each cell of the grid."""
    return {_cell(note): note for note in reversed(performance.notes)}


def velocity_distance(one: Performance, other: Performance) -> float:
    """Between the distributions of velocities: how far a note's must be moved, on average."""
    return _distance(one.arrays[3].astype(float), other.arrays[3].astype(float))


def timing_distance(one: Performance, other: Performance) -> float:
    """Between the distributions of the logarithm of the time from stroke to stroke, in the same way."""
    gaps = [np.log(np.maximum(np.diff(each.arrays[0]), FLOOR)) for each in (one, other)]
    return _distance(*gaps)


def _distance(one: Floats, other: Floats) -> float:
    """Wasserstein distance of two distributions, by a hundred quantiles."""
    shares = (np.arange(100) + 0.5) / 100
    return float(np.abs(np.quantile(one, shares) - np.quantile(other, shares)).mean())


def _intervals(notes: Sequence[Note]) -> Floats:
    """Seconds from chord to chord of a score's notes as played, in the score's order."""
    return np.diff(np.array([note.start for note in notes]))


def _deviations(notes: Sequence[tuple[Note, Note]], pairs: Sequence[tuple[Note, Note]]) -> tuple[Floats, Floats]:
    """How late each note is beside the score, as played and in truth."""
    mine = np.array([played.start - written.start for written, played in notes])
    theirs = np.array([true.start - written.start for (written, _), (_, true) in zip(notes, pairs, strict=True)])
    return mine, theirs


def _correlation(one: Floats, other: Floats) -> float:
    if len(one) < 2 or not one.std() or not other.std():
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _outside(piece: Performance, start: float, end: float) -> tuple[list[Note], list[float]]:
    """What a stretch must leave as it was: its notes, and the moments of pedal movements, before it and after."""
    notes = [note for note in piece.notes if not start <= note.start < end]
    return notes, [pedal.time for pedal in piece.pedals if not start <= pedal.time <= end]


def _is_border_met(piece: Performance, start: float, end: float) -> bool:
    """Whether the music of a stretch sounds until its end, and is struck no later."""
    sounding = piece.with_sustain_applied().notes
    until = max((note.end for note in sounding if note.start < end), default=start)
    return until >= end - BORDER
