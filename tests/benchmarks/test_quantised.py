"""What 8-bit products, keys and values change: likelihoods and logits beside torch's, on real performances."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.autoencoder import Autoencoder, Window, situations
from engine.composer import Composer
from engine.onnx_decoder import OnnxDecoder, sessions
from engine.situation import Situation
from engine.torch_decoder import StepDecoder, TorchDecoder
from engine.training.dataset import Dataset
from engine.training.likelihood import validation_batch
from engine.training.windows import WindowConfig
from engine.transformer import Memory
from engine.vocabulary import KEYS, MELODY

PREPARED = Path(__file__).parents[2] / "data" / "archive"
WINDOWS, MEASURED = 100, 16  # and the steps of each, its last ones, that are said one by one
MOST_NATS, LEAST_COSINE = 0.01, 0.999  # a step; of logits, their mean

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]


class Told(NamedTuple):
    """A window as a decoder is told it."""

    window: Window
    before: Situation
    arrived: Situation
    moments: Tensor
    memory: Memory


def told(model: Autoencoder, data: Dataset, number: int) -> Told:
    batch = validation_batch(data, WindowConfig(steps=model.config.window), [number])
    style = model.style(batch["style"], batch["style_valid"])
    memory = model.remember(style, batch["has_style"], batch["melody"])
    return Told(batch["window"], *situations(batch["window"], batch["melody"]), memory)


def at(situation: Situation, part: slice) -> Situation:
    return Situation(*(values[:, part] for values in situation))


def answers(decoder: StepDecoder, given: Told) -> list[tuple[Tensor, int]]:
    """The logits (size,) of each field of the window's last steps, and the value the field has."""
    tokens, struck, steps = given.window.tokens[0], given.window.struck[0], given.window.steps[0]
    first, said = len(tokens) - MEASURED, []
    decoder.begin(given.memory)
    opening = at(given.before, slice(first + 1))
    gaps = decoder.read(tokens[:first], struck[:first], opening, given.moments[0, : first + 1])
    for now in range(first, len(tokens)):
        gap, symbol, velocity, duration = tokens[now].tolist()
        said.append((gaps[0].clone(), gap))
        symbols = decoder.arrive(gap, at(given.arrived, slice(now, now + 1)), int(steps[now]))
        said.append((symbols[0].clone(), MELODY if struck[now] else symbol))
        if symbol < KEYS:
            said.append((decoder.choose(1, symbol, bool(struck[now]))[0].clone(), velocity))
            said.append((decoder.choose(2, velocity)[0].clone(), duration))
        if now + 1 < len(tokens):
            one, following = slice(now, now + 1), slice(now + 1, now + 2)
            gaps = decoder.read(tokens[one], struck[one], at(given.before, following), given.moments[0, following])
    return said


def nats(said: list[tuple[Tensor, int]]) -> float:
    return -sum(float(torch.log_softmax(logits, -1)[value]) for logits, value in said) / MEASURED


@torch.inference_mode()
def test_8_bits_say_what_32_say(capsys: pytest.CaptureFixture[str]) -> None:
    if not PREPARED.exists():
        pytest.skip("there are no prepared performances: hommage prepare SOURCE -o data/archive")
    model, data = Composer.load(device="cpu").model, Dataset(PREPARED, "validation")
    quantised, reference = OnnxDecoder(model, sessions(model, None)), TorchDecoder(model)
    more, cosines = [], []
    for number in range(WINDOWS):
        given = told(model, data, number)
        said, expected = (answers(decoder, given) for decoder in (quantised, reference))
        more.append(nats(said) - nats(expected))
        pairs = zip(said, expected, strict=True)
        cosines += [float(torch.cosine_similarity(one, other, dim=0)) for (one, _), (other, _) in pairs]
    with capsys.disabled():
        print(
            f"\n{np.mean(more):+.4f} nats a step (standard error {np.std(more) / len(more) ** 0.5:.4f}); cosine of "
            f"logits {np.mean(cosines):.5f}, of the worst hundredth {np.quantile(cosines, 0.01):.5f}"
        )
    assert abs(np.mean(more)) <= MOST_NATS
    assert np.mean(cosines) >= LEAST_COSINE
