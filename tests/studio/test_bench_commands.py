"""What `hommage bench` says."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from pytestqt.qtbot import QtBot

from engine.checkpoint import save_model
from studio import bench_commands, engine_thread, window_bench
from studio.cli import main
from tests.engine.small import ROTARY, small_model
from tests.fakes import FakeComposer, scale_notes, work_for

FIGURES = {
    "ratio_to_hf_generate", "ratio_to_hf_generate_2048", "ratio_to_eager", "ratio_to_eager_2048", "realtime",
    "first_note_s", "first_note_cached_s", "steps_per_second", "share_of_bandwidth_limit", "resident_mb",
    "notes_per_second", "guidance_costs", "guidance_costs_2048", "ratio_to_hf_generate_by_events",
}  # fmt: skip


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A small model's folder, to be measured for a moment."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(bench_commands, "CONTEXTS", {"": 40, "_2048": 80})
    monkeypatch.setattr(bench_commands, "TIMED", 4)
    save_model(tmp_path / "model", small_model(block=replace(ROTARY, width=64)))
    return str(tmp_path / "model")


def test_all_figures_are_in_one_document(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "decode", "--model", model, "--rounds", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found.keys() >= FIGURES
    assert {name: list(row) for name, row in found["ms_a_step"].items()}.keys() == {"40", "80"}
    assert all(found[name] > 0 for name in ("realtime", "first_note_s", "share_of_bandwidth_limit", "resident_mb"))


def test_the_document_is_written_where_it_is_asked_for(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_commands, "find_spec", lambda name: None)
    given = ["bench", "decode", "--model", model, "--rounds", "1", "-o"]
    assert main([*given, str(tmp_path / "speed.json")]) == 0
    assert json.loads((tmp_path / "speed.json").read_text()).keys() >= FIGURES | {"command", "how"}
    assert capsys.readouterr().out == ""
    assert main([*given, str(tmp_path / "nowhere" / "speed.json")]) == 2
    assert "can't be written" in capsys.readouterr().err


def test_without_transformers_a_line_says_what_to_install(
    model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_commands, "find_spec", lambda name: None)
    assert main(["bench", "decode", "--model", model, "--rounds", "1", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["ratio_to_hf_generate"] is None
    assert said.err == "There is no transformers to compare with: pip install 'hommage[bench]'\n"


def test_without_json_each_figure_is_a_line(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("transformers", reason="comparing needs the bench extra")
    assert main(["bench", "decode", "--model", model, "--rounds", "1"]) == 0
    lines = dict(line.rsplit(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert {name.replace(" ", "_") for name in lines} >= FIGURES
    assert lines["ratio to hf generate"] != "-"


@pytest.mark.usefixtures("qapp")
def test_the_window_is_timed_and_cancelled_while_it_composes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    composer = FakeComposer(events=scale_notes(200), busy=0.002)
    monkeypatch.setattr(engine_thread, "load_composer", lambda: composer)
    monkeypatch.setattr(window_bench, "LATER", 0)
    assert main(["bench", "gui", "--rounds", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(composer.jobs) == 1 + 2 * 2
    assert 0.01 < found["longest_gap_s"] < 5
    assert 0 < found["cancel_s"] < 0.4  # all 200 notes take longer


def test_a_window_that_halts_is_found_out(qtbot: QtBot) -> None:
    heartbeat = window_bench.Heartbeat()
    QTimer.singleShot(20, lambda: work_for(0.3))
    qtbot.wait(400)
    longest, beside = heartbeat.stop()
    assert longest >= 0.3
    assert beside > 0


def test_a_model_of_events_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_model(tmp_path / "events", small_model("events"))
    assert main(["bench", "decode", "--model", str(tmp_path / "events")]) == 2
    assert "writes events" in capsys.readouterr().err
