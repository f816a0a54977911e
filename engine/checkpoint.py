"""Models on disk: weights as safetensors in bf16, config and codec as JSON, a card for people."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from engine.autoencoder import Autoencoder, AutoencoderConfig
from engine.codec import Codec, NoteCodec, fingerprint
from engine.errors import ModelError
from engine.event_codec import EventCodec

WEIGHTS, CONFIG = "weights.safetensors", "config.json"
CODECS: dict[str, type[Codec]] = {"notes": NoteCodec, "events": EventCodec}


def codec_named(name: str) -> Codec:
    """The codec of a configuration."""
    return CODECS[name]()


def save_model(folder: Path, model: Autoencoder) -> None:
    """Write weights and config; the card is written by whoever trained it."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.to(torch.bfloat16).contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / WEIGHTS)
    config = {
        "model": model.config.to_json(),
        "codec": {"name": model.codec.name, "fingerprint": fingerprint(model.codec)},
        "weights": hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest(),
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n")


def weights_hash(model: Autoencoder) -> str:
    """Which weights a model has, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode() + value.float().cpu().numpy().tobytes())
    return digest.hexdigest()


def load_model(folder: Path) -> Autoencoder:
    """The model in a folder, in float32, ready to use. Raises ModelError where it is missing, broken or foreign."""
    again = "Choose another model, or install this one again"
    try:
        config = json.loads((folder / CONFIG).read_text())
        codec = codec_named(config["codec"]["name"])
        if config["codec"]["fingerprint"] != fingerprint(codec):
            raise ModelError(f"The model {folder.name} was trained with other tokens than this version's", again)
        if config["weights"] != hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest():
            raise ValueError("the weights are not those it was saved with")
        model = Autoencoder(AutoencoderConfig.from_json(config["model"]), codec)
        model.load_state_dict({n: w.float() for n, w in load_file(folder / WEIGHTS).items()})
    except FileNotFoundError as error:
        raise ModelError(f"There is no model in {folder}", again) from error
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"The model {folder.name} can't be read", again) from error
    return model.eval()
