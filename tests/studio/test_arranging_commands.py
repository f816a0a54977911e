"""hommage continue, perform, vary, restyle, fit and compose --within, with a small model and real files."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.assets import asset
from engine.checkpoint import save_model
from engine.midi import Meter, MidiFile, read_file, read_midi, write_midi
from engine.performance import Performance
from studio.cli import main
from tests.engine.small import made_up, made_up_data, small_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("models") / "small"
    save_model(folder, small_model(infills=True))
    return str(folder)


@pytest.fixture(autouse=True)
def take(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Performance:
    """take.mid, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    write_midi("take.mid", made_up(0, 16), like=MidiFile(meters=(Meter(0.0, 3, 4),)))
    return read_midi("take.mid")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """What a command prints as JSON."""
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_stretch_is_composed_anew_and_the_best_join_comes_first(
    take: Performance, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--within", "take.mid", "--from", "6", "--to", "9", "--model", model]
    takes = run(capsys, "compose", *where, "--takes", "3", "--seed", "4", "-o", "new")["takes"]
    assert [row["join"] for row in takes] == sorted(row["join"] for row in takes)
    assert {Path(row["path"]).name for row in takes} == {f"take – {seed}.mid" for seed in (4, 5, 6)}
    for row in takes:
        made = read_file(row["path"])
        for edge in (lambda time: time < 6, lambda time: time >= 9):
            kept, was = ([n for n in piece.notes if edge(n.start)] for piece in (made.performance, take))
            assert kept == was
        assert made.meters == (Meter(0.0, 3, 4),)
        assert made.recipe is not None and made.recipe["seed"] == row["seed"]
    again = run(capsys, "compose", *where, "--seed", "5", "-o", "again.mid")["takes"]
    assert read_midi(again[0]["path"]).notes == read_midi("new/take – 5.mid").notes
    low = run(capsys, "compose", *where, "--pitches", "21-59", "-o", "low.mid")["takes"][0]
    assert [n for n in read_midi(low["path"]).notes if n.pitch > 59] == [n for n in take.notes if n.pitch > 59]


def test_a_piece_goes_on(take: Performance, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    row = run(capsys, "continue", "take.mid", "--seconds", "15", "--model", model, "-o", "on.mid")["takes"][0]
    made = read_midi("on.mid")
    assert made.notes[: len(take)] == take.notes
    assert row["begins_s"] < made.notes[-1].start < row["begins_s"] + 15
    styled = run(capsys, "continue", "take.mid", "--at", "4", "--style", "nocturne", "--model", model, "-o", "at.mid")
    assert styled["takes"][0]["begins_s"] == 4
    assert styled["takes"][0]["similarity"] is not None


def test_a_score_is_performed_as_far_as_is_asked(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    score = read_midi(asset("examples", "twinkle.mid"))
    command = ["perform", "twinkle", "--style", "nocturne", "--model", model, "-o"]
    row = run(capsys, *command, "whole.mid")["takes"][0]
    whole = read_midi("whole.mid")
    assert [note.pitch for note in whole.notes] == [note.pitch for note in score.notes]
    assert 0 < row["mean_deviation_s"] < row["largest_deviation_s"] < 0.2
    run(capsys, *command, "none.mid", "--amount", "0")
    assert read_midi("none.mid").notes == score.notes
    run(capsys, *command, "loose.mid", "--dynamics", "0", "--no-pedal")
    loose = read_midi("loose.mid")
    assert {note.velocity for note in loose.notes} == {80}
    assert [note.start for note in loose.notes] == [note.start for note in whole.notes]
    assert not loose.pedals
    assert len({note.velocity for note in whole.notes}) > 5


@pytest.mark.parametrize("by", ["bars", "surprise"])
def test_a_take_is_varied(by: str, take: Performance, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    row = run(capsys, "vary", "take.mid", "--keep", "60", "--by", by, "--model", model, "-o", "new.mid")["takes"][0]
    assert row["share"] == pytest.approx(0.6, abs=0.05)
    same = set(read_midi("new.mid").notes) & set(take.notes)
    assert len(same) >= row["kept"]


def test_a_piece_is_restyled(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["restyle", "take.mid", "--style", "etude", "--harmony", "1", "--model", model, "-o", "new.mid"]
    assert run(capsys, *command)["takes"][0]["melody_recall"] > 0.97
    assert main([*command[:-4], "--melody", "twinkle", "--model", model, "-o", "other.mid"]) == 0


def test_a_free_take_is_fitted_to_its_beats_and_back(capsys: pytest.CaptureFixture[str]) -> None:
    tune = read_midi(asset("examples", "twinkle.mid"))
    write_midi("free.mid", tune.stretch(1.13).shift(0.4))
    row = run(capsys, "fit", "free.mid", "--melody", "twinkle", "-o", "bars.mid")
    assert row["found"] == row["melody_notes"] == len(tune)
    tempos = [60e6 / tempo for _, tempo in read_file("bars.mid").tempo_map.changes]
    nominal = [60e6 / tempo for _, tempo in read_file(asset("examples", "twinkle.mid")).tempo_map.changes]
    assert tempos == pytest.approx([nominal[0] / 1.13] * len(tempos), rel=0.02)
    run(capsys, "fit", "free.mid", "--melody", "twinkle", "--even", "-o", "even.mid")
    starts = [note.start for note in read_midi("even.mid").notes]
    assert starts == pytest.approx([note.start for note in tune.notes], abs=0.01)
    run(capsys, "fit", "even.mid", "--melody", "twinkle", "--like", "free.mid", "-o", "loose.mid")
    apart = [a.start - b.start for a, b in zip(read_midi("loose.mid").notes, read_midi("free.mid").notes, strict=True)]
    assert max(apart) - min(apart) < 0.02


BAD = [
    ("compose --within take.mid -o x.mid", "It is not said what to compose anew."),
    ("compose --from 1 --to 2 -o x.mid", "It is not said of which take."),
    ("compose --within take.mid --from 90 --to 99 -o x.mid", "From 90 to 99 seconds there is nothing of it."),
    ("compose --within take.mid --from 4 --to 2 -o x.mid", "From 4 to 2 seconds there is nothing of it."),
    ("compose --within take.mid --from 1 --to 2 --seconds 9 -o x.mid", "--seconds and --within don't go together."),
    ("compose --within take.mid --from 1 --to 2 --pitches low -o x.mid", "--pitches low can't be used."),
    ("compose --within take.mid --from 1 --to 2 --pitches 90-20 -o x.mid", "From 90 to 20 is no range of pitches."),
    ("compose --within gone.mid --from 1 --to 2 -o x.mid", "There is no file gone.mid."),
    ("continue take.mid --at 500 -o x.mid", "500 seconds is not within the piece."),
    ("continue take.mid --seconds 0 -o x.mid", "--seconds 0 can't be used."),
    ("continue take.mid --takes 3 -o x.mid", "3 takes don't fit into one file."),
    ("continue take.mid nocturne -o x.mid", "Got unexpected extra argument"),
    ("perform take.mid --amount 2 -o x.mid", "Invalid value for '--amount'"),
    ("vary take.mid --keep 99 -o x.mid", "--keep 99 can't be used."),
    ("vary take.mid --by chance -o x.mid", "Invalid value for '--by'"),
    ("restyle take.mid -o x.mid", "Missing option '--style'"),
    ("fit take.mid --melody twinkle -o x.mid", "twinkle is not found in take."),
    ("fit take.mid --melody twinkle --even --like take.mid -o x.mid", "--even and --like undo each other."),
]


@pytest.mark.parametrize(("command", "says"), BAD, ids=[command for command, _ in BAD])
def test_what_can_not_be_done_is_one_line_and_writes_nothing(
    command: str, says: str, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    more = [] if command.startswith("fit") else ["--model", model]
    assert main([*command.split(), *more]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(says)
    assert err.count("\n") == 1
    assert not Path("x.mid").exists()


@pytest.mark.parametrize("name", ["regenerate", "perform", "vary"])
def test_every_evaluation_has_its_command(
    name: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of performances too short to be heard there is nothing to measure, and it says so."""
    pytest.importorskip("lightning", reason="training needs the train extra")
    data = made_up_data(tmp_path / "data")
    command = ["evaluate", name, "--data", str(data), "--model", model, "--split", "train"]
    assert main([*command, "-o", str(tmp_path / "found")]) == 2
    assert "two performances" in capsys.readouterr().err
