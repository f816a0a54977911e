"""From MIDI files to a model that composes: prepare, train, be killed, go on, ship."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.assets import asset
from engine.autoencoder import AutoencoderConfig
from engine.checkpoint import load_model, save_model
from engine.composer import Composer, Request
from engine.errors import ModelError, RequestError
from engine.midi import read_midi
from engine.performance import Note
from engine.training.dataset import Dataset, performance_of
from engine.training.prepare import prepare
from engine.transformer import BlockConfig

pytest.importorskip("lightning", reason="training needs the train extra")

from engine.training.autoencoder import LAST, AutoencoderTraining, TrainingConfig, train
from engine.training.shipping import trained_model
from engine.training.style_losses import contrast
from engine.training.windows import WindowConfig

FILES = {"nocturne": "train", "etude": "train", "prelude": "validation"}
SMALL = AutoencoderConfig(
    block=BlockConfig(width=32, heads=2, kv_heads=1, feed_forward=64),
    decoder_layers=1,
    performance_layers=1,
    melody_layers=1,
    window=64,
    infills=True,
)
RUN = TrainingConfig(
    model=SMALL,
    windows=WindowConfig(steps=64, style_steps=32, ahead=8),
    batch=2,
    steps_a_checkpoint=3,
    hours=1e-6,
    warm_up=1,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("data")
    with (source / "catalogue.csv").open("w", newline="") as out:
        rows = csv.DictWriter(out, ["path", "split", "piece_id", "composer", "performer"])
        rows.writeheader()
        for name, split in FILES.items():
            (source / f"{name}.mid").write_bytes(asset("examples", f"{name}.mid").read_bytes())
            rows.writerow({"path": f"{name}.mid", "split": split, "piece_id": name, "composer": "c", "performer": "p"})
        (source / "broken.mid").write_text("no music")
        rows.writerow({"path": "broken.mid", "split": "train", "piece_id": "b", "composer": "c", "performer": "p"})
    faults = [fault for _, _, fault in prepare([source], folder, 1)]
    assert [bool(fault) for fault in faults] == [False, False, False, True]
    return folder


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    assert "3 steps" in list(train(data, folder, replace(RUN, hours=1), most_steps=3))[-1]
    return folder


def test_a_prepared_performance_has_the_notes_of_its_file(data: Path) -> None:
    piece = next(piece for piece in Dataset(data, "train").pieces if piece.path == "nocturne.mid")
    events = Dataset(data, "train").events[piece.first : piece.after]
    original = read_midi(asset("examples", "nocturne.mid"))
    by_key = [sorted(p.notes, key=lambda n: (n.pitch, n.start)) for p in (performance_of(events), original)]
    assert [note.pitch for note in by_key[0]] == [note.pitch for note in by_key[1]]
    shifts = [b.start - a.start for a, b in zip(*by_key, strict=True)]
    assert max(shifts) - min(shifts) < 0.011


def test_a_run_goes_on_where_it_stood(data: Path, run: Path, tmp_path: Path) -> None:
    """Two legs of three steps give the weights of one leg of six, bit for bit."""
    once, twice = tmp_path / "once", tmp_path / "twice"
    steady = replace(RUN, hours=1e9)  # the learning rate hardly moves with time
    for folder, legs in ((once, [6]), (twice, [3, 6])):
        for steps in legs:
            list(train(data, folder, steady, most_steps=steps))
    states = [torch.load(folder / LAST, weights_only=False)["state_dict"] for folder in (once, twice)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_run_may_begin_with_a_model(data: Path, run: Path, tmp_path: Path) -> None:
    """At a learning rate of nothing it stays that model, but for what its batches say of the styles' spread."""
    model, _ = trained_model(run)
    still = replace(RUN, hours=1, learning_rate=0.0, matrix_rate=0.0)
    list(train(data, tmp_path, still, most_steps=3, start=model))
    begun, _ = trained_model(tmp_path)
    after = dict(begun.named_parameters())
    assert all(torch.allclose(value, after[name], atol=1e-6) for name, value in model.named_parameters())


