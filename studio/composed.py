"""What comes of composed events: a performance in which nothing hangs, and how well it fits. No Qt widgets."""

from __future__ import annotations

from collections.abc import Sequence

from engine.features import similarity
from engine.melody import melody_f1, melody_recall
from engine.performance import Note, Pedal, Performance
from studio.takes import Scores

Event = Note | Pedal


def score(events: Sequence[Event], styles: Sequence[Performance], melody: Performance | None) -> Scores:
    """How well a take fits its melody and its style."""
    take = performance_of(events)
    shares = [float(similarity(take, style)["average"]) for style in styles]
    fit = sum(shares) / len(shares) if shares else None
    if melody is None:
        return Scores(style=fit)
    return Scores(melody_recall(melody, take), melody_f1(melody, take), fit)


def performance_of(events: Sequence[Event], name: str = "") -> Performance:
    """A performance of composed events; a key struck again ends its earlier note."""
    notes = (event for event in events if isinstance(event, Note))
    pedals = (event for event in events if isinstance(event, Pedal))
    return Performance.of(notes, pedals, name).with_repeats_cut()


def lifts_of(events: Sequence[Event]) -> list[Event]:
    """The pedal movements that let go, at the end of a take, what is still down."""
    end = max((event[1] if isinstance(event, Note) else event[0] for event in events), default=0.0)
    last = {event.controller: event.value for event in events if isinstance(event, Pedal)}
    return [Pedal(end, 0, controller) for controller, value in last.items() if value]
