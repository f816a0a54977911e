"""Writing among given notes: what stays is as it was, what is free is as likely as the model says; scores played."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from engine.decoding import MelodyNote, Step, steps_of
from engine.given_writing import CHORD, FARTHEST, SPREAD, GivenWriter, LockedWriter, ScoreNote, ScoreWriter
from engine.sampling import SamplingOptions
from engine.torch_decoder import TorchDecoder
from engine.vocabulary import KEYS, MAX_GAP, PEDAL_DOWN, PEDAL_UP
from tests.engine.small import made_up, small_model

STYLE = torch.randn(1, 32, generator=torch.Generator().manual_seed(9))
PIECE = steps_of(made_up(0, 12))
BEGIN, END = 300, 900  # steps


def given(seed=3, melody=(), model=None, **options):
    """What any writer is given."""
    return {
        "decoder": TorchDecoder(model or small_model(infills=True)),
        "style": STYLE,
        "melody": list(melody),
        "length": END,
        "options": SamplingOptions(**options),
        "seed": seed,
    }


def locked_writer(seed=3, keys=None, rate=1.0, locked=None, **options) -> LockedWriter:
    """A writer from `BEGIN` to `END` among the notes of the piece."""
    inside = [step for step in PIECE if BEGIN <= step.at < END]
    return LockedWriter(
        **given(seed, **options),
        steps=[step for step in PIECE if step.at < BEGIN],
        begin=BEGIN,
        after=[step for step in PIECE if step.at >= END],
        locked=inside if locked is None else locked,
        keys=np.ones(KEYS, bool) if keys is None else keys,
        rate=rate,
    )


# Looking ahead


def test_a_look_says_what_the_decoder_would() -> None:
    writer = locked_writer(style_strength=2.0)
    moments = [writer.now, writer.now + 3, writer.now + 40]
    seen = writer.look(moments)
    for at, scores in zip(moments, seen, strict=True):
        fresh = locked_writer(style_strength=2.0)
        answer = fresh.decoder.arrive(fresh._gap(at), fresh._situation(at), at - fresh.origin)
        assert torch.allclose(scores, torch.log_softmax(fresh._guided(answer), -1), atol=1e-4)


def test_a_look_changes_nothing() -> None:
    plain, curious = locked_writer(), locked_writer()
    curious.look([curious.now + 5])
    assert list(plain.write()) == list(curious.write())


def test_free_events_come_as_often_as_the_model_expects_those_that_are_let_in() -> None:
    """Of events at any time only those on white keys: how many come first before a moment, against the exact chance."""
    white = torch.zeros(KEYS + 4, dtype=torch.bool)
    white[[key for key in range(KEYS) if (key + 21) % 12 in (0, 2, 4, 5, 7, 9, 11)]] = True

    class Whites(GivenWriter):
        def allowed(self, at: int) -> torch.Tensor:
            return white & self._may_follow(at)

    writer = Whites(**given(), steps=PIECE[:40], begin=0)
    gaps = writer.gap_scores().exp()[:30]
    chance, passed = 0.0, 1.0
    for gap, share in enumerate(gaps.tolist()):
        at = writer.now + gap
        inside = float(writer.look([at])[0].exp()[writer.allowed(at)].sum())
        hazard = share / (1 - float(gaps[:gap].sum()))
        chance += passed * hazard * inside
        passed *= 1 - hazard * inside
    tries = 600
    came = sum(writer.free_event(writer.now + 30) is not None for _ in range(tries))
    assert came / tries == pytest.approx(chance, abs=4 * (chance * (1 - chance) / tries) ** 0.5)
    assert 0.02 < chance < 0.98


# Among notes that stay


@pytest.mark.parametrize("seed", [1, 2])
def test_locked_steps_are_written_as_they_are_and_new_ones_among_them(seed: int) -> None:
    writer = locked_writer(seed)
    steps = list(writer.write())
    assert [step for step in steps if step not in writer.new] == list(writer.locked)
    assert [step.at for step in steps] == sorted(step.at for step in steps)
    assert writer.new
    assert all(BEGIN <= step.at < END and step.symbol < KEYS for step in writer.new)
    assert list(locked_writer(seed).write()) == steps != list(locked_writer(seed + 5).write())


def test_new_notes_keep_to_their_keys_and_off_those_that_sound() -> None:
    keys = np.arange(KEYS) < 30
    held = Step(BEGIN, END, 20, 10, 100, is_melody=False)
    new = []
    for seed in range(10):
        writer = locked_writer(seed, keys, locked=[held])
        list(writer.write())
        new += writer.new
    assert len(new) > 3
    assert all(keys[step.symbol] and step.symbol != 20 for step in new)


def test_the_rate_says_how_many_are_written() -> None:
    counts = []
    for rate in (0.0, 0.3, 1.0):
        writers = [locked_writer(seed, rate=rate) for seed in range(2)]
        counts.append(sum(step not in writer.locked for writer in writers for step in writer.write()))
    assert counts[0] == 0 < counts[1] < counts[2]


# Scores


def score(notes: int = 40, apart: int = 25) -> list[ScoreNote]:
    """A tune over chords, some of them close together."""
    random = np.random.default_rng(5)
    found, at = [], 120
    for number in range(notes):
        found.append(ScoreNote(at, apart, 60 + int(random.integers(12))))
        if number % 3 == 0:
            found += [ScoreNote(at, 3 * apart, int(key)) for key in random.choice(range(20, 50), 3, replace=False)]
        at += int(random.choice([3, apart, 2 * apart]))
    return sorted(found, key=lambda note: (note.step, -note.key))


def played(notes: list[ScoreNote], seed: int = 3, melody=(), **options) -> tuple[ScoreWriter, list[Step]]:
    writer = ScoreWriter(**given(seed, melody, **options), score=notes, begin=notes[0].step)
    return writer, list(writer.write())


@pytest.mark.parametrize("notes", [score(), score(50, 6), [ScoreNote(50, 30, 40)]], ids=["slow", "fast", "one"])
def test_every_note_of_a_score_is_struck_once_near_its_time(notes: list[ScoreNote]) -> None:
    writer, steps = played(notes)
    struck = [step for step in steps if step.symbol < KEYS]
    assert sorted(writer.played) == list(range(len(notes)))
    assert len(struck) == len(notes)
    assert [step.at for step in steps] == sorted(step.at for step in steps)
    for index, step in writer.played.items():
        assert step.symbol == notes[index].key
        assert abs(step.at - notes[index].step) <= FARTHEST + SPREAD + CHORD
    assert played(notes)[1] == steps


def test_the_pedal_moves_between_the_notes_where_the_model_expects_it() -> None:
    class Pedalling(ScoreWriter):
        def look(self, moments):
            scores = super().look(moments)
            scores[:, [PEDAL_UP, PEDAL_DOWN]] = np.log(0.5)
            return scores

    notes = score(20, 150)
    writer = Pedalling(**given(), score=notes, begin=notes[0].step)
    steps = list(writer.write())
    moves = [step.symbol for step in steps if step.symbol >= KEYS]
    assert len(moves) > 5
    assert moves == [(PEDAL_DOWN, PEDAL_UP)[number % 2] for number in range(len(moves))]
    assert [step.at for step in steps] == sorted(step.at for step in steps)
    assert sorted(writer.played) == list(range(len(notes)))


def test_chords_keep_the_scores_order() -> None:
    notes = score()
    writer, _ = played(notes)
    for (i, one), (j, two) in pairwise(sorted(writer.played.items())):
        if notes[j].step - notes[i].step >= CHORD:
            assert two.at >= one.at


def test_time_bends_and_is_not_the_scores() -> None:
    notes = score()
    writer, _ = played(notes)
    late = np.array([step.at - notes[index].step for index, step in writer.played.items()])
    assert 0.5 < late.std() < FARTHEST
    assert min(step.at for step in writer.played.values()) == notes[0].step


def test_the_melody_of_a_score_is_told_to_the_model_and_struck_as_such() -> None:
    notes = score()
    tune = {note.step: MelodyNote(note.step, note.step + note.length, note.key) for note in reversed(notes)}
    writer, _ = played(notes, melody=[tune[step] for step in sorted(tune)])
    for index, step in writer.played.items():
        assert step.is_melody == (notes[index][::2] in [(note.step, note.key) for note in tune.values()])
    assert sum(step.is_melody for step in writer.played.values()) == len(tune)


def test_a_key_struck_again_at_once_and_a_long_silence_are_played() -> None:
    notes = [ScoreNote(10, 5, 40), ScoreNote(11, 5, 40), ScoreNote(12, 5, 40), ScoreNote(12 + 3 * MAX_GAP, 50, 40)]
    writer, steps = played(notes)
    times = [writer.played[index].at for index in range(4)]
    assert times == sorted(set(times))
    assert len([step for step in steps if step.symbol < KEYS]) == 4
