"""MetaVAE: inference that reads a set and a query (Wu, Choi, Goodman, Ermon, "Meta-Amortized Variational Inference").

    max over φ, θ_1 … θ_n of  E_i  E_x∈D_i  E_z~g_φ(D_i, x)  log p_θi(x | z) + log p(z) − log g_φ(z | D_i, x)

g_φ is one encoder for all data sets: a summary, the mean over the context set of a network of each sample (φ1), and an
aggregation of query and summary (φ2). Each training data set i has its own decoder θ_i, so z need not say what all of a
data set has in common. A data set never seen has no decoder; g_φ reads it all the same.

z is Gaussian with a standard normal prior, or categorical with a uniform one, over which the expectation is exact.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.errors import RequestError

LEAST_CONTEXT = 2  # samples: one alone doesn't tell what belongs to the set and what to itself
LOG_VARIANCES = (-8.0, 8.0)  # of a latent; beyond them exp is no use


@dataclass(frozen=True)
class MetaVAEConfig:
    """What a MetaVAE reads, and how wide its networks are. `encoder` and `likelihood` are keys of the tables below."""

    width: int  # of one sample: pixels, features
    latent: int = 40
    hidden: int = 400
    summary: int = 400
    latent_kind: str = "gaussian"
    likelihood: str = "bernoulli"
    encoder: str = "mlp"
    decoder_layers: int = 2  # hidden ones
    shared_layers: int = 0  # of them, the first ones that all decoders have in common, so that z stays one language


class Batch(NamedTuple):
    """Queries, and the context each row of them is read in.

    x: (rows, queries, width) float32. context: (rows, samples, width) float32. which: (rows,) int64, each row's data
    set. mask: (rows, samples) bool, False where a context is padded; None where none is.
    """

    x: Tensor
    context: Tensor
    which: Tensor
    mask: Tensor | None = None

    def to(self, device: str) -> Batch:
        """The same on another device."""
        return Batch(*(None if part is None else part.to(device) for part in self))  # type: ignore[arg-type]


class Gaussian(NamedTuple):
    """A diagonal Gaussian. mean, log_variance: (…, latent)."""

    mean: Tensor
    log_variance: Tensor

    @staticmethod
    def numbers(latent: int) -> int:
        """How many numbers describe one of `latent` dimensions."""
        return 2 * latent

    @classmethod
    def of(cls, numbers: Tensor) -> Gaussian:
        """numbers: (…, 2 · latent)."""
        mean, log_variance = numbers.float().chunk(2, -1)
        return cls(mean, log_variance.clamp(*LOG_VARIANCES))

    @property
    def code(self) -> Tensor:
        """What stands for x in what comes after: (…, latent)."""
        return self.mean

    def sample(self) -> Tensor:
        """One draw, differentiable in mean and variance: (…, latent)."""
        return self.mean + (0.5 * self.log_variance).exp() * torch.randn_like(self.mean)

    def log_prob(self, z: Tensor) -> Tensor:
        """z: (…, latent) -> (…)."""
        return normal_log_prob(z, self.mean, self.log_variance)

    def kl(self, prior: Gaussian | None = None) -> Tensor:
        """Divergence from `prior`, else from the standard normal, in nats: (…)."""
        mean, log_variance = (torch.zeros_like(self.mean),) * 2 if prior is None else prior
        ratio = self.log_variance - log_variance
        distance = (self.mean - mean).square() * (-log_variance).exp()
        return 0.5 * (ratio.exp() + distance - 1 - ratio).sum(-1)

    def bound(self, decoders: Decoders, x: Tensor, which: Tensor) -> Tensor:
        """The evidence lower bound of each x by one draw of z, in nats: (rows, queries)."""
        return decoders.log_prob(x, self.sample(), which) - self.kl()


class Categorical(NamedTuple):
    """One of `latent` values. logits: (…, latent)."""

    logits: Tensor

    @staticmethod
    def numbers(latent: int) -> int:
        """How many numbers describe one of `latent` values."""
        return latent

    @classmethod
    def of(cls, numbers: Tensor) -> Categorical:
        """numbers: (…, latent)."""
        return cls(numbers.float())

    @property
    def code(self) -> Tensor:
        """The probability of each value: (…, latent)."""
        return self.logits.softmax(-1)

    def bound(self, decoders: Decoders, x: Tensor, which: Tensor) -> Tensor:
        """The evidence lower bound of each x, exact, in nats: (rows, queries)."""
        log_q, values = self.logits.log_softmax(-1), self.logits.shape[-1]
        each = torch.eye(values, device=x.device).expand(*x.shape[:-1], values, values)
        log_joint = decoders.log_prob(x[..., None, :].expand(*each.shape[:-1], -1), each, which)
        return (log_q.exp() * (log_joint - math.log(values) - log_q)).sum(-1)


LATENTS: dict[str, type[Gaussian] | type[Categorical]] = {"gaussian": Gaussian, "categorical": Categorical}


class MetaEncoder(nn.Module):
    """g_φ: query and context to the numbers of a distribution."""

    def __init__(self, config: MetaVAEConfig, numbers: int) -> None:
        super().__init__()
        self.read, features = ENCODERS[config.encoder](config.width)
        self.summarise = mlp(features, config.hidden, config.hidden, config.summary)
        self.aggregate = mlp(features + config.summary, config.hidden, config.hidden, numbers)

    def forward(self, x: Tensor, context: Tensor, mask: Tensor | None = None) -> Tensor:
        """x: (rows, queries, width), context: (rows, samples, width) -> (rows, queries, numbers)."""
        summary = masked_mean(self.summarise(self.read(context)), mask)
        return self.aggregate(beside(self.read(x), summary))  # type: ignore[no-any-return]


class StackedLinear(nn.Module):
    """`count` linear layers in one; all begin with the same weights, so that a z means the same to each at first."""

    def __init__(self, count: int, inputs: int, outputs: int) -> None:
        super().__init__()
        first = nn.Linear(inputs, outputs)
        self.weight = nn.Parameter(first.weight.detach().T.repeat(count, 1, 1))
        self.bias = nn.Parameter(first.bias.detach().repeat(count, 1, 1))

    def forward(self, x: Tensor, which: Tensor) -> Tensor:
        """x: (rows, …, inputs), each row through layer which[row], or the only one -> (rows, …, outputs)."""
        if len(self.weight) == 1:
            return x @ self.weight[0] + self.bias[0]
        weight, bias = (part.index_select(0, which) for part in (self.weight, self.bias))
        flat = torch.baddbmm(bias, x.flatten(1, -2), weight)
        return flat.reshape(*x.shape[:-1], flat.shape[-1])


class Decoders(nn.Module):
    """θ_1 … θ_n: p(x | z), a network for each of `count` data sets. inputs: numbers it is given, if not just z."""

    def __init__(self, config: MetaVAEConfig, count: int, inputs: int | None = None) -> None:
        super().__init__()
        widths = [inputs or config.latent, *[config.hidden] * config.decoder_layers, config.width]
        steps = enumerate(itertools.pairwise(widths))
        self.layers = nn.ModuleList(StackedLinear(1 if k < config.shared_layers else count, *step) for k, step in steps)
        self.log_variance = nn.Parameter(torch.zeros(count, config.width))  # a Gaussian's; the same for all z
        self.is_bernoulli = config.likelihood == "bernoulli"

    def forward(self, z: Tensor, which: Tensor) -> Tensor:
        """The mean of x: (rows, …, latent) -> (rows, …, width)."""
        return torch.sigmoid(self._net(z, which)) if self.is_bernoulli else self._net(z, which)

    def log_prob(self, x: Tensor, z: Tensor, which: Tensor) -> Tensor:
        """log p(x | z) under each row's own decoder, in nats: (rows, …)."""
        found = self._net(z, which)
        if self.is_bernoulli:
            return -functional.binary_cross_entropy_with_logits(found, x, reduction="none").sum(-1)
        log_variance = self.log_variance.index_select(0, which).reshape(len(x), *[1] * (x.ndim - 2), -1)
        return normal_log_prob(x, found, log_variance)

    def _net(self, z: Tensor, which: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            z = torch.relu(layer(z, which))
        return self.layers[-1](z, which)  # type: ignore[no-any-return]


class MetaVAE(nn.Module):
    """One encoder of (context, query) for all data sets, a decoder for each of `sets` training data sets."""

    def __init__(self, config: MetaVAEConfig, sets: int) -> None:
        super().__init__()
        self.config = config
        self._latent = LATENTS[config.latent_kind]
        self.encoder = MetaEncoder(config, self._latent.numbers(config.latent))
        self.decoders = Decoders(config, sets)

    def posterior(self, x: Tensor, context: Tensor, mask: Tensor | None = None) -> Gaussian | Categorical:
        """g_φ(D, x). Shapes as in Batch. Raises RequestError where a context or a query can't be read."""
        check(self.config.width, x, context, mask)
        return self._latent.of(self.encoder(x, context, mask))

    def embed(self, x: Tensor, context: Tensor, mask: Tensor | None = None) -> Tensor:
        """The posterior mean: (rows, queries, width) -> (rows, queries, latent)."""
        return self.posterior(x, context, mask).code

    def loss(self, batch: Batch) -> Tensor:
        """The bound's negative in nats a sample, each data set counting the same. Each row has a decoder."""
        q = self.posterior(batch.x, batch.context, batch.mask)
        return -q.bound(self.decoders, batch.x, batch.which).mean()

    def log_marginal(self, batch: Batch, draws: int = 10) -> Tensor:
        """log p_θi(x) by importance sampling from a Gaussian posterior, in nats: (rows, queries)."""
        q = self.posterior(batch.x, batch.context, batch.mask)
        if not isinstance(q, Gaussian):
            raise RequestError("Only a Gaussian latent is drawn from", "The bound of a categorical one is exact")
        weights = []
        for _ in range(draws):
            z = q.sample()
            log_x = self.decoders.log_prob(batch.x, z, batch.which)
            weights.append(log_x + normal_log_prob(z, *(torch.zeros_like(z),) * 2) - q.log_prob(z))
        return torch.stack(weights).logsumexp(0) - math.log(draws)


def masked_mean(values: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over the samples that are there. values: (rows, samples, width), mask: (rows, samples) -> (rows, width)."""
    if mask is None:
        return values.mean(1)
    kept = values.masked_fill(~mask[..., None], 0.0)  # not a product: padding may be anything, NaN too
    return kept.sum(1) / mask.sum(1, keepdim=True)


def beside(x: Tensor, of_row: Tensor) -> Tensor:
    """What belongs to a row, beside each of its queries. (rows, queries, a), (rows, b) -> (rows, queries, a + b)."""
    return torch.cat([x, of_row[:, None].expand(-1, x.shape[1], -1).to(x.dtype)], -1)


def check(width: int, x: Tensor, context: Tensor, mask: Tensor | None = None) -> None:
    """Raise RequestError unless every row has queries and a context of at least two samples, finite and of `width`."""
    for name, part in (("queries", x), ("contexts", context)):
        if part.ndim != 3 or part.shape[-1] != width:
            wanted = f"(rows, {name}, {width})"
            raise RequestError(f"The {name} have the shape {tuple(part.shape)}", f"They must be {wanted}")
    if len(x) != len(context):
        raise RequestError(f"There are {len(context)} contexts for {len(x)} rows of queries", "Give one to each row")
    if mask is not None and mask.shape != context.shape[:2]:
        raise RequestError(f"The mask has the shape {tuple(mask.shape)}", f"It must be {tuple(context.shape[:2])}")
    fewest = context.shape[1] if mask is None else int(mask.sum(1).min())
    if fewest < LEAST_CONTEXT:
        raise RequestError(f"A context has {fewest} of the samples it needs", f"Give {LEAST_CONTEXT} or more")
    context = context if mask is None else context[mask]
    if not (torch.isfinite(x).all() and torch.isfinite(context).all()):
        raise RequestError("A sample has numbers that are not finite", "Leave it out, or mend it")


def mlp(*widths: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Convolutions(nn.Module):
    """Features of square grey images: three convolutions, each of stride 2."""

    def __init__(self, pixels: int, channels: Sequence[int] = (1, 16, 32, 32)) -> None:
        super().__init__()
        self.side = math.isqrt(pixels)
        if self.side**2 != pixels:
            raise RequestError(f"{pixels} pixels are no square image", "Give an encoder of another kind")
        steps: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(channels):
            steps += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.ReLU()]
        self.net = nn.Sequential(*steps)
        self.features = channels[-1] * math.ceil(self.side / 8) ** 2

    def forward(self, x: Tensor) -> Tensor:
        """(…, pixels) -> (…, features)."""
        images = x.reshape(-1, 1, self.side, self.side)
        return self.net(images).reshape(*x.shape[:-1], self.features)  # type: ignore[no-any-return]


def _plain(width: int) -> tuple[nn.Module, int]:
    return nn.Identity(), width


def _convolutions(width: int) -> tuple[nn.Module, int]:
    net = Convolutions(width)
    return net, net.features


ENCODERS: dict[str, Any] = {"mlp": _plain, "conv": _convolutions}


def normal_log_prob(x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Log-density of a diagonal Gaussian, summed over the last axis."""
    distance = (x - mean).square() * (-log_variance).exp()
    return -0.5 * (distance + log_variance + math.log(2 * math.pi)).sum(-1)
