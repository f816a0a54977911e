"""How good a model is: likelihood by conditioning, the tune kept in another's style, and what the style vector holds.

Each evaluation is seeded, reads a prepared data set, yields rows as it goes, and is summed up by a function beside it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.composer import Composer, Request
from engine.features import similarity
from engine.melody import melody_f1, melody_recall
from engine.performance import Note, Pedal, Performance
from engine.training.dataset import Dataset, performance_of

STYLE_SECONDS = 50.0


@dataclass(frozen=True)
class Transfer:
    """One tune in the style of one performance."""

    tune: str
    style: str
    seed: int
    melody_recall: float
    melody_f1: float
    forced: float  # share of the melody notes that the deadline struck
    density: float  # notes a second, as a share of the style's own
    overlap: float  # with the style's own performance (the paper's overlap area, mean of eight features)
    overlap_other: float  # with another's
    realtime: float  # seconds of music a second of this process's time


def loaded(model: str, device: str) -> Composer:
    """The composer to evaluate. Raises ModelError without such a model or device."""
    return Composer.load(model, device)


def excerpts(
    data: Dataset, count: int, seed: int, seconds: float = STYLE_SECONDS, has_pieces_once: bool = True
) -> list[Performance]:
    """One excerpt each of `count` performances, of different pieces or not, none shorter than 100 notes."""
    random = np.random.default_rng(seed)
    found: dict[str, Performance] = {}
    for index in random.permutation(len(data.pieces)):
        piece = data.pieces[int(index)]
        key = piece.piece_id if has_pieces_once else piece.path
        events = np.asarray(data.events[piece.first : piece.after])
        last = int(events["onset"][-1]) - round(seconds * 1000)
        if key in found or last <= 0:
            continue
        begin = int(random.integers(last))
        inside = (events["onset"] >= begin) & (events["onset"] < begin + seconds * 1000)
        excerpt = performance_of(events[inside], piece.path)
        if len(excerpt) >= 100:
            found[key] = excerpt
        if len(found) == count:
            break
    return list(found.values())


def transfer(
    composer: Composer, styles: Sequence[Performance], tunes: Sequence[Performance], seed: int, **options: Any
) -> Iterator[Transfer]:
    """Every tune in every style; the other performance is the next of the list. options: of the `Request`."""
    for index, own in enumerate(styles):
        other = styles[(index + 1) % len(styles)]
        vector = composer.style(own)
        for tune in tunes:
            request = Request(style=vector, melody=tune, seed=seed, **options)
            begun = time.process_time()
            steps = list(composer.writer(request).write())
            spent = time.process_time() - begun
            take = take_of([step.event() for step in steps])
            struck = [step for step in steps if step.is_melody]
            yield Transfer(
                tune=tune.name,
                style=own.name,
                seed=seed,
                melody_recall=melody_recall(tune, take),
                melody_f1=melody_f1(tune, take),
                forced=sum(step.was_forced for step in struck) / max(len(struck), 1),
                density=_density(take, composer.length(request)) / _density(own, own.seconds),
                overlap=similarity(own, take)["average"],
                overlap_other=similarity(other, take)["average"],
                realtime=composer.length(request) / spent,
            )


def take_of(events: Sequence[Note | Pedal], name: str = "") -> Performance:
    """The performance of what `compose` yielded."""
    notes = [event for event in events if isinstance(event, Note)]
    pedals = [event for event in events if isinstance(event, Pedal)]
    return Performance.of(notes, pedals, name).with_repeats_cut()


def _density(performance: Performance, seconds: float) -> float:
    return len(performance) / max(seconds, 1e-9)


def transfer_summary(rows: Sequence[Transfer]) -> dict[str, float]:
    """Means over all rows, quartiles of the density, and how often the own performance is the nearer."""
    table = {name: np.array([asdict(row)[name] for row in rows], float) for name in _NUMBERS}
    summary = {name: float(values.mean()) for name, values in table.items()}
    quartiles = np.percentile(table["density"], [25, 50, 75])
    summary |= dict(zip(("density_p25", "density_p50", "density_p75"), map(float, quartiles), strict=True))
    summary["density_within"] = float(((table["density"] >= 0.7) & (table["density"] <= 1.4)).mean())
    summary["nearer_to_own"] = float((table["overlap"] > table["overlap_other"]).mean())
    summary["rows"] = len(rows)
    return summary


_NUMBERS = ("melody_recall", "melody_f1", "forced", "density", "overlap", "overlap_other", "realtime")


def transposed_styles(composer: Composer, styles: Sequence[Performance], semitones: int = 3) -> float:
    """Share of performances whose vector, transposed either way, is nearer to the original's than to another's.

    The other is the next of the list, as in `transfer`; both ways are counted.
    """
    own = np.stack([composer.style(style) for style in styles])
    hits: list[bool] = []
    for index, style in enumerate(styles):
        other = own[(index + 1) % len(styles)]
        for shift in (-semitones, semitones):
            moved = composer.style(style.transpose(shift))
            hits.append(_distance(moved, own[index]) < _distance(moved, other))
    return float(np.mean(hits))


def _distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(a - b))