def test_a_step_too_large_for_memory_is_gone_through_in_parts(data: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """The same gradients, as far as windows don't share a spread of styles."""
    apart = replace(RUN, model=replace(SMALL, style_spread=False), hint=0.0, batch=4, hours=1)
    list(train(data, tmp_path / "whole", apart, most_steps=2))
    loss, sizes = AutoencoderTraining.loss, []

    def short_of_memory(module: AutoencoderTraining, batch: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        sizes.append(len(batch["has_style"]))
        if sizes[-1] > 4:
            raise torch.OutOfMemoryError("no room")
        return loss(module, batch)

    monkeypatch.setattr(AutoencoderTraining, "loss", short_of_memory)
    list(train(data, tmp_path / "parts", apart, most_steps=2))
    assert sizes == [4, 16, 8, 4, 4, 4, 4]  # every other step has four times the windows, a quarter as long
    states = [torch.load(tmp_path / run / LAST, weights_only=False)["state_dict"] for run in ("whole", "parts")]
    moved = 2 * apart.learning_rate  # Adam moves even what has hardly a gradient
    assert all(torch.allclose(states[0][name], states[1][name], atol=moved) for name in states[0])


BY_TWO = """
import sys
from pathlib import Path
from engine.training.autoencoder import TrainingConfig, train
config, data, folder = map(Path, sys.argv[1:])
list(train(data, folder, TrainingConfig.read(config), most_steps=3, devices=2))
"""


def test_two_processes_share_the_windows_of_a_step(data: Path, tmp_path: Path) -> None:
    """What they learn together is what one learns alone, as far as windows don't share a spread of styles."""
    windows = replace(RUN.windows, steps=16, style_steps=16, paired=True, neither=0.0, melody_only=0.0, style_only=0.0)
    apart = replace(RUN, model=replace(SMALL, style_spread=False), windows=windows, hint=0.0, batch=4, hours=1)
    list(train(data, tmp_path / "one", apart, most_steps=3))
    script = tmp_path / "by_two.py"
    script.write_text(BY_TWO)
    told = [sys.executable, script, tmp_path / "one" / "config.json", data, tmp_path / "two"]
    alone = {**os.environ, "PYTHONPATH": str(asset().parent), "OMP_NUM_THREADS": "1"}
    subprocess.run(told, check=True, capture_output=True, timeout=200, env=alone)
    states = [torch.load(tmp_path / run / LAST, weights_only=False)["average"] for run in ("one", "two")]
    moved = torch.cat([(one - two).flatten() for one, two in zip(*(s.values() for s in states), strict=True)])
    assert moved.abs().mean() < 1e-4
    assert moved.abs().max() <= 2 * 3 * apart.learning_rate


def test_contrast_asks_for_the_other_of_a_pair() -> None:
    """Nothing is left to ask where pairs agree and differ from all others, and whom each is told from counts."""
    pairs = torch.eye(4).repeat_interleave(2, 0) * torch.tensor([[1.0], [7.0]]).repeat(4, 1)
    assert contrast(pairs) < 1e-3
    assert contrast(pairs.roll(1, 0)) > 5
    assert contrast(torch.ones(8, 4)).item() == pytest.approx(np.log(7))


def test_with_contrast_a_run_learns_whose_styles_belong_together(data: Path, tmp_path: Path) -> None:
    windows = replace(RUN.windows, paired=True)
    asked = []
    for weight in (0.0, 1.0):
        run = replace(RUN, windows=windows, hint=0.0, contrast=weight, batch=8, hours=1)
        list(train(data, tmp_path / str(weight), run, most_steps=30))
        rows = next((tmp_path / str(weight) / "logs").rglob("metrics.csv")).open(newline="")
        asked.append([float(row["asked_of_style"]) for row in csv.DictReader(rows)])
    assert not any(asked[0])
    assert np.mean(asked[1][-6:]) < 0.9 * np.mean(asked[1][:6])


def test_a_window_too_large_for_memory_is_one_sentence(data: Path, tmp_path: Path, monkeypatch: Any) -> None:
    def never(module: AutoencoderTraining, batch: dict[str, Any]) -> None:
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(AutoencoderTraining, "loss", never)
    with pytest.raises(RequestError, match="more than the memory holds"):
        list(train(data, tmp_path, replace(RUN, hours=1), most_steps=2))


def test_a_run_logs_its_pace(run: Path) -> None:
    logs = sorted((run / "logs").rglob("*"))
    assert any("tfevents" in file.name for file in logs)
    rows = list(csv.DictReader(next(file for file in logs if file.name == "metrics.csv").open(newline="")))
    assert {"notes_a_second", "steps_a_second", "hours_left", "nats_a_step"} <= set(rows[0])


def test_a_runs_configuration_is_read_back(run: Path, tmp_path: Path) -> None:
    assert TrainingConfig.read(run / "config.json") == replace(RUN, hours=1)
    (tmp_path / "mine.json").write_text('{"hours": 2.5, "windows": {"steps": 256}}')
    assert TrainingConfig.read(tmp_path / "mine.json") == TrainingConfig(hours=2.5, windows=WindowConfig(steps=256))


def test_validation_is_written_for_the_four_conditionings(run: Path) -> None:
    rows = list(csv.DictReader((run / "validation.csv").open(newline="")))
    assert {"none", "melody", "performance", "melody_performance"} <= set(rows[0])
    assert all(5 < float(rows[0][name]) < 30 for name in ("none", "melody_performance"))


def test_a_shipped_run_composes(run: Path, tmp_path: Path) -> None:
    model, facts = trained_model(run)
    save_model(tmp_path / "model", model)
    assert facts["steps"] == 3
    assert json.loads((tmp_path / "model" / "config.json").read_text())["model"]["codec"] == "notes"
    composer = Composer.load(str(tmp_path / "model"), "cpu")
    style = composer.style(read_midi(asset("examples", "nocturne.mid")))
    events = list(composer.compose(Request(style=style, melody=read_midi(asset("examples", "twinkle.mid")), seconds=4)))
    assert any(isinstance(event, Note) for event in events)


def test_a_run_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Train first"):
        trained_model(tmp_path)


def test_a_model_with_foreign_weights_is_refused(run: Path, tmp_path: Path) -> None:
    model, _ = trained_model(run)
    save_model(tmp_path, model)
    (tmp_path / "weights.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelError, match="can't be read"):
        load_model(tmp_path)
