"""Evaluations: seeded, gone on with, summed up right, and the judge that knows a performance again."""

import json
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from engine.assets import asset
from engine.composer import Composer
from engine.errors import RequestError
from engine.midi import read_midi
from engine.originality import index_of
from engine.performance import Note, Pedal, Performance
from engine.training.dataset import Dataset
from engine.training.evaluation import (
    Excerpt,
    Interpolation,
    Likelihoods,
    Style,
    Transfer,
    Tunes,
    excerpts,
    measured,
    read_rows,
    stranger,
    style_metric,
)
from engine.training.judge import Judge, note_statistics
from engine.training.likelihood import CONDITIONINGS, likelihoods, validation_batches, window_config
from engine.training.report import interval, page, spearman, write_report
from tests.engine.small import made_up_pieces, small_model


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return made_up_pieces(tmp_path_factory.mktemp("data"), seconds=60)


@pytest.fixture(scope="module")
def styles(data: Dataset) -> list[Excerpt]:
    return excerpts(data, 9, seed=0, seconds=20)


@pytest.fixture(scope="module")
def composer() -> Composer:
    return Composer(small_model(), "small", "cpu")


@dataclass
class Squares:
    """An evaluation that says what it was asked."""

    asked: list[int] = field(default_factory=list)
    name: str = "squares"
    size: int = 5

    def __len__(self) -> int:
        return self.size

    def row(self, case: int) -> dict[str, int]:
        self.asked.append(case)
        return {"square": case**2}


# Rows


def test_an_evaluation_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    first, again = Squares(), Squares()
    for done, _ in measured(first, tmp_path, {"seed": 1}):
        if done == 3:
            break
    with (tmp_path / "squares.jsonl").open("a") as out:
        out.write('{"case": 3, "squ')  # as a kill leaves it
    assert list(measured(again, tmp_path, {"seed": 1}))[-1] == (5, 5)
    assert (first.asked, again.asked) == ([0, 1, 2], [3, 4])
    assert read_rows(tmp_path / "squares.jsonl") == (
        {"seed": 1},
        [{"case": case, "square": case**2} for case in range(5)],
    )


def test_an_evaluation_can_be_made_longer(tmp_path: Path) -> None:
    list(measured(Squares(), tmp_path, {}))
    longer = Squares(size=7)
    list(measured(longer, tmp_path, {}))
    assert longer.asked == [5, 6]


def test_rows_of_other_settings_are_refused(tmp_path: Path) -> None:
    list(measured(Squares(), tmp_path, {"seed": 1}))
    with pytest.raises(RequestError, match="other options"):
        list(measured(Squares(), tmp_path, {"seed": 2}))


# Excerpts


def test_an_excerpt_is_followed_by_what_follows_it(data: Dataset) -> None:
    for own, following, _ in excerpts(data, 9, seed=3, seconds=20):
        whole = [note.pitch for note in own.notes] + [note.pitch for note in following.notes]
        piece = next(piece for piece in data.pieces if piece.path == own.name)
        symbols = data.events[piece.first : piece.after]["symbol"]
        keys = "".join(chr(symbol) for symbol in symbols if symbol < 88)
        assert own.notes[-1].start <= 20
        assert len(whole) > 150
        # the codec orders notes of one moment from the top, a performance from the bottom: compare what each moment has
        assert sorted(whole) == sorted(21 + ord(key) for key in _around(keys, len(whole), whole))


def _around(keys: str, length: int, pitches: list[int]) -> str:
    """The stretch of so many keys that has the same ones, if there is one."""
    wanted = sorted(pitch - 21 for pitch in pitches)
    stretches = (keys[first : first + length] for first in range(len(keys) - length + 1))
    return next(stretch for stretch in stretches if sorted(map(ord, stretch)) == wanted)


def test_a_piece_is_heard_once_or_from_each_of_its_performers(tmp_path: Path) -> None:
    data = made_up_pieces(tmp_path)
    data.pieces = [replace(piece, piece_id="the same") for piece in data.pieces]
    assert len(excerpts(data, 9, seed=0, seconds=20, has_pieces_once=False)) == 2
    with pytest.raises(RequestError, match="not two performances"):
        excerpts(data, 9, seed=0, seconds=20, has_pieces_once=True)


def test_a_stranger_plays_another_piece() -> None:
    names = "aabca"
    styles = [Excerpt(Performance(name=str(place)), Performance(), piece) for place, piece in enumerate(names)]
    for case in range(5):
        for away in range(1, 8):
            assert stranger(styles, case, away).piece != names[case]
    assert stranger(styles, 0).own.name == "2"
    assert stranger(styles, 0, away=2).own.name == "3"
    with pytest.raises(RequestError, match="one piece"):
        stranger(styles[:2], 0)


# What is measured


def test_likelihoods_of_windows_one_by_one_come_to_those_of_all(data: Dataset, tmp_path: Path) -> None:
    model = small_model()
    list(measured(Likelihoods(model, data, 3, True), tmp_path, {}))
    rows = {row["conditioning"]: row for row in write_report(tmp_path)["likelihood"]["rows"]}
    together = likelihoods(model, validation_batches(data, window_config(model.codec), 3, 3, is_within=True))
    for name in CONDITIONINGS:
        assert rows[name]["nats_per_note"] == pytest.approx(together[name].a_note, rel=1e-4)
        assert rows[name]["fields"] == pytest.approx(together[name].fields, rel=1e-3)
        assert rows[name]["nats_per_second"] == pytest.approx(together[name].a_second, rel=1e-3)
        low, high = rows[name]["interval"]
        assert low <= rows[name]["nats_per_note"] <= high


