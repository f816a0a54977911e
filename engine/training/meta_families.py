"""Parameters of exponential families, inferred from samples (`hommage evaluate expfam`).

A query is a set of 20 samples in the plane, its data set all such sets from one distribution, and its context ten of
them. The decoder is the identity: z is the parameter, and log p(x | z) is the family's own log-density. g_φ has two
levels of means, over samples and over sets. Trained on 30 distributions of each family: Gaussian (mean, deviation 0.1),
log-normal (location, deviation 0.1 of the logarithm), exponential (log-rate); `all` on the three together, the others
on one; `no_context` on the three without a context. The bound of each query is divided by its samples and by the
family's Fisher information, so that none drowns the others (the released code multiplies the exponential's by 1000).

Measured, on fresh distributions: the mean squared error of the inferred parameter, inside the range of training and
outside it; and for families never seen, Beta(α, α), Weibull(k) of scale 1, Laplace(0, b), that of z against the log of
the true parameter (for Laplace minus it, as a rate), and of a linear read-out of z fitted on 200 other distributions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.metavae import Batch, Gaussian, masked_mean, mlp, normal_log_prob
from engine.training.meta_training import Schedule, fit, seeded

Floats = NDArray[np.float64]
Row = dict[str, Any]
SAMPLES, SETS, DIMENSIONS, DEVIATION = 20, 10, 2, 0.1
Random = np.random.Generator


@dataclass(frozen=True)
class Family:
    """draw: (random, parameters (n, 2), count) -> (n, count, 2). inside, outside: ranges of the parameter z."""

    draw: Callable[[Random, Floats, int], Floats]
    inside: tuple[float, float]
    outside: tuple[float, float]
    log_prob: Callable[[Tensor, Tensor], Tensor] | None = None  # samples (…, 2), z (…, 2) -> (…)
    information: float = 1.0  # Fisher's, of one sample about one parameter


def _repeated(parameters: Floats, count: int) -> Floats:
    return np.repeat(parameters[:, None], count, 1)


def _gaussian(x: Tensor, z: Tensor) -> Tensor:
    return normal_log_prob(x, z, torch.full_like(x, 2 * float(np.log(DEVIATION))))


def _log_normal(x: Tensor, z: Tensor) -> Tensor:
    log_x = x.clamp(min=1e-8).log()
    return _gaussian(log_x, z) - log_x.sum(-1)


def _exponential(x: Tensor, z: Tensor) -> Tensor:
    return (z - z.exp() * x).sum(-1)


LOG = float(np.log(3.0))
FAMILIES = {
    "gaussian": Family(lambda r, p, n: r.normal(_repeated(p, n), DEVIATION), (-5, 5), (5, 8), _gaussian, DEVIATION**-2),
    "log_normal": Family(
        lambda r, p, n: r.lognormal(_repeated(p, n), DEVIATION), (-2, 2), (2, 3), _log_normal, DEVIATION**-2
    ),
    "exponential": Family(
        lambda r, p, n: r.exponential(np.exp(-_repeated(p, n))), (-float(np.log(2)), LOG), (LOG, 2 * LOG), _exponential
    ),
}
UNSEEN = {
    "beta": Family(
        lambda r, p, n: r.beta(np.exp(_repeated(p, n)), np.exp(_repeated(p, n))), (-LOG, LOG), (LOG, 2 * LOG)
    ),
    "weibull": Family(lambda r, p, n: r.weibull(np.exp(_repeated(p, n))), (-LOG, LOG), (LOG, 2 * LOG)),
    "laplace": Family(lambda r, p, n: r.laplace(0, np.exp(-_repeated(p, n))), (-LOG, LOG), (LOG, 2 * LOG)),
}
MODELS = {"all": tuple(FAMILIES), **{name: (name,) for name in FAMILIES}, "no_context": tuple(FAMILIES)}


class ParameterEncoder(nn.Module):
    """g_φ over sets of samples: (distributions, sets, samples, 2) -> q(z) of the first set, given the others."""

    def __init__(self, families: tuple[str, ...], has_context: bool, hidden: int) -> None:
        super().__init__()
        self.families, self._has_context = families, has_context
        self.of_samples = mlp(DIMENSIONS, hidden, 64)
        self.of_sets = mlp(64, hidden, 64)
        self.aggregate = mlp(128, hidden, hidden, 2 * DIMENSIONS)

    def forward(self, sets: Tensor) -> Gaussian:
        """q(z): mean and log-variance (distributions, 2)."""
        squeezed = torch.asinh(sets)  # a log-normal's samples span orders of magnitude
        each = masked_mean(self.of_samples(squeezed).flatten(0, 1), None).reshape(*sets.shape[:2], -1)
        summary = masked_mean(self.of_sets(each[:, 1:]), None) if self._has_context else torch.zeros_like(each[:, 0])
        return Gaussian.of(self.aggregate(torch.cat([each[:, 0], summary], -1)))

    def loss(self, batch: Batch) -> Tensor:
        """The bound's negative a sample. batch.x: (distributions, sets · samples, 2); which: the family of each."""
        sets = _in_sets(batch.x)
        q = self.forward(sets)
        z = q.sample()
        found = []
        for index, name in enumerate(self.families):
            mine = batch.which == index
            family = FAMILIES[name]
            assert family.log_prob is not None
            log_prob = family.log_prob(sets[mine, 0], z[mine][:, None].expand(-1, SAMPLES, -1)).mean(-1)
            found.append((q.kl()[mine] / SAMPLES - log_prob) / family.information)
        return torch.cat(found).mean()


