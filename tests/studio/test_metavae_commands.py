"""`hommage evaluate mog|invariance|expfam`, small: rows, report, going on, mistakes."""

import json
from pathlib import Path

import numpy as np
import pytest

from studio.cli import main

pytest.importorskip("matplotlib", reason="reports need the train extra")


def report(folder: Path) -> dict[str, dict[str, dict[str, object]]]:
    found: dict[str, dict[str, dict[str, object]]] = json.loads((folder / "report.json").read_text())
    return found


def test_the_two_small_experiments_share_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "mog", "--quick", "--seeds", "1", "-o", str(tmp_path)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert 0 < printed["bayes_error"] < printed["vae_error"] <= 0.5
    assert main(["evaluate", "expfam", "--quick", "--seeds", "1", "-o", str(tmp_path)]) == 0
    found = report(tmp_path)
    assert set(found["mog"]) >= {f"{name}_error" for name in ("metavae", "naive", "vae", "vae_each", "pointwise")}
    assert set(found["expfam"]["all"]) >= {"gaussian", "beta", "weibull", "laplace"}
    page = (tmp_path / "report.html").read_text()
    assert "hommage evaluate mog --quick" in page and "<svg" in page and "src=" not in page


def test_more_seeds_go_on_with_the_rows_of_fewer(tmp_path: Path) -> None:
    command = ["evaluate", "expfam", "--quick", "-o", str(tmp_path), "--seeds"]
    assert main([*command, "1"]) == 0
    first = (tmp_path / "expfam.jsonl").read_text()
    assert main([*command, "2"]) == 0
    second = (tmp_path / "expfam.jsonl").read_text()
    assert second.startswith(first) and len(second.splitlines()) == 2 * len(first.splitlines()) - 1


def test_invariance_of_digits_in_small(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    arrays = {f"x_{name}": random.integers(256, size=(120, 28, 28)).astype(np.uint8) for name in ("train", "test")}
    arrays |= {f"y_{name}": (np.arange(120) % 10).astype(np.uint8) for name in ("train", "test")}
    np.savez_compressed(tmp_path / "mnist.npz", **arrays)  # type: ignore[arg-type]
    command = ["evaluate", "invariance", "--family", "scale", "--mnist", str(tmp_path / "mnist.npz"), "--quick"]
    assert main([*command, "--steps", "2", "--seeds", "1", "-o", str(tmp_path / "found")]) == 0
    found = report(tmp_path / "found")["invariance"]["scale"]
    for split in ("interleaved", "sparse", "contiguous"):
        assert set(found[split]) >= {"metavae", "vhe", "ns", "vae", "raw"}  # type: ignore[call-overload]
    assert set(found["table"]["metavae"]["distance"]) == {"rotation", "scale", "skew"}  # type: ignore[index, call-overload]


def test_the_stand_in_is_called_one(tmp_path: Path) -> None:
    command = ["evaluate", "invariance", "--family", "lighting", "--quick", "--steps", "1", "--seeds", "1"]
    assert main([*command, "-o", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text()
    assert "stand-in, trained on lighting" in page and "stand-in, unseen" in page


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["invariance", "--family", "hue"], "There is no family hue"),
        (["invariance", "--family", "skew"], "--mnist"),
        (["invariance", "--family", "skew", "--mnist", "none.npz"], "There is no none.npz"),
        (["invariance", "--family", "azimuth", "--norb", "nowhere"], "There is no nowhere"),
        (["invariance", "--family", "azimuth", "--device", "mps"], "There is no device mps"),
        (["mog", "--seeds", "0"], "seeds"),
    ],
)
def test_a_mistake_is_one_sentence(
    options: list[str], part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *options, "-o", str(tmp_path / "found")]) == 2
    error = capsys.readouterr().err
    assert part in error and error.count("\n") == 1
