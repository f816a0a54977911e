"""Composing with music that is there: a stretch anew, a piece gone on with, varied, restyled.

Each makes one take, of the seed `request.seed + take`. Where a piece is to stay in its own style, `in_own_style` makes
the request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.alignment import Alignment, Line, matches
from engine.composer import LEAST_STYLE_NOTES, Composer, Request, added, filled, sides, with_pedals_lifted
from engine.decoding import NoteWriter, steps_of
from engine.errors import RequestError
from engine.given_writing import LockedWriter
from engine.harmony import HarmonyWriter, pitch_classes
from engine.melody import extract_melody, top_line
from engine.performance import HIGHEST, LOWEST, Note, Pedal, Performance
from engine.surprise import join_surprise, note_surprises
from engine.vocabulary import KEYS, STEPS_PER_SECOND

LEAST_KEPT, MOST_KEPT = 0.1, 0.9  # of a take that is varied
OFF_SHARE = 0.05  # that the share may be off by
HALVINGS = 4  # of bars, at most
CONTINUED = 20.0  # seconds that a piece is gone on with
NEVER = float("inf")


@dataclass(frozen=True)
class Proposal:
    """A piece with a stretch anew. take: which; join: nats a note of what follows the stretch, less is a better join,
    None where nothing follows."""

    performance: Performance
    take: int
    join: float | None


def in_own_style(composer: Composer, piece: Performance, request: Request) -> Request:
    """The request in the style of the piece itself, heeded as much as was learned: what stands around the new music
    tells its style too, and the model's guidance would overdo it. Of a piece with too few notes to have a style: none.
    """
    count = sum(LOWEST <= note.pitch <= HIGHEST for note in piece.notes)
    style = composer.style(piece) if count >= LEAST_STYLE_NOTES else None
    strength = request.style_strength / max(composer.model.config.style_guidance, 1.0)
    return replace(request, style=style, style_strength=strength)


# A stretch anew


def regenerate(
    composer: Composer,
    played: Performance,
    start: float,
    end: float,
    request: Request,
    pitches: tuple[int, int] | None = None,
) -> Iterator[Proposal]:
    """`request.takes` proposals for a stretch, in seconds, each as soon as it is made; `ranked` puts the best first.

    pitches: lowest and highest that may change; what is outside stays, and so do the melody's notes and the pedal.
    Raises RequestError where nothing can be made anew there.
    """
    for take in range(request.takes):
        if pitches is None:
            piece = filled(played, composer.fill(played, start, end, request, take), start, end)
        else:
            piece = _within_pitches(composer, played, start, end, request, pitches, take)
        yield Proposal(piece, take, join_surprise(composer.model, piece, end, request.style))


def ranked(proposals: Iterable[Proposal]) -> list[Proposal]:
    """The proposals in order, that with the likeliest continuation first."""
    return sorted(proposals, key=lambda proposal: proposal.join or 0.0)


def _within_pitches(
    composer: Composer,
    played: Performance,
    start: float,
    end: float,
    request: Request,
    pitches: tuple[int, int],
    take: int,
) -> Performance:
    lowest, highest = pitches
    if not LOWEST <= lowest <= highest <= HIGHEST:
        raise RequestError(f"From {lowest} to {highest} is no range of pitches", f"Give {LOWEST} to {HIGHEST}")
    tune = notes_of_melody(played, request.melody) if request.melody is not None else set()
    replaced = {n for n in played.notes if start <= n.start < end and lowest <= n.pitch <= highest and n not in tune}
    keys = np.zeros(KEYS, bool)
    keys[lowest - LOWEST : highest - LOWEST + 1] = True
    return _replaced(composer, played, replaced, (start, end), request, take, keys=keys)


def _replaced(
    composer: Composer,
    played: Performance,
    replaced: set[Note],
    stretch: tuple[float, float],
    request: Request,
    take: int,
    **how: Any,
) -> Performance:
    """A piece with new notes in place of some within a stretch. how: keys and rate of the `LockedWriter`."""
    start, end = stretch
    if not 0 <= start < end:
        raise RequestError(f"From {start:g} to {end:g} seconds is no stretch of time", "Give a beginning and an end")
    composer.need_notes()
    stays = Performance.of((n for n in played.notes if n not in replaced), played.pedals, played.name)
    steps = steps_of(stays)
    first, last = (round(time * STEPS_PER_SECOND) for time in stretch)
    writer = LockedWriter(
        **composer.given(replace(request, melody=None), end, take),
        steps=[step for step in steps if step.at < first],
        begin=first,
        after=[step for step in steps if step.at >= last],
        locked=[step for step in steps if first <= step.at < last],
        **how,
    )
    for _ in writer.write():
        pass
    return added(stays, (event for event in (step.event() for step in writer.new) if isinstance(event, Note)))


def notes_of_melody(played: Performance, melody: Performance) -> set[Note]:
    """Which notes of a piece are those of its melody, by time and pitch."""
    tune, line = Line.of(top_line(melody)), Line.of(played)
    _, theirs = matches(tune, line, Alignment())
    in_order = sorted(played.notes, key=lambda note: (note.pitch, note.start))
    return {in_order[index] for index in theirs}


# Going on


def continuation(
    composer: Composer, played: Performance, at: float | None, request: Request, take: int = 0
) -> tuple[Performance, float, Iterator[Note | Pedal]]:
    """A piece gone on with: what is kept of it, the second from which there is new music, and its events in order of
    time, as they are made. `continued` joins them.

    at: seconds; None: after the last stroke. request.seconds: how long the new music is. Notes struck before sound on.
    Raises RequestError where `at` is not within the piece.
    """
    composer.need_notes()
    last = max((note.start for note in played.notes), default=0.0)
    begin = last + 1 / STEPS_PER_SECOND if at is None else at
    if not 0 < begin <= played.seconds:
        raise RequestError(
            f"{begin:g} seconds is not within the piece", f"Give a time up to its end, {played.seconds:.1f}"
        )
    kept = replace(sides(played, begin, NEVER)[0], name=played.name)
    end = begin + (request.seconds or CONTINUED)
    given = composer.given(replace(request, melody=None), end, take)
    writer = NoteWriter(**given, steps=steps_of(kept), begin=round(begin * STEPS_PER_SECOND))
    return kept, begin, (step.event() for step in writer.write())


def continued(kept: Performance, events: Iterable[Note | Pedal]) -> Performance:
    """What is kept of a piece, and the music that goes on from it; no pedal stays down at the end."""
    new = list(events)
    moves = [event for event in new if isinstance(event, Pedal)]
    notes = added(replace(kept, pedals=(*kept.pedals, *moves)), (event for event in new if isinstance(event, Note)))
    return with_pedals_lifted(notes)


# Variation


def varied_by_bars(
    composer: Composer, played: Performance, share: float, bars: Sequence[float], request: Request, take: int = 0
) -> tuple[Performance, set[Note]]:
    """A piece with a share of its notes kept by whole bars, chosen by the seed, and the notes that are kept.

    bars: when each begins, in seconds; where they are so few that the share could not be met, they are halved.
    """
    _check_share(share)
    starts = played.arrays[0]
    edges = _fine_edges(starts, [*bars, played.seconds])
    counts = np.histogram(starts, edges)[0]
    kept = _bars_kept(counts, share, np.random.default_rng(request.seed + take))
    piece = played
    for first, after in _runs(~kept & (counts > 0)):
        start, end = edges[first], edges[after]
        piece = filled(piece, composer.fill(piece, start, end, request, take), start, end)
    place = np.clip(np.searchsorted(edges, starts, side="right") - 1, 0, len(counts) - 1)
    return piece, {note for note, bar in zip(played.notes, place.tolist(), strict=True) if kept[bar]}


def _fine_edges(starts: NDArray[np.float64], edges: list[float]) -> list[float]:
    """The edges of bars, halved until none holds more notes than the share may be off by, either way."""
    for _ in range(HALVINGS):
        if np.histogram(starts, edges)[0].max() <= 2 * OFF_SHARE * len(starts):
            break
        edges = sorted([*edges, *((one + two) / 2 for one, two in pairwise(edges))])
    return edges


def _bars_kept(counts: NDArray[np.int64], share: float, random: np.random.Generator) -> NDArray[np.bool_]:
    """Which bars are kept, (bars,) bool: as many notes as can be without having more than asked, then what is nearest.

    counts: notes in each bar.
    """
    wanted = share * counts.sum()
    kept = np.zeros(len(counts), bool)
    for bar in random.permutation(len(counts)):
        kept[bar] = counts[kept].sum() + counts[bar] <= wanted
    missing = wanted - counts[kept].sum()
    left = np.flatnonzero(~kept)
    if len(left):
        nearest = left[np.abs(counts[left] - missing).argmin()]
        kept[nearest] = abs(counts[nearest] - missing) < missing
    return kept


def _runs(chosen: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and after-last of each run of chosen ones."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def varied_by_surprise(
    composer: Composer, played: Performance, share: float, request: Request, take: int = 0
) -> tuple[Performance, set[Note]]:
    """A piece with a share of its notes kept, the likeliest to the model, and new ones in place of the others; and the
    notes that are kept, the melody's among them. The pedal stays."""
    _check_share(share)
    nats = note_surprises(composer.model, played, request.style)
    tune = notes_of_melody(played, request.melody) if request.melody is not None else set()
    order = sorted(played.notes, key=lambda note: (note not in tune, nats.get(note, 0.0)))
    kept = set(order[: round(share * len(order))])
    replaced = set(played.notes) - kept
    end = played.notes[-1].start + 1 / STEPS_PER_SECOND
    rate = 1 - share
    return _replaced(composer, played, replaced, (0.0, end), request, take, rate=rate), kept


def _check_share(share: float) -> None:
    if not LEAST_KEPT <= share <= MOST_KEPT:
        raise RequestError(f"A share of {share:.0%} can't be kept", f"Give {LEAST_KEPT:.0%} to {MOST_KEPT:.0%}")


# Another style


def restyled(
    composer: Composer, piece: Performance, request: Request, harmony: float = 0.0, take: int = 0
) -> Iterator[Note | Pedal]:
    """A piece again in the request's style: its melody (the request's, or its own) with new music around it.

    harmony: how far the pitch classes of the piece are kept to, 0 to 1.
    """
    composer.need_notes()
    if not 0 <= harmony <= 1:
        raise RequestError(f"Harmony {harmony:g} can't be used", "Give 0 to 1")
    length = request.seconds or piece.seconds
    melody = extract_melody(piece) if request.melody is None else request.melody
    given = composer.given(replace(request, melody=melody), length, take)
    writer = HarmonyWriter(**given, belongs=pitch_classes(piece, length), strength=harmony)
    return (step.event() for step in writer.write())