@dataclass(frozen=True)
class Plan:
    """How much is trained and tested."""

    steps: int = 5000
    distributions: int = 30  # of each family
    fresh: int = 200
    hidden: int = 128

    def quick(self) -> Plan:
        """Small enough for a test: it shows that all works, not how well."""
        return Plan(steps=20, distributions=4, fresh=20, hidden=16)


class Families:
    """The rows of the experiment: one a model and seed, as `evaluation.measured` asks for them."""

    name = "expfam"

    def __init__(self, plan: Plan, seeds: int) -> None:
        self._plan = plan
        self._cases = [(seed, model) for seed in range(seeds) for model in MODELS]

    def __len__(self) -> int:
        return len(self._cases)

    def row(self, case: int) -> Row:
        """Train one model, and measure it on every family."""
        seed, name = self._cases[case]
        model = _fitted(name, self._plan, seed)
        row: Row = {"model": name, "seed": seed}
        for family in (*FAMILIES, *UNSEEN):
            row[family] = _measured(model, {**FAMILIES, **UNSEEN}[family], self._plan.fresh, seed)
        return row


def _drawn(random: Random, family: Family, parameters: Floats) -> Tensor:
    """(n, sets · samples, 2), the query's set before the context's."""
    return torch.tensor(family.draw(random, parameters, (SETS + 1) * SAMPLES), dtype=torch.float32)


def _in_sets(x: Tensor) -> Tensor:
    """(n, sets · samples, 2) -> (n, sets, samples, 2)."""
    return x.reshape(len(x), -1, SAMPLES, x.shape[-1])


def _fitted(name: str, plan: Plan, seed: int) -> ParameterEncoder:
    random, names = np.random.default_rng(seed), MODELS[name]
    seen, held = (
        [random.uniform(*FAMILIES[each].inside, (plan.distributions, DIMENSIONS)) for each in names] for _ in range(2)
    )
    which = torch.arange(len(names)).repeat_interleave(plan.distributions)

    def batch(random: Random, parameters: list[Floats]) -> Batch:
        x = torch.cat([_drawn(random, FAMILIES[each], p) for each, p in zip(names, parameters, strict=True)])
        return Batch(x, x, which)

    model = seeded(lambda: ParameterEncoder(names, name != "no_context", plan.hidden), seed)
    whole = batch(np.random.default_rng(seed), held)
    return fit(model, lambda r: batch(r, seen), lambda m: float(m.loss(whole)), Schedule(plan.steps, 2e-3), seed)


@torch.no_grad()
def _measured(model: ParameterEncoder, family: Family, count: int, seed: int) -> Row:
    """Mean squared errors of z: inside the range, outside it, and of a linear read-out inside it."""
    random = np.random.default_rng(1000 + seed)

    def inferred(limits: tuple[float, float]) -> tuple[Floats, Floats]:
        truth = random.uniform(*limits, (count, DIMENSIONS))
        z = model(_in_sets(_drawn(random, family, truth))).mean.numpy().astype(float)
        return z, truth

    (fitted, known), (inside, truth), (outside, beyond) = map(inferred, (family.inside, family.inside, family.outside))
    line = np.linalg.lstsq(np.column_stack([fitted, np.ones(count)]), known, rcond=None)[0]
    read = np.column_stack([inside, np.ones(count)]) @ line
    pairs = {"inside": (inside, truth), "outside": (outside, beyond), "read_out": (read, truth)}
    return {name: float(np.square(a - b).mean()) for name, (a, b) in pairs.items()}
