"""What `hommage train` and `hommage evaluate` say."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.assets import asset
from engine.checkpoint import load_model, save_model
from engine.midi import write_midi
from studio.cli import main
from tests.engine.small import made_up, made_up_data, small_model

pytest.importorskip("lightning", reason="training needs the train extra")

GIVEN = ("none", "melody", "performance", "melody_performance")


def test_models_of_both_codecs_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = made_up_data(tmp_path / "data", seconds=200)
    for codec in ("notes", "events"):
        save_model(tmp_path / codec, small_model(codec))
    models = [str(tmp_path / codec) for codec in ("notes", "events")]
    assert main(["evaluate", "codecs", *models, "--data", str(data), "--windows", "2"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["codec"], row["given"]) for row in rows] == [
        (codec, given) for codec in ("notes", "events") for given in GIVEN
    ]
    seconds = {row["codec"]: row["nats_a_second"] / row["nats_a_note"] for row in rows}
    assert seconds["notes"] == pytest.approx(seconds["events"], rel=0.1)  # the same notes in the same time


def test_an_unknown_configuration_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = made_up_data(tmp_path / "data")
    assert main(["train", "autoencoder", "--config", "huge", "--data", str(data), "-o", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "huge" in error
    assert "default, events, paper" in error


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (None, "can't be read"),
        ("{", "not a training configuration"),
        ('{"speed": 3}', "speed"),
        ("[]", "not a training configuration"),
    ],
)
def test_a_wrong_configuration_file_is_one_sentence(
    text: str | None, part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, file = made_up_data(tmp_path / "data"), tmp_path / "mine.json"
    if text is not None:
        file.write_text(text)
    assert main(["train", "autoencoder", "--config", str(file), "--data", str(data), "-o", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert part in error


def test_an_evaluation_is_printed_kept_and_gone_on_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = made_up_data(tmp_path / "data", pieces=4, seconds=120)
    save_model(tmp_path / "model", small_model())
    command = ["evaluate", "likelihood", "--data", str(data), "--model", str(tmp_path / "model"), "--split", "train"]
    command += ["-o", str(tmp_path / "found"), "--windows"]
    assert main([*command, "2"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert main([*command, "3"]) == 0
    assert (first["cases"], json.loads(capsys.readouterr().out)["cases"]) == (2, 3)
    assert {file.name for file in (tmp_path / "found").iterdir()} == {
        "likelihood.jsonl",
        "evaluation.json",
        "report.html",
    }
    assert main([*command, "3", "--style-elsewhere"]) == 2
    assert "other options" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["style", "transfer", "interpolation", "tunes", "transposed"])
def test_every_evaluation_has_its_command(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of performances too short to be heard there is nothing to measure, and it says so."""
    data = made_up_data(tmp_path / "data")
    save_model(tmp_path / "model", small_model())
    command = ["evaluate", name, "--data", str(data), "--model", str(tmp_path / "model"), "--split", "train"]
    if name != "transposed":
        command += ["-o", str(tmp_path / "found")]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert "two performances" in error
    assert "Traceback" not in error


def test_files_are_prepared_and_the_data_set_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, data = tmp_path / "source", tmp_path / "data"
    source.mkdir()
    write_midi(source / "one.mid", made_up(0, 10))
    (source / "two.mid").write_text("no music")
    assert main(["prepare", str(source), "-o", str(data), "--workers", "1"]) == 0
    out, error = capsys.readouterr()
    assert not out
    assert "Left out: two.mid" in error
    assert "2 of 2" in error and "files a second" in error
    assert "Files left out: 1" in error
    assert main(["prepare", "--verify", str(data)]) == 0
    splits = json.loads(capsys.readouterr().out)
    assert sum(split["performances"] for split in splits.values()) == 1


def test_each_fault_of_a_data_set_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = made_up_data(tmp_path / "data")
    next((data / "shards").iterdir()).write_bytes(b"")
    assert main(["prepare", "--verify", str(data)]) == 1
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "prepare again" in out


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "SOURCE"),
        (["source"], "-o DIR"),
        (["nowhere", "-o", "data"], "no folder or archive nowhere"),
        (["--verify", "nowhere"], "not a prepared data set"),
    ],
)
def test_what_can_not_be_prepared_is_one_sentence(
    arguments: list[str], part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["prepare", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert part in error


def test_stopped_preparation_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(*_: object) -> Iterator[tuple[int, int, str]]:
        yield 1, 2, ""
        raise KeyboardInterrupt

    monkeypatch.setattr("engine.training.prepare.prepare", prepare)
    assert main(["prepare", str(tmp_path), "-o", str(tmp_path / "data")]) == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_a_model_is_brought_nearer_to_recordings_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("nocturne", "etude"):
        (mine / f"{name}.mid").write_bytes(asset("examples", f"{name}.mid").read_bytes())
    save_model(tmp_path / "model", small_model())
    command = ["train", "autoencoder", "--finetune", str(tmp_path / "model"), "--data", str(mine)]
    assert main([*command, "-o", str(tmp_path / "run"), "--hours", "0.0001"]) == 0
    capsys.readouterr()
    assert main(["ship", str(tmp_path / "run"), "-o", str(tmp_path / "tuned")]) == 0
    before, after = (load_model(tmp_path / name).state_dict() for name in ("model", "tuned"))
    moved = [name for name in before if not before[name].equal(after[name])]
    assert any("decoder" in name for name in moved)
    assert all((before[name] - after[name]).abs().max() < 0.05 for name in moved if "spread" not in name)
