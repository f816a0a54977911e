"""MetaVAE: what a set tells of a query, whatever its order and padding; its bounds; what it can't read."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RequestError
from engine.metavae import Batch, Gaussian, MetaVAE, MetaVAEConfig

SMALL = MetaVAEConfig(width=6, latent=3, hidden=16, summary=8, likelihood="gaussian")


def small(**options: object) -> MetaVAE:
    torch.manual_seed(0)
    return MetaVAE(MetaVAEConfig(**{**vars(SMALL), **options}), sets=3)  # type: ignore[arg-type]


@given(seed=st.integers(0, 10**6), samples=st.integers(2, 64))
def test_the_order_of_a_context_does_not_matter(seed: int, samples: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    x, context = torch.randn(2, 4, 6, generator=draw), torch.randn(2, samples, 6, generator=draw)
    order = torch.randperm(samples, generator=draw)
    model = small()
    torch.testing.assert_close(model.embed(x, context), model.embed(x, context[:, order]))


@given(seed=st.integers(0, 10**6), sizes=st.tuples(st.integers(2, 64), st.integers(2, 64)))
def test_sets_of_different_sizes_are_read_together_as_alone(seed: int, sizes: tuple[int, int]) -> None:
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(2, 4, 6, generator=draw)
    contexts = [torch.randn(size, 6, generator=draw) for size in sizes]
    padded = torch.full((2, max(sizes) + 1, 6), float("nan"))  # whatever stands in the padding is not read
    for row, context in zip(padded, contexts, strict=True):
        row[: len(context)] = context
    mask = torch.arange(padded.shape[1]) < torch.tensor(sizes)[:, None]
    model = small()
    together = model.embed(x, padded, mask)
    alone = [model.embed(x[i : i + 1], context[None])[0] for i, context in enumerate(contexts)]
    torch.testing.assert_close(together, torch.stack(alone), rtol=1e-4, atol=1e-5)


def test_the_context_changes_what_a_query_means() -> None:
    model, x = small(), torch.zeros(1, 1, 6)
    here, there = (model.embed(x, torch.full((1, 5, 6), value)) for value in (0.0, 3.0))
    assert (here - there).abs().max() > 1e-3


def test_a_repeated_sample_weighs_as_one_in_a_true_mean() -> None:
    model, x, context = small(), torch.randn(1, 3, 6), torch.randn(1, 5, 6)
    torch.testing.assert_close(model.embed(x, context), model.embed(x, context.repeat(1, 4, 1)))


def test_the_divergence_is_torch_s_own() -> None:
    torch.manual_seed(0)
    q, p = (Gaussian(torch.randn(5, 3), torch.randn(5, 3)) for _ in range(2))
    as_torch = [torch.distributions.Normal(g.mean, (0.5 * g.log_variance).exp()) for g in (q, p)]
    torch.testing.assert_close(q.kl(p), torch.distributions.kl_divergence(*as_torch).sum(-1))
    torch.testing.assert_close(q.kl(), q.kl(Gaussian(torch.zeros(5, 3), torch.zeros(5, 3))))


def test_each_row_is_decoded_by_its_own_decoder() -> None:
    model, z = small(), torch.randn(2, 4, 3)
    torch.testing.assert_close(model.decoders(z, torch.tensor([0, 2])), model.decoders(z, torch.tensor([1, 1])))
    with torch.no_grad():
        model.decoders.layers[-1].bias[2] += 1.0  # type: ignore[index, operator]
    first, last = model.decoders(z, torch.tensor([0, 2])) - model.decoders(z, torch.tensor([1, 1]))
    assert first.abs().max() == 0 and torch.allclose(last, torch.ones(4, 6))


def test_decoders_may_share_their_first_layers() -> None:
    own, shared = small(), small(shared_layers=2)
    weights = [layer.weight for layer in shared.decoders.layers]
    assert [len(weight) for weight in weights] == [1, 1, 3]  # type: ignore[arg-type]
    z, which = torch.randn(2, 4, 3), torch.tensor([0, 2])
    torch.testing.assert_close(shared.decoders(z, which), own.decoders(z, which))  # all begin alike


@pytest.mark.parametrize(("likelihood", "encoder"), [("gaussian", "mlp"), ("bernoulli", "mlp"), ("bernoulli", "conv")])
def test_training_raises_the_bound_and_the_marginal_lies_above_it(likelihood: str, encoder: str) -> None:
    model = small(width=64, likelihood=likelihood, encoder=encoder)
    torch.manual_seed(1)
    images = torch.rand(3, 1, 64).round().expand(3, 30, 64)
    batch = Batch(images[:, :20], images[:, 20:], torch.arange(3))
    optimizer, before = torch.optim.Adam(model.parameters(), 3e-3), model.loss(batch).item()
    for _ in range(60):
        optimizer.zero_grad()
        model.loss(batch).backward()
        optimizer.step()
    with torch.no_grad():
        after, marginal = model.loss(batch).item(), model.log_marginal(batch, 200).mean().item()
    assert after < 0.8 * before
    assert marginal > -after - 0.05


def test_the_bound_of_a_categorical_latent_is_exact_at_the_true_posterior() -> None:
    model = small(width=2, latent=2, latent_kind="categorical", decoder_layers=0)
    x, which = torch.randn(1, 7, 2), torch.zeros(1, dtype=torch.int64)
    each = torch.eye(2)[None, :, None].expand(1, 2, 7, 2)
    log_joint = torch.stack([model.decoders.log_prob(x, each[:, k], which) for k in range(2)], -1) - math.log(2)
    q = model.posterior(x, x)._replace(logits=log_joint)
    torch.testing.assert_close(q.bound(model.decoders, x, which), log_joint.logsumexp(-1))


FINE = torch.zeros(1, 3, 6)


@pytest.mark.parametrize(
    ("x", "context", "mask", "part"),
    [
        (FINE, FINE[:, :1], None, "1 of the samples"),
        (FINE, FINE[:, :0], None, "0 of the samples"),
        (FINE, FINE, torch.tensor([[True, False, False]]), "1 of the samples"),
        (FINE, torch.zeros(1, 3, 5), None, r"\(1, 3, 5\)"),
        (torch.zeros(3, 6), FINE, None, r"\(3, 6\)"),
        (FINE, FINE.repeat(2, 1, 1), None, "2 contexts for 1 rows"),
        (FINE, FINE, torch.ones(1, 2, dtype=torch.bool), "mask"),
        (FINE, FINE / 0, None, "not finite"),
        (FINE + math.inf, FINE, None, "not finite"),
    ],
)
def test_what_can_not_be_read_is_said_in_a_sentence(
    x: torch.Tensor, context: torch.Tensor, mask: torch.Tensor | None, part: str
) -> None:
    with pytest.raises(RequestError, match=part) as caught:
        small().embed(x, context, mask)
    assert caught.value.next_step
