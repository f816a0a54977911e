"""Music that is there composed on: what stays is as it was to the bit, what is new is where it was asked for."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.arranging import (
    Proposal,
    _bars_kept,
    continuation,
    continued,
    in_own_style,
    notes_of_melody,
    ranked,
    regenerate,
    restyled,
    varied_by_bars,
    varied_by_surprise,
)
from engine.composer import Composer, Request, added, with_pedals_lifted
from engine.errors import RequestError
from engine.harmony import pitch_classes
from engine.melody import melody_recall
from engine.performance import Note, Pedal, Performance
from engine.surprise import note_surprises
from tests.engine.small import made_up, small_model

PIECE = made_up(0, 20)
BARS = [float(time) for time in range(0, 20, 2)]


@pytest.fixture(scope="module")
def composer() -> Composer:
    return Composer(small_model(infills=True), "small", "cpu")


@pytest.fixture(scope="module")
def request_(composer: Composer) -> Request:
    return in_own_style(composer, PIECE, Request(seed=3))


def notes_outside(piece: Performance, start: float, end: float) -> list[Note]:
    return [note for note in piece.notes if not start <= note.start < end]


# Notes among notes


def test_new_notes_leave_those_that_are_there_as_they_are() -> None:
    there = [Note(0, 2, 60, 80), Note(3, 4, 60, 80), Note(0.5, 0.6, 62, 80)]
    piece = Performance.of(there, [Pedal(1, 127)])
    new = [Note(1.9, 2.5, 60, 50), Note(2, 3.5, 60, 50), Note(0, 1, 62, 50), Note(2.5, 2.7, 60, 50)]
    made = added(piece, new)
    assert set(there) <= set(made.notes)
    assert set(made.notes) - set(there) == {Note(2, 2.5, 60, 50), Note(2.5, 2.7, 60, 50), Note(0, 0.5, 62, 50)}
    assert made.pedals == piece.pedals


def test_pedals_lift_at_the_end() -> None:
    played = Performance.of([Note(0, 2, 60, 80)], [Pedal(1, 127), Pedal(1, 40, 67), Pedal(1.5, 0, 67)])
    assert with_pedals_lifted(played).pedals[-1] == Pedal(2, 0)
    assert len(with_pedals_lifted(played).pedals) == 4
    assert with_pedals_lifted(Performance()).pedals == ()


# A stretch anew


def test_proposals_differ_and_are_put_in_order_of_their_joins(composer: Composer, request_: Request) -> None:
    found = list(regenerate(composer, PIECE, 6, 10, replace(request_, takes=3)))
    assert [proposal.take for proposal in found] == [0, 1, 2]
    assert len({proposal.performance.notes for proposal in found}) == 3
    assert all(notes_outside(each.performance, 6, 10) == notes_outside(PIECE, 6, 10) for each in found)
    joins = [proposal.join for proposal in ranked(found)]
    assert joins == sorted(joins)
    nowhere = [Proposal(PIECE, 0, None), Proposal(PIECE, 1, None)]
    assert ranked(nowhere) == nowhere


@pytest.mark.parametrize("pitches", [(21, 59), (60, 108), (40, 71)])
def test_of_a_range_of_pitches_all_else_is_as_it_was(
    composer: Composer, request_: Request, pitches: tuple[int, int]
) -> None:
    low, high = pitches
    (proposal,) = regenerate(composer, PIECE, 6, 12, request_, pitches)

    def others(piece: Performance) -> list[Note]:
        return [note for note in piece.notes if not (6 <= note.start < 12 and low <= note.pitch <= high)]

    assert others(proposal.performance) == others(PIECE)
    assert proposal.performance.pedals == PIECE.pedals
    assert proposal.performance.notes != PIECE.notes
    assert proposal.performance.with_repeats_cut().notes == proposal.performance.notes


def test_of_a_range_of_pitches_the_melody_stays(composer: Composer, request_: Request) -> None:
    tune = Performance.of(note for note in PIECE.notes if note.pitch >= 72)
    given_tune = replace(request_, melody=tune)
    (proposal,) = regenerate(composer, PIECE, 6, 12, given_tune, (21, 108))
    assert set(tune.notes) <= set(proposal.performance.notes)
    assert set(notes_of_melody(PIECE, tune)) == set(tune.notes)


@pytest.mark.parametrize(
    ("stretch", "pitches", "says"),
    [((6, 6), (21, 59), "no stretch"), ((6, 9), (59, 21), "no range"), ((6, 9), (0, 59), "Give 21 to 108")],
)
def test_what_is_no_stretch_or_no_range_is_said(
    composer: Composer, stretch: tuple[float, float], pitches: tuple[int, int], says: str
) -> None:
    with pytest.raises(RequestError, match=says):
        next(regenerate(composer, PIECE, *stretch, Request(), pitches))


def test_a_model_of_events_can_not(composer: Composer) -> None:
    events = Composer(small_model("events"), "events", "cpu")
    with pytest.raises(RequestError, match="among notes"):
        next(regenerate(events, PIECE, 6, 9, Request(), (21, 59)))
    with pytest.raises(RequestError, match="among notes"):
        continuation(events, PIECE, None, Request())
    with pytest.raises(RequestError, match="among notes"):
        restyled(events, PIECE, Request())


# Going on


@pytest.mark.parametrize("at", [None, 7.3])
def test_a_piece_goes_on_from_its_end_or_from_a_point(composer: Composer, request_: Request, at: float | None) -> None:
    kept, begin, events = continuation(composer, PIECE, at, replace(request_, seconds=6))
    made = continued(kept, events)
    begins = at or PIECE.notes[-1].start
    assert [note for note in PIECE.notes if note.start < begin] == list(kept.notes)
    assert set(kept.notes) <= set(made.notes)
    new = [note for note in made.notes if note not in kept.notes]
    assert new
    assert all(begins <= note.start < begin + 6 for note in new)
    last = {pedal.controller: pedal.value for pedal in made.pedals}
    assert not any(last.values())
    assert max(pedal.time for pedal in made.pedals) <= max(made.seconds, begin + 6)
    again = continued(kept, continuation(composer, PIECE, at, replace(request_, seconds=6))[2])
    assert again == made


@pytest.mark.parametrize("at", [0, -1, 99])
def test_a_point_outside_a_piece_is_said(composer: Composer, at: float) -> None:
    with pytest.raises(RequestError, match="is not within the piece"):
        continuation(composer, PIECE, at, Request())
    with pytest.raises(RequestError, match="is not within the piece"):
        continuation(composer, Performance(), None, Request())


def test_a_piece_of_few_notes_has_no_style_of_its_own(composer: Composer) -> None:
    assert in_own_style(composer, PIECE.slice(0, 1), Request()).style is None
    guided = Composer(small_model(infills=True, style_guidance=4.0), "guided", "cpu")
    assert in_own_style(guided, PIECE, Request(style_strength=2.0)).style_strength == 0.5


# Variation


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_share_that_is_asked_for_is_kept(composer: Composer, request_: Request, share: float) -> None:
    for piece, kept in (
        varied_by_bars(composer, PIECE, share, BARS, request_),
        varied_by_surprise(composer, PIECE, share, request_),
    ):
        assert kept <= set(piece.notes)
        assert abs(len(kept) / len(PIECE) - share) <= 0.05
        assert set(piece.notes) - set(PIECE.notes)
        assert piece.with_repeats_cut().notes == piece.notes


def test_by_bars_whole_bars_are_kept(composer: Composer, request_: Request) -> None:
    _, kept = varied_by_bars(composer, PIECE, 0.5, BARS, request_)
    for begin in BARS:
        inside = {note for note in PIECE.notes if begin <= note.start < begin + 2}
        assert inside <= kept or not inside & kept
    assert kept != varied_by_bars(composer, PIECE, 0.5, BARS, request_, take=1)[1]


def test_of_few_bars_halves_are_kept(composer: Composer, request_: Request) -> None:
    piece, kept = varied_by_bars(composer, PIECE, 0.3, [0.0, 10.0], request_)
    assert abs(len(kept) / len(PIECE) - 0.3) <= 0.05
    assert kept <= set(piece.notes)


def test_by_surprise_the_likeliest_are_kept_and_the_melody(composer: Composer, request_: Request) -> None:
    nats = note_surprises(composer.model, PIECE, request_.style)
    _, kept = varied_by_surprise(composer, PIECE, 0.6, request_)
    assert max(nats[note] for note in kept) <= min(nats[note] for note in set(PIECE.notes) - kept)
    tune = Performance.of(note for note in PIECE.notes if note.pitch >= 72)
    piece, kept = varied_by_surprise(composer, PIECE, 0.5, replace(request_, melody=tune))
    assert set(tune.notes) <= kept
    assert piece.pedals == PIECE.pedals


@given(
    counts=st.lists(st.integers(0, 30), min_size=1, max_size=60), share=st.floats(0.1, 0.9), seed=st.integers(0, 1000)
)
def test_bars_come_as_near_to_a_share_as_one_bar(counts: list[int], share: float, seed: int) -> None:
    kept = _bars_kept(np.array(counts), share, np.random.default_rng(seed))
    missing = share * sum(counts) - np.array(counts)[kept].sum()
    assert abs(missing) <= max(counts)


@pytest.mark.parametrize("share", [0, 0.05, 0.95, float("nan")])
def test_a_share_that_can_not_be_kept_is_said(composer: Composer, share: float) -> None:
    with pytest.raises(RequestError, match="10% to 90%"):
        varied_by_bars(composer, PIECE, share, BARS, Request())


# Another style


def test_a_restyled_piece_keeps_its_melody_and_as_much_of_its_harmony_as_asked(composer: Composer) -> None:
    piece = Performance.of(note for note in PIECE.notes if note.start < 10)
    tune = Performance.of(note for note in piece.notes if note.pitch >= 72)
    request = Request(style=composer.style(made_up(5, 20)), melody=tune, seed=2)
    belongs = pitch_classes(piece, 10)
    inside = []
    for harmony in (0.0, 1.0):
        events = restyled(composer, piece, request, harmony)
        made = Performance.of(event for event in events if isinstance(event, Note))
        assert melody_recall(tune, made) == 1.0
        free = [note for note in made.notes if (note.start, note.pitch) not in {(n.start, n.pitch) for n in tune.notes}]
        inside.append(np.mean([belongs[min(int(n.start / 0.5), 19), n.pitch % 12] for n in free]))
    assert inside[1] > 0.95 > 0.75 > inside[0]
    with pytest.raises(RequestError, match="Give 0 to 1"):
        restyled(composer, piece, request, 2.0)


def test_the_harmony_of_a_frame_is_what_sounds_long_in_it() -> None:
    chord = [Note(0, 0.5, pitch, 60) for pitch in (48, 64, 67)]
    piece = Performance.of([*chord, Note(0.1, 0.15, 66, 60), Note(1.0, 1.5, 61, 60)])
    belongs = pitch_classes(piece, 2.0)
    assert belongs.shape == (4, 12)
    assert set(np.flatnonzero(belongs[0] == 1)) == {0, 4, 7}
    assert belongs[0, 6] == pytest.approx(0.05 / (0.25 * 0.5))
    assert (belongs[1] == 1).all()  # silence
    assert set(np.flatnonzero(belongs[2])) == {1}
