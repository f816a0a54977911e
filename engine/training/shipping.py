"""From a run to a model: the averaged weights of its last checkpoint, and what they were trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from engine.autoencoder import Autoencoder, AutoencoderConfig
from engine.checkpoint import codec_named
from engine.errors import ModelError
from engine.training.autoencoder import CONFIG, LAST


def trained_model(run: Path) -> tuple[Autoencoder, dict[str, Any]]:
    """The model with the averaged weights of a run, and the run's steps and hours. Raises ModelError without one."""
    file = run / LAST
    if not file.exists():
        raise ModelError(f"There is no {LAST} in {run}", "Train first: hommage train autoencoder")
    checkpoint = torch.load(file, map_location="cpu", weights_only=False)
    config = AutoencoderConfig.from_json(json.loads((run / CONFIG).read_text())["model"])
    model = Autoencoder(config, codec_named(config.codec))
    model.load_state_dict(checkpoint["average"])
    facts = {"steps": checkpoint["global_step"] // 2, "hours": round(checkpoint["spent"] / 3600, 2)}
    return model.eval(), facts