def test_each_evaluation_is_measured_and_reported(
    composer: Composer, styles: list[Excerpt], data: Dataset, tmp_path: Path
) -> None:
    short = [Excerpt(own.slice(0, 8), after.slice(0, 8), piece) for own, after, piece in styles]
    metric = style_metric(composer, styles)
    tune = read_midi(asset("examples", "twinkle.mid")).slice(0, 5)
    for evaluation in (
        Style(composer, short, index_of([styles[0].own]), seed=0, takes=2),
        Transfer(composer, short, metric, seed=0, takes=2),
        Interpolation(composer, short, seed=0),
        Tunes(composer, short, [tune], seed=0),
    ):
        list(measured(evaluation, tmp_path, {"model": "<small>"}))
    report = write_report(tmp_path)
    assert json.loads((tmp_path / "evaluation.json").read_text()).keys() == report.keys()
    assert [row["conditioning"] for row in report["style"]["rows"]] == list(CONDITIONINGS)
    assert report["style"]["best_of"]["none"]["2"] >= report["style"]["best_of"]["none"]["1"]
    assert report["style"]["heard"]["people_quartiles"]["shared_notes"][2] > 10  # one of them is in the index
    assert report["transfer"]["melody_recall"] == report["tunes"]["melody_recall"] == pytest.approx(1.0)
    assert report["transfer"]["best_takes"]["overlap"] == pytest.approx(report["transfer"]["best_of"]["2"])
    assert len(report["interpolation"]["closeness"]) == 5
    text = (tmp_path / "report.html").read_text()
    HTMLParser().feed(text)
    assert text.count("<svg") == 4  # bars and best of n, best of n, the mixture's curve
    assert "&lt;small&gt;" in text and "http" not in text.replace("http://www.w3.org", "").split("<svg")[0]


def test_a_row_is_the_same_each_time(composer: Composer, styles: list[Excerpt]) -> None:
    short = [Excerpt(own.slice(0, 6), after.slice(0, 6), piece) for own, after, piece in styles]
    metric = style_metric(composer, styles)
    rows = [Transfer(composer, short, metric, seed=4).row(1) for _ in range(2)]
    assert rows[0] == rows[1] != Transfer(composer, short, metric, seed=5).row(1)


def test_the_metric_makes_a_players_wandering_the_measure() -> None:
    """Styles that wander ten times as far in one direction as in the others are as near there as elsewhere."""
    random = np.random.default_rng(0)
    wander = np.array([10.0, 1.0, 1.0, 1.0])

    class Listener:
        def style(self, performance: Performance) -> np.ndarray:
            return random.normal(0, wander)

    parts = Excerpt(Performance(), Performance(), "")
    metric = style_metric(Listener(), [parts] * 2000)
    sizes = [np.linalg.norm(wander[axis] * np.eye(4)[axis] @ metric) for axis in range(4)]
    assert sizes[0] == pytest.approx(0.7, rel=0.1)
    assert sizes[1:] == pytest.approx([sizes[1]] * 3, rel=0.1)
    assert 0.25 < sizes[1] / sizes[0] < 1  # the floor keeps quiet directions from shouting


# Sums


def test_an_interval_narrows_with_more_cases_and_holds_the_mean() -> None:
    random = np.random.default_rng(0)
    few, many = random.normal(3, 1, 20), random.normal(3, 1, 2000)
    assert np.diff(interval(few)) > 5 * np.diff(interval(many))
    assert interval(many)[0] < many.mean() < interval(many)[1]
    assert interval(many)[1] - interval(many)[0] == pytest.approx(2 * 1.96 / 2000**0.5, rel=0.1)


def test_ranks_correlate() -> None:
    assert spearman([0, 1, 2, 3], [5, 6, 70, 800]) == pytest.approx(1)
    assert spearman([0, 1, 2, 3], [4, 3, 2, 1]) == pytest.approx(-1)
    assert spearman([0, 1, 2, 3], [1, 2, 4, 3]) == pytest.approx(0.8)


def test_a_page_without_evaluations_is_a_page() -> None:
    assert page({}).startswith("<!doctype html>")


# The judge


def player(seed: int, density: float, velocity: int, seconds: float = 60.0) -> Performance:
    """One who plays so densely and so loudly, anything."""
    random = np.random.default_rng(seed)
    starts = np.cumsum(random.exponential(1 / density, int(density * seconds)))
    notes = [
        Note(start, start + 0.3, int(random.integers(40, 90)), round(random.normal(velocity, 5)))
        for start in starts.tolist()
    ]
    return Performance.of(notes)


def test_the_judge_knows_a_player_again_from_other_music() -> None:
    hands = [(4, 50), (4, 80), (12, 50), (12, 80)]
    judge = Judge([player(seed, *hand) for seed, hand in enumerate(hands)])
    assert [judge.verdict(player(10 + seed, *hand)) for seed, hand in enumerate(hands)] == [0, 1, 2, 3]
    assert judge.verdict(Performance()) == -1


def test_statistics_of_notes() -> None:
    chord = [Note(0.0, 1, pitch, 60) for pitch in (60, 64, 67)]
    alone = Note(2.0, 4, 72, 80)
    heard = note_statistics(Performance.of([*chord, alone], [Pedal(0, 127), Pedal(1, 0), Pedal(2, 100), Pedal(3, 90)]))
    assert heard["density"] == pytest.approx(1)
    assert heard["chord_share"] == pytest.approx(0.75)
    assert heard["pedal_rate"] == pytest.approx(0.5)
    assert heard["velocity_spread"] == pytest.approx(np.std([60, 60, 60, 80]))
    assert note_statistics(Performance())["density"] == 0
