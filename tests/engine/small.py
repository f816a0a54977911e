"""Small random models and small made-up music, for the tests of the engine."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from engine.autoencoder import Autoencoder, AutoencoderConfig
from engine.checkpoint import codec_named
from engine.performance import Note, Pedal, Performance
from engine.training.dataset import Dataset, Piece, save_index, save_shard, shard_path
from engine.training.prepare import performance_events
from engine.transformer import BlockConfig

ROTARY = BlockConfig(width=32, heads=4, kv_heads=2, feed_forward=48)
RELATIVE = replace(
    AutoencoderConfig.paper().block, width=32, heads=4, kv_heads=4, feed_forward=48, reach=24, key_width=48, dropout=0.0
)


def small_model(codec: str = "notes", seed: int = 0, spread: float = 0.05, **changes: object) -> Autoencoder:
    """A random model of either codec, of the same kind as the real ones. spread: how far its weights are thrown."""
    torch.manual_seed(seed)
    config = AutoencoderConfig(
        codec=codec,
        block=RELATIVE if codec == "events" else ROTARY,
        decoder_layers=2,
        performance_layers=1,
        melody_layers=1,
        window=64,
        style_throughout=codec == "notes",
    )
    model = Autoencoder(replace(config, **changes), codec_named(codec)).eval()
    for parameter in model.parameters():
        parameter.data += torch.randn_like(parameter) * spread
    return model


def made_up(seed: int = 0, seconds: float = 60.0) -> Performance:
    """A tune over broken chords, with pedal: some eight notes a second."""
    random = np.random.default_rng(seed)
    notes, pedals, time = [], [], 0.0
    while time < seconds:
        root = int(random.integers(40, 56))
        pedals += [Pedal(time + 0.02, 127), Pedal(time + 0.9, 0)]
        for place, pitch in enumerate((0, 7, 12, 16)):
            start = time + place * 0.25 + float(random.uniform(0, 0.02))
            end = start + float(random.uniform(0.05, 0.4))
            notes.append(Note(start, end, root + pitch, int(random.integers(30, 60))))
        for start in (time, time + 0.5):
            notes.append(Note(start, start + 0.45, int(random.integers(72, 90)), int(random.integers(60, 110))))
        time += 1.0
    return Performance.of(notes, pedals)


def made_up_data(folder: Path, pieces: int = 3, seconds: float = 60.0) -> Path:
    """A prepared data set of made-up performances; the last piece is for validation."""
    events = [performance_events(made_up(seed, seconds)) for seed in range(pieces)]
    after = np.cumsum([len(table) for table in events]).tolist()
    rows = [
        Piece(f"{index}.mid", "train" if index < pieces - 1 else "validation", str(index), "c", "p", first, last)
        for index, (first, last) in enumerate(zip([0, *after], after, strict=False))
    ]
    save_shard(shard_path(folder, "made-up"), events)
    save_index(folder, [("made-up", after[-1])], rows)
    return folder


def made_up_pieces(folder: Path, split: str = "train", **size: float) -> Dataset:
    """The same, read."""
    return Dataset(made_up_data(folder, **size), split)  # type: ignore[arg-type]
