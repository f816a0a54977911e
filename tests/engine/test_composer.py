"""The shipped model through the front door: it keeps the tune, repeats itself by seed, and says what it can't do."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from engine.assets import asset
from engine.composer import Composer, Request, filled, melody_notes
from engine.errors import ModelError, RequestError
from engine.melody import melody_recall
from engine.midi import read_midi
from engine.performance import Note, Pedal, Performance
from tests.engine.small import made_up, small_model

STYLES = ("nocturne", "etude", "prelude")


@pytest.fixture(scope="module")
def composer() -> Composer:
    return Composer.load(device="cpu")


@pytest.fixture(scope="module")
def twinkle() -> Performance:
    return read_midi(asset("examples", "twinkle.mid"))


def example(name: str) -> Performance:
    return read_midi(asset("examples", f"{name}.mid"))


def take(composer: Composer, request: Request, number: int = 0) -> Performance:
    events = list(composer.compose(request, number))
    notes = [event for event in events if isinstance(event, Note)]
    pedals = [event for event in events if isinstance(event, Pedal)]
    return Performance.of(notes, pedals).with_repeats_cut()


def test_every_note_of_the_tune_is_played_and_most_of_the_music_is_new(
    composer: Composer, twinkle: Performance
) -> None:
    made = take(composer, Request(style=composer.style(example("nocturne")), melody=twinkle, seconds=12))
    assert melody_recall(twinkle.slice(0, 12), made) >= 0.99
    assert len(made) > 1.5 * len(twinkle.slice(0, 12))
    assert made.notes[-1].start < 12


def test_notes_come_in_order_of_time(composer: Composer, twinkle: Performance) -> None:
    events = composer.compose(Request(style=composer.style(example("etude")), melody=twinkle, seconds=8))
    times = [event.start if isinstance(event, Note) else event.time for event in events]
    assert times == sorted(times)


def test_a_seed_repeats_and_takes_count_on_from_it(composer: Composer, twinkle: Performance) -> None:
    request = Request(style=composer.style(example("prelude")), melody=twinkle, seconds=4, seed=5)
    assert take(composer, request) == take(composer, request)
    assert take(composer, request, 1) != take(composer, request)
    following = Request(style=request.style, melody=twinkle, seconds=4, seed=6)
    assert take(composer, request, 1) == take(composer, following)


def test_a_strength_of_one_is_the_models_guidance(twinkle: Performance) -> None:
    model, style = small_model(), np.zeros(32, np.float32)
    plain = Composer(model, "plain", "cpu")
    request = Request(style=style, melody=twinkle, seconds=8, style_strength=3.0, melody_strength=0.5)
    strong = take(plain, request)
    guided = small_model(style_guidance=3.0, melody_guidance=0.5)
    guided.load_state_dict(model.state_dict())
    again = take(Composer(guided, "guided", "cpu"), replace(request, style_strength=1.0, melody_strength=1.0))
    assert again == strong != take(plain, replace(request, style_strength=1.0, melody_strength=1.0))


def test_a_take_can_be_left_after_a_few_notes(composer: Composer) -> None:
    assert len(list(islice(composer.compose(Request(seconds=60)), 5))) == 5


def test_the_style_of_several_is_their_weighted_mean(composer: Composer) -> None:
    performances = [example(name) for name in STYLES]
    one_by_one = np.stack([composer.style(performance) for performance in performances])
    assert np.allclose(composer.style(*performances), one_by_one.mean(0), atol=1e-5)
    assert np.allclose(composer.style(*performances, weights=[0, 1, 0]), one_by_one[1], atol=1e-6)


def test_a_transposed_performance_keeps_its_style(composer: Composer) -> None:
    vectors = {name: composer.style(example(name)) for name in STYLES}
    for name in STYLES:
        for semitones in (-3, 3):
            moved = composer.style(example(name).transpose(semitones))
            nearest = min(STYLES, key=lambda other: float(np.linalg.norm(moved - vectors[other])))
            assert nearest == name


def test_a_melody_with_chords_gives_its_top_line() -> None:
    chords = Performance.of(Note(t, t + 0.4, pitch, 80) for t in range(4) for pitch in (60, 64, 67 + t))
    assert [note.key + 21 for note in melody_notes(chords, 10)] == [67, 68, 69, 70]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"seconds": -3}, "seconds"),
        ({"temperature": 0}, "temperature 0 is not usable. It must be from 0.05 to 4"),
        ({"temperature": 100}, "temperature 100 is not usable. It must be from 0.05 to 4"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": 0}, "top p 0 is not usable. It must be from 0.01 to 1"),
        ({"takes": 0}, "takes"),
        ({"melody_mode": "hum"}, "keep or guide"),
        ({"style": np.zeros(3, np.float32)}, "this model's"),
        ({"melody": Performance.of([Note(0, 1, 5, 80)])}, "no notes on the piano"),
    ],
)
def test_a_request_that_can_not_be_composed_says_why(composer: Composer, wrong: dict[str, object], says: str) -> None:
    with pytest.raises(RequestError) as caught:
        next(composer.compose(Request(**wrong)))  # type: ignore[arg-type]
    assert says in str(caught.value)


@pytest.mark.parametrize("extreme", [{"temperature": 0.05}, {"temperature": 4.0}, {"top_p": 0.01}])
def test_what_a_request_may_ask_for_is_composed(extreme: dict[str, float]) -> None:
    plain = Composer(small_model(), "plain", "cpu")
    assert len(list(plain.compose(Request(seconds=20, **extreme)))) > 3  # type: ignore[arg-type]


def test_a_style_of_two_notes_is_refused(composer: Composer, twinkle: Performance) -> None:
    with pytest.raises(RequestError, match="only 2 notes"):
        composer.style(twinkle.slice(0, 1))


def test_an_empty_style_is_refused(composer: Composer) -> None:
    with pytest.raises(RequestError, match="needs a performance"):
        composer.style()
    with pytest.raises(RequestError, match="only 0 notes"):
        composer.style(Performance.of([]))


def test_a_melody_of_one_note_is_played(composer: Composer) -> None:
    made = take(composer, Request(melody=Performance.of([Note(0.5, 1.5, 72, 80)]), seconds=3))
    assert any(note.pitch == 72 and abs(note.start - 0.5) <= 0.06 for note in made.notes)


@pytest.mark.parametrize("name", ["no-such-model", "", "../examples"])
def test_an_unknown_model_is_named(name: str) -> None:
    with pytest.raises(ModelError):
        Composer.load(name, "cpu")


def test_an_unknown_device_is_named() -> None:
    with pytest.raises(ModelError, match="toaster"):
        Composer.load(device="toaster")


# Within a piece


@pytest.fixture(scope="module")
def filler() -> Composer:
    """A small model that infills."""
    return Composer(small_model(infills=True), "small", "cpu")


def inside(performance: Performance, start: float, end: float) -> list[Note]:
    return [note for note in performance.notes if start <= note.start < end]


@pytest.mark.parametrize(("start", "end"), [(4.0, 9.0), (0.0, 5.0), (14.0, 30.0), (20.0, 28.0)])
def test_a_stretch_is_written_anew_and_the_rest_is_as_it_was(filler: Composer, start: float, end: float) -> None:
    played = made_up(0, 20)
    request = Request(style=filler.style(played), seed=3)
    events = list(filler.fill(played, start, end, request))
    assert all(start <= (e.start if isinstance(e, Note) else e.time) < end for e in events)
    piece = filled(played, events, start, end)
    for part in ((0, start), (end, 100)):
        assert inside(piece, *part) == inside(played, *part)
    assert inside(piece, start, end) != inside(played, start, end)
    assert [p for p in piece.pedals if not start <= p.time <= end] == [
        p for p in played.pedals if not start <= p.time <= end
    ]
    assert events == list(filler.fill(played, start, end, request))
    assert events != list(filler.fill(played, start, end, request, take=1))


def test_no_key_is_struck_while_one_outside_sounds_on_it() -> None:
    played = Performance.of([Note(0, 5, 60, 80), Note(6, 7, 62, 80)], [Pedal(1, 127), Pedal(6.5, 0)])
    new = [Note(2, 2.5, 60, 50), Note(3, 9, 62, 50), Pedal(3.5, 0), Note(5.2, 5.5, 60, 50)]
    piece = filled(played, new, 1.5, 6)
    assert piece.notes == (Note(0, 5, 60, 80), Note(3, 6, 62, 50), Note(5.2, 5.5, 60, 50), Note(6, 7, 62, 80))
    assert piece.pedals == (Pedal(1, 127), Pedal(3.5, 0), Pedal(6, 127), Pedal(6.5, 0))  # it is down where it was


def test_the_melody_of_a_stretch_is_kept(filler: Composer, twinkle: Performance) -> None:
    played = twinkle
    request = Request(melody=twinkle, seed=1)
    piece = filled(played, filler.fill(played, 6.0, 12.0, request), 6.0, 12.0)
    assert melody_recall(twinkle, piece) == 1.0


def test_a_stretch_that_is_none_and_a_model_that_can_not_say_so(filler: Composer) -> None:
    with pytest.raises(RequestError, match="no stretch"):
        filler.fill(made_up(0, 9), 5, 5, Request())
    cannot = Composer(small_model(), "other", "cpu")
    with pytest.raises(RequestError, match="can't write within"):
        cannot.fill(made_up(0, 9), 2, 5, Request())


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_said(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"torch.{'backends.' * (name == 'mps')}{name}.is_available", lambda: False)
    with pytest.raises(ModelError, match=f"This machine has no {name} device. Use auto or cpu"):
        Composer.load(device=name)


@pytest.mark.parametrize(("there", "chosen"), [("cuda mps", "cuda"), ("mps", "mps"), ("", "cpu")])
def test_the_best_device_that_is_there_is_chosen(there: str, chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: "cuda" in there)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: "mps" in there)
    assert Composer.load().device == chosen


def test_a_cache_folder_that_can_not_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setattr("engine.composer.cache_folder", lambda: tmp_path / "taken" / "hommage")
    assert take(Composer.load(device="cpu"), Request(seconds=2))
