"""Whether representations carry over to transformations never trained on (`hommage evaluate invariance`).

Models are trained on the data sets of some values of a factor and judged on the others. Each unseen data set is coded
with a context of ten of its own images; logistic regression on the codes of its training part is tested on its test
part. NS and VHE see as many images in a context and as many updates, and explain as many images in each. Controls: a
VAE trained on the unseen data set itself, and its raw pixels.

In one step each training data set has a few contexts, and the queries of a row share one: contexts are drawn
independently of queries, as the objective has it. The weights kept have the best bound on validation images of the
training data sets. The invariance table is of the interleaved models: for each factor, test images under all of its
values, coded with contexts of that value.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.metavae import Batch, MetaVAE, MetaVAEConfig
from engine.training.meta_images import FACTORS, OF_DIGITS, OF_VIEWS, SPLITS, Images, Part
from engine.training.meta_readout import accuracy, distances
from engine.training.meta_rivals import VAE, Homoencoder, NeuralStatistician
from engine.training.meta_training import Draw, Schedule, fit, mean_loss, seeded

MODELS = ("metavae", "ns", "vhe")
CONTEXT = 10  # images, for every model
Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """How much is trained and read. Counts of images are for one data set."""

    config: MetaVAEConfig
    steps: int = 2500
    rows: int = 10  # contexts a step, over all data sets
    queries: int = 40  # a row
    rate: float = 1e-3
    read: int = 10_000  # images the read-out is fitted on, at most
    tested: int = 10_000
    pairs: int = 300  # test images of the invariance table
    shown: int = 200  # of the embedding figure
    checks: int = 10

    def quick(self) -> Plan:
        """Small enough for a test: it shows that all works, not how well."""
        small = MetaVAEConfig(self.config.width, 8, 32, 32, encoder=self.config.encoder)
        return Plan(small, steps=20, queries=8, read=200, tested=200, pairs=10, shown=20, checks=2)


@dataclass(frozen=True)
class Case:
    """One row: a model, the split it is trained on ("" for a control), the seed, the value of a control."""

    model: str
    split: str
    seed: int
    value: int = 0


class Invariance:
    """One family's rows, as `engine.training.evaluation.measured` asks for them."""

    def __init__(self, family: str, images: Images, plan: Plan, seeds: int, device: str = "cpu") -> None:
        self.name, self._family, self._images, self._plan, self._device = family, family, images, plan, device
        values = range(len(FACTORS[family].values))
        self._cases: list[Case] = []
        for seed in range(seeds):  # outermost, so that more seeds go on with the rows of fewer
            self._cases += [Case(model, split, seed) for split in SPLITS for model in MODELS]
            self._cases += [
                Case(name, "", seed, value) for name in ("vae", "raw")[: 1 + (seed == 0)] for value in values
            ]
        self._part = cache(self._images.part)

    def __len__(self) -> int:
        return len(self._cases)

    def row(self, case: int) -> Row:
        """Train one model, and measure it."""
        chosen = self._cases[case]
        found = self._control(chosen) if not chosen.split else self._trained(chosen)
        return {"model": chosen.model, "split": chosen.split, "seed": chosen.seed, **found}

    def _control(self, case: Case) -> Row:
        train, test = (self._part(self._family, case.value, name) for name in ("train", "test"))
        read, tested = train.floats(slice(self._plan.read)), test.floats(slice(self._plan.tested))
        if case.model == "vae":
            model = self._fitted(seeded(lambda: VAE(self._plan.config, 1, 1), case.seed), [case.value], case.seed)
            which = torch.zeros(1, dtype=torch.int64)
            with torch.no_grad():
                read, tested = (model.posterior(part[None], which).code[0] for part in (read, tested))
        found = accuracy(read, train.labels[: len(read)], tested, test.labels[: len(tested)])
        return {"accuracy": {str(case.value): found}}

    def _trained(self, case: Case) -> Row:
        seen, unseen = FACTORS[self._family].split(case.split)
        size = len(self._part(self._family, seen[0], "train").labels)
        model = seeded(lambda: made(case.model, self._plan.config, len(seen), size), case.seed)
        model = self._fitted(model, seen, case.seed)
        row: Row = {"accuracy": {}}
        for value in unseen:
            train, test = (self._part(self._family, value, name) for name in ("train", "test"))
            read, tested = (
                codes(model, part, torch.arange(min(count, len(part.labels))), case.seed)
                for part, count in ((train, self._plan.read), (test, self._plan.tested))
            )
            known, truth = train.labels[: len(read)], test.labels[: len(tested)]
            row["accuracy"][str(value)] = accuracy(read, known, tested, truth)
            if value == unseen[0] and case.seed == 0:
                row["shown"] = _plane(tested[: self._plan.shown])
                row["labels"] = test.labels[: self._plan.shown].tolist()
        if case.split == "interleaved":
            row["distances"] = self._distances(model, case.seed)
        return row

    def _distances(self, model: nn.Module, seed: int) -> Row:
        """By factor of the same images: distance over its values, and between different images."""
        found = {}
        for factor in OF_DIGITS if self._family in OF_DIGITS else OF_VIEWS:
            each = []
            for value in range(len(FACTORS[factor].values)):
                part = self._part(factor, value, "test")
                places = np.random.default_rng(0).permutation(len(part.labels))[: self._plan.pairs]
                each.append(codes(model, part, torch.from_numpy(places), seed))
            found[factor] = distances(torch.stack(each))
        return found

    def _fitted(self, model: Any, values: list[int], seed: int) -> Any:
        plan, parts = self._plan, [self._part(self._family, value, "train") for value in values]
        held = [self._part(self._family, value, "validation") for value in values]
        rows = 1 if isinstance(model, VAE) else max(1, plan.rows // len(values))
        sizes = (rows, plan.queries)
        if isinstance(model, NeuralStatistician):  # what it explains is the context itself
            sizes = (rows * plan.queries // CONTEXT, 1)
        random = np.random.default_rng(0)
        batches = [drawing(held, *sizes)(random) for _ in range(4)]
        schedule = Schedule(plan.steps, plan.rate, plan.checks)
        return fit(model, drawing(parts, *sizes), mean_loss(batches, self._device), schedule, seed, self._device)


def image_config(family: str) -> MetaVAEConfig:
    """The networks for a family's images: MLPs for 28 × 28 digits, an encoder with convolutions for 32 × 32 views."""
    return MetaVAEConfig(784) if family in OF_DIGITS else MetaVAEConfig(1024, encoder="conv")


def made(name: str, config: MetaVAEConfig, sets: int, set_size: int) -> nn.Module:
    """A model of the comparison, untrained."""
    if name == "metavae":
        return MetaVAE(config, sets)
    return NeuralStatistician(config) if name == "ns" else Homoencoder(config, set_size)


def drawing(parts: list[Part], rows: int, queries: int) -> Draw:
    """Draws batches with `rows` contexts of each data set and `queries` for each of them."""

    def draw(random: np.random.Generator) -> Batch:
        drawn = []
        for part in parts:
            places = torch.from_numpy(random.integers(len(part.labels), size=(rows, CONTEXT + queries)))
            drawn.append(part.floats(places))
        together = torch.cat(drawn)
        which = torch.arange(len(parts)).repeat_interleave(rows)
        return Batch(together[:, CONTEXT:], together[:, :CONTEXT], which)

    return draw


@torch.no_grad()
def codes(model: Any, part: Part, places: Tensor, seed: int) -> Tensor:
    """Codes of a part's images at `places`, 100 to a context drawn from the whole part: (places, latent)."""
    random, found = np.random.default_rng(seed), []
    for some in torch.split(places, 100):
        context = part.floats(torch.from_numpy(random.choice(len(part.labels), CONTEXT, replace=False)))
        found.append(model.embed(part.floats(some)[None], context[None])[0])
    return torch.cat(found)


def _plane(found: Tensor) -> list[list[float]]:
    """The first two principal directions: (n, 2)."""
    centred = found - found.mean(0)
    _, _, directions = torch.linalg.svd(centred, full_matrices=False)
    return [[round(float(number), 3) for number in point] for point in centred @ directions[:2].T]
