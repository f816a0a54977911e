"""What MetaVAE is compared with: the steps that lead to it, and the related work that reads sets.

The steps: a posterior for each point (`PointwiseVI`); an amortised one, `VAE`, for each data set or one for all; one
encoder that knows no context with a decoder for each data set (naive: the talk writes the maximum over φ inside the
expectation over data sets, which is a VAE for each; with one φ for all, this is what is left of it).

The Neural Statistician (Edwards, Storkey 2017) and the Variational Homoencoder (Hewitt et al. 2018) give a data set a
latent c of its own: c ~ N(0, 1), z ~ p(z | c), x ~ p(x | z, c). The first infers c from the very samples it then
explains and pays KL(q(c | D) ‖ p(c)) once a set; the second infers it from a context and explains other samples, and
its share of that divergence is one in as many samples as the data set has.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.metavae import (
    ENCODERS,
    LATENTS,
    Batch,
    Categorical,
    Decoders,
    Gaussian,
    MetaVAEConfig,
    beside,
    check,
    masked_mean,
    mlp,
)

SET_LATENT = 300  # dimensions of c, as in the released code


class VAE(nn.Module):
    """q(z | x) without a context. encoders, decoders: one for all data sets, or one for each."""

    def __init__(self, config: MetaVAEConfig, encoders: int, decoders: int) -> None:
        super().__init__()
        self.config = config
        self._latent = LATENTS[config.latent_kind]
        self.encoders = nn.ModuleList(_encoder(config, self._latent.numbers(config.latent)) for _ in range(encoders))
        self.decoders, self.has_own_decoders = Decoders(config, decoders), decoders > 1

    def posterior(self, x: Tensor, which: Tensor) -> Gaussian | Categorical:
        """x: (rows, queries, width); which: (rows,), each row's data set, of which a single encoder knows nothing."""
        check(self.config.width, x, x)
        if len(self.encoders) == 1:
            return self._latent.of(self.encoders[0](x))
        return self._latent.of(torch.stack([self.encoders[i](row) for i, row in zip(which.tolist(), x, strict=True)]))

    def loss(self, batch: Batch) -> Tensor:
        """The bound's negative in nats a sample."""
        own = batch.which if self.has_own_decoders else torch.zeros_like(batch.which)
        return -self.posterior(batch.x, batch.which).bound(self.decoders, batch.x, own).mean()


def _encoder(config: MetaVAEConfig, numbers: int) -> nn.Sequential:
    read, features = ENCODERS[config.encoder](config.width)
    return nn.Sequential(read, mlp(features, config.hidden, config.hidden, numbers))


class PointwiseVI(nn.Module):
    """A posterior of its own for each of (sets, points) samples, and a decoder for each set: nothing is amortised."""

    def __init__(self, config: MetaVAEConfig, sets: int, points: int) -> None:
        super().__init__()
        self._latent = LATENTS[config.latent_kind]
        self.numbers = nn.Parameter(0.01 * torch.randn(sets, points, self._latent.numbers(config.latent)))
        self.decoders = Decoders(config, sets)

    def posterior(self) -> Gaussian | Categorical:
        """Of every point."""
        return self._latent.of(self.numbers)

    def loss(self, batch: Batch) -> Tensor:
        """The bound's negative in nats a sample. batch.x: all points of all sets, in order."""
        return -self.posterior().bound(self.decoders, batch.x, batch.which).mean()


class SetLatentVAE(nn.Module):
    """The networks of the Neural Statistician and of the Homoencoder: q(c | D), q(z | x, c), p(z | c), p(x | z, c)."""

    def __init__(self, config: MetaVAEConfig, set_latent: int = SET_LATENT) -> None:
        super().__init__()
        self.config = config
        self.read, features = ENCODERS[config.encoder](config.width)
        self.summarise = mlp(features, config.hidden, config.hidden, config.summary)
        self.statistic = nn.Linear(config.summary, 2 * set_latent)
        self.encoder = mlp(features + set_latent, config.hidden, config.hidden, 2 * config.latent)
        self.prior = mlp(set_latent, config.hidden, 2 * config.latent)
        self.decoder = Decoders(config, 1, config.latent + set_latent)

    def of_set(self, context: Tensor, mask: Tensor | None = None) -> Gaussian:
        """q(c | D): (rows, samples, width) -> (rows, set_latent)."""
        return Gaussian.of(self.statistic(masked_mean(self.summarise(self.read(context)), mask)))

    def embed(self, x: Tensor, context: Tensor, mask: Tensor | None = None) -> Tensor:
        """The mean of q(z | x, c) at the mean of q(c | D): (rows, queries, width) -> (rows, queries, latent)."""
        check(self.config.width, x, context, mask)
        return self._of_query(x, self.of_set(context, mask).mean).mean

    def _of_query(self, x: Tensor, c: Tensor) -> Gaussian:
        return Gaussian.of(self.encoder(beside(self.read(x), c)))

    def bounds(self, x: Tensor, q_c: Gaussian) -> Tensor:
        """Of each x, but for the divergence of c, by one draw of c and of z, in nats: (rows, queries)."""
        c = q_c.sample()
        q_z, p_z = self._of_query(x, c), Gaussian.of(self.prior(c))
        p_z = Gaussian(*(part[:, None].expand_as(q_z.mean) for part in p_z))
        shared = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        return self.decoder.log_prob(x, beside(q_z.sample(), c), shared) - q_z.kl(p_z)


class NeuralStatistician(SetLatentVAE):
    """Each context is the set that is explained."""

    def loss(self, batch: Batch) -> Tensor:
        """The bound's negative in nats a sample; batch.x is not looked at."""
        q_c = self.of_set(batch.context)
        return (q_c.kl() / batch.context.shape[1] - self.bounds(batch.context, q_c).mean(1)).mean()


class Homoencoder(SetLatentVAE):
    """A context tells of other samples of its data set. set_size: samples of a data set."""

    def __init__(self, config: MetaVAEConfig, set_size: int, set_latent: int = SET_LATENT) -> None:
        super().__init__(config, set_latent)
        self.set_size = set_size

    def loss(self, batch: Batch) -> Tensor:
        """The bound's negative in nats a sample."""
        q_c = self.of_set(batch.context, batch.mask)
        return (q_c.kl() / self.set_size - self.bounds(batch.x, q_c).mean(1)).mean()
