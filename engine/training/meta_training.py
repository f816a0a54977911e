"""Training of the small models of MetaVAE's experiments: seeded, and the weights kept are those best on validation."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from engine.errors import RequestError
from engine.metavae import Batch

Draw = Callable[[np.random.Generator], Batch]


class Trained(Protocol):
    """A model that knows its loss."""

    def loss(self, batch: Batch) -> Tensor:
        """In nats a sample."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast. The rate rises over the first tenth and falls to nothing along a cosine."""

    steps: int
    rate: float = 1e-3
    checks: int = 10  # how often validation is asked
    weight_decay: float = 0.0


def device_named(name: str) -> str:
    """cpu or cuda; auto is cuda where there is one. Raises RequestError where it isn't there."""
    has_cuda = torch.cuda.is_available()
    if name not in ("auto", "cpu", "cuda") or (name == "cuda" and not has_cuda):
        raise RequestError(f"There is no device {name} to train on", "Give --device cpu")
    return "cuda" if has_cuda and name != "cpu" else "cpu"


Model = TypeVar("Model", bound=nn.Module)


def seeded(make: Callable[[], Model], seed: int) -> Model:
    """A model whose first weights depend on the seed alone; the caller's random numbers are left as they are."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def fit(
    model: Model, draw: Draw, worth: Callable[[Model], float], schedule: Schedule, seed: int, device: str = "cpu"
) -> Model:
    """Train on what `draw` gives and return the model with the weights of the smallest `worth`, a validation figure.

    It trains on `device`, and comes back on the CPU.
    """
    random = np.random.default_rng(seed)
    model.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), schedule.rate, weight_decay=schedule.weight_decay)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, schedule.rate, schedule.steps, pct_start=0.1)
    best, kept = float("inf"), model.state_dict()
    every = max(1, schedule.steps // schedule.checks)
    with torch.random.fork_rng(devices=[] if device == "cpu" else None):
        torch.manual_seed(seed)
        for step in range(1, schedule.steps + 1):
            loss = model.loss(draw(random).to(device))  # type: ignore[operator]
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 100.0)
            optimizer.step()
            rates.step()
            if step % every == 0:
                found = _asked(model, worth)
                if found < best:
                    best, kept = found, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)
    return model.cpu().eval()


def _asked(model: Model, worth: Callable[[Model], float]) -> float:
    model.eval()
    with torch.no_grad():
        found = worth(model)
    model.train()
    return found


def mean_loss(batches: list[Batch], device: str = "cpu") -> Callable[[nn.Module], float]:
    """The validation figure of image models: the bound's negative on the same batches with the same noise."""

    def worth(model: nn.Module) -> float:
        with torch.random.fork_rng(devices=[] if device == "cpu" else None):
            torch.manual_seed(0)
            losses = [float(model.loss(batch.to(device))) for batch in batches]  # type: ignore[operator]
        return sum(losses) / len(losses)

    return worth
