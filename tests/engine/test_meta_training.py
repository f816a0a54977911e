"""MetaVAE's experiments: their data sets, the models compared, selection on validation, the read-outs."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.errors import RequestError
from engine.metavae import Batch, MetaVAEConfig
from engine.training.meta_families import FAMILIES, UNSEEN, ParameterEncoder
from engine.training.meta_images import FACTORS, OF_VIEWS, SPLITS, Digits, transformed
from engine.training.meta_mixtures import errors, mixtures
from engine.training.meta_norb import read_mat, read_norb
from engine.training.meta_readout import accuracy, distances
from engine.training.meta_rivals import VAE, Homoencoder, NeuralStatistician, PointwiseVI
from engine.training.meta_stand_in import stand_in
from engine.training.meta_training import Schedule, fit, seeded

TINY = MetaVAEConfig(4, latent=2, hidden=8, summary=8, likelihood="gaussian")


@pytest.mark.parametrize("family", FACTORS)
@pytest.mark.parametrize("split", SPLITS)
def test_seen_and_unseen_values_are_all_values_once(family: str, split: str) -> None:
    seen, unseen = FACTORS[family].split(split)
    assert sorted(seen + unseen) == list(range(len(FACTORS[family].values)))
    assert seen and unseen


def test_the_interleaved_split_of_the_scales_is_the_specification_s() -> None:
    values = FACTORS["scale"].values
    seen, unseen = FACTORS["scale"].split("interleaved")
    assert [values[i] for i in unseen] == [0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8]
    assert [values[i] for i in FACTORS["scale"].split("sparse")[0]] == [0.6, 1.0, 1.4, 1.8]
    assert len(seen) == 8


def corner() -> Tensor:
    """A bright square above the middle, to the right."""
    image = torch.zeros(1, 28, 28, dtype=torch.uint8)
    image[0, 4:8, 18:22] = 255
    return image


def centre(image: Tensor) -> tuple[float, float]:
    """Of brightness, from the middle: (right, up)."""
    weights = image.reshape(28, 28).double()
    place = torch.arange(28).double() - 13.5
    return float((weights.sum(0) * place).sum() / weights.sum()), float(-(weights.sum(1) * place).sum() / weights.sum())


@pytest.mark.parametrize(
    ("family", "value", "where"),
    [
        ("rotation", 0.0, (6.0, 8.0)),
        ("rotation", 180.0, (-6.0, -8.0)),
        ("rotation", 90.0, (8.0, -6.0)),
        ("scale", 2.0, (3.0, 4.0)),
        ("skew", 0.0, (6.0, 8.0)),
        ("skew", -180.0, (6.0, -8.0)),
    ],
)
def test_an_image_is_moved_about_its_centre(family: str, value: float, where: tuple[float, float]) -> None:
    found = centre(transformed(corner(), family, value))
    if family == "rotation" and value == 90.0:  # which way round is a convention; half a turn later is the other
        found = found if found[0] > 0 else (-found[0], -found[1])
    assert found == pytest.approx(where, abs=0.6)


def test_all_skews_differ() -> None:
    skewed = torch.cat([transformed(corner(), "skew", value) for value in FACTORS["skew"].values]).float()
    assert torch.pdist(skewed).min() > 1.0


def mnist(folder: Path, count: int = 60) -> Path:
    random = np.random.default_rng(0)
    parts = {"train": count, "test": count // 3}
    arrays = {f"x_{name}": random.integers(256, size=(n, 28, 28)).astype(np.uint8) for name, n in parts.items()}
    arrays |= {f"y_{name}": (np.arange(n) % 10).astype(np.uint8) for name, n in parts.items()}
    np.savez_compressed(folder / "mnist.npz", **arrays)  # type: ignore[arg-type]
    return folder / "mnist.npz"


def test_validation_images_are_no_training_images(tmp_path: Path) -> None:
    digits = Digits(mnist(tmp_path), (1000, 1000, 1000))
    parts = {name: digits.part("rotation", 9, name).images for name in ("train", "validation", "test")}
    assert [len(part) for part in parts.values()] == [50, 10, 20]
    rows = {tuple(row.tolist()) for part in parts.values() for row in part}
    assert len(rows) == 80


def test_a_broken_mnist_is_one_sentence(tmp_path: Path) -> None:
    file = mnist(tmp_path)
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(RequestError, match="cut short"):
        Digits(file, (10, 10, 10))
    with pytest.raises(RequestError, match="There is no"):
        Digits(tmp_path / "none.npz", (10, 10, 10))


@pytest.mark.parametrize("family", OF_VIEWS)
def test_views_by_two_values_of_a_factor_come_in_the_same_order(family: str) -> None:
    views = stand_in(elevations=2, azimuths=3, instances=6)
    order = np.random.default_rng(0).permutation(len(views.images))
    views = type(views)(views.images[order], views.facts[order], views.parts)
    first, second = (views.part(family, value, "test") for value in (0, 1))
    assert len(first.labels) == len(second.labels) > 0
    assert torch.equal(first.labels, second.labels)
    other = [column for column in range(5) if column != 2 + OF_VIEWS.index(family)]
    looked_up = {
        tuple(image): tuple(fact[other]) for image, fact in zip(views.images.tolist(), views.facts, strict=True)
    }
    same = [
        looked_up[tuple(a.tolist())] == looked_up[tuple(b.tolist())]
        for a, b in zip(first.images, second.images, strict=True)
    ]
    assert np.mean(same) > 0.9  # a few views look alike under two lights


def write_mat(file: Path, array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> None:
    magic = {1: 0x1E3D4C55, 4: 0x1E3D4C54}[array.itemsize]
    axes = [*array.shape, *[1] * (3 - array.ndim)]
    file.write_bytes(struct.pack(f"<2i{len(axes)}i", magic, array.ndim, *axes) + array.tobytes())


def norb(folder: Path) -> Path:
    random = np.random.default_rng(0)
    for part, instances in (("training", (4, 9)), ("testing", (0, 1))):
        info = np.array([(i, e, 2 * a, light) for i in instances for e in (0, 1) for a in (0, 1) for light in (0, 1)])
        write_mat(folder / f"a-{part}-dat.mat", random.integers(256, size=(len(info), 2, 96, 96)).astype(np.uint8))
        write_mat(folder / f"a-{part}-cat.mat", (np.arange(len(info)) % 5).astype("<i4"))
        write_mat(folder / f"a-{part}-info.mat", info.astype("<i4"))
    return folder


def test_small_norb_is_read_from_its_own_files(tmp_path: Path) -> None:
    views = read_norb(norb(tmp_path))
    assert views.images.shape == (32, 1024)
    assert views.parts == {"train": (4,), "validation": (9,), "test": (0, 1)}
    assert views.facts[:, 3].tolist()[:4] == [0, 0, 1, 1]  # azimuths are written by twos
    dat = np.asarray(read_mat(tmp_path / "a-training-dat.mat")).astype(float)
    assert views.images[0, 0] == round(dat[0, 0, :3, :3].mean())
    assert len(views.part("azimuth", 1, "test").labels) == 8


@pytest.mark.parametrize(
    ("kept", "part"), [(1000, "cut short"), (3, "cut short"), (0, "cut short"), (None, "There is no")]
)
def test_a_truncated_mat_file_is_one_sentence(tmp_path: Path, kept: int | None, part: str) -> None:
    file = norb(tmp_path) / "a-testing-dat.mat"
    if kept is None:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(RequestError, match=part):
        read_norb(tmp_path)


def toy(sets: int = 3) -> Batch:
    draw = torch.Generator().manual_seed(0)
    points = torch.randn(sets, 30, 4, generator=draw) + torch.arange(sets)[:, None, None]
    return Batch(points[:, :20], points[:, 20:], torch.arange(sets))


MADE = {
    "vae for all": lambda: VAE(TINY, 1, 1),
    "vae for each": lambda: VAE(TINY, 3, 3),
    "naive": lambda: VAE(TINY, 1, 3),
    "pointwise": lambda: PointwiseVI(TINY, 3, 20),
    "statistician": lambda: NeuralStatistician(TINY, 5),
    "homoencoder": lambda: Homoencoder(TINY, 100, 5),
}


@pytest.mark.parametrize("name", MADE)
def test_every_rival_learns(name: str) -> None:
    batch = toy()

    def worth(model: nn.Module) -> float:
        torch.manual_seed(0)
        return float(np.mean([model.loss(batch).item() for _ in range(10)]))  # type: ignore[operator]

    begun = worth(seeded(MADE[name], 0))  # type: ignore[arg-type]
    trained = fit(seeded(MADE[name], 0), lambda random: batch, worth, Schedule(100, 1e-2, 2), seed=0)  # type: ignore[arg-type]
    assert worth(trained) < begun - 0.5


def test_the_divergence_of_c_counts_once_a_set_or_one_in_its_size() -> None:
    """Where z and x don't depend on c, a wide q(c | D) costs its divergence divided by the set's size."""
    batch, extra = toy(), {}
    for name, model in (("ns", NeuralStatistician(TINY, 5)), ("vhe", Homoencoder(TINY, 100, 5))):
        with torch.no_grad():
            for net in (model.statistic, model.prior[0], model.encoder[0], model.decoder.layers[0]):
                net.weight.zero_()  # type: ignore[union-attr, operator]
            losses = []
            for mean in (0.0, 10.0):
                model.statistic.bias[:] = torch.tensor([mean] * 5 + [0.0] * 5)
                torch.manual_seed(0)
                losses.append(float(model.loss(batch)))
        extra[name] = losses[1] - losses[0]
    assert extra["ns"] == pytest.approx(0.5 * 5 * 100 / 10, rel=1e-3)  # ten samples in a context
    assert extra["vhe"] == pytest.approx(0.5 * 5 * 100 / 100, rel=1e-3)


def test_the_weights_kept_are_the_best_on_validation_and_a_seed_repeats_them() -> None:
    batch, asked = toy(), []

    def worth(model: nn.Module) -> float:
        asked.append([part.clone() for part in model.parameters()])
        return abs(len(asked) - 2.0)  # the second time is the best

    make = lambda: VAE(TINY, 1, 1)  # noqa: E731
    model = fit(seeded(make, 3), lambda random: batch, worth, Schedule(20, 1e-2, 4), seed=3)
    assert len(asked) == 4
    assert all(torch.equal(a, b) for a, b in zip(asked[1], model.parameters(), strict=True))
    again = fit(seeded(make, 3), lambda random: batch, lambda model: 0.0, Schedule(20, 1e-2, 4), seed=3)
    assert torch.equal(next(again.parameters()), asked[0][0])


def test_a_read_out_finds_what_is_linear_and_nothing_where_there_is_nothing() -> None:
    draw = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (600,), generator=draw)
    plain = torch.randn(600, 5, generator=draw)
    told = plain + 4 * torch.nn.functional.one_hot(labels, 5)
    assert accuracy(told[:400], labels[:400], told[400:], labels[400:]) > 0.97
    assert accuracy(plain[:400], labels[:400], plain[400:], labels[400:]) < 0.45


def test_distances_are_over_all_pairs_and_the_relative_one_ignores_scale() -> None:
    codes = torch.tensor([[[0.0], [10.0]], [[3.0], [10.0]], [[0.0], [16.0]]])  # (transformations, things, width)
    own, between = distances(codes)
    assert own == pytest.approx(((3 + 0 + 3) / 3 + (0 + 6 + 6) / 3) / 2)
    assert between == pytest.approx((10 + 7 + 16) / 3)
    scaled = distances(codes / 100)
    assert scaled[0] / scaled[1] == pytest.approx(own / between)


def test_clusters_are_compared_under_the_better_labelling() -> None:
    labels = np.array([[0, 0, 1, 1], [0, 1, 0, 1]])
    assert errors(1 - labels, labels).tolist() == [0, 0]
    assert errors(np.array([[0, 0, 0, 1], [0, 0, 0, 0]]), labels).tolist() == [0.25, 0.5]


def test_bayes_errs_as_often_as_the_distance_of_the_means_says() -> None:
    fresh = mixtures(np.random.default_rng(0), 300, 1000)
    apart = np.linalg.norm(fresh.means[:, 0] - fresh.means[:, 1], axis=1) * 5
    expected = [torch.special.ndtr(torch.tensor(-each / 2)).item() for each in apart]
    assert errors(fresh.clusters_by_bayes(), fresh.labels).mean() == pytest.approx(np.mean(expected), abs=0.004)


@pytest.mark.parametrize(("name", "scale"), [("gaussian", 0.1), ("log_normal", 0.1), ("exponential", None)])
def test_log_densities_are_those_of_the_families(name: str, scale: float | None) -> None:
    x, z = torch.rand(7, 2) + 0.1, torch.randn(7, 2)
    made = {
        "gaussian": lambda: torch.distributions.Normal(z, scale),  # type: ignore[arg-type]
        "log_normal": lambda: torch.distributions.LogNormal(z, scale),  # type: ignore[arg-type]
        "exponential": lambda: torch.distributions.Exponential(z.exp()),
    }[name]()
    log_prob = FAMILIES[name].log_prob
    assert log_prob is not None
    torch.testing.assert_close(log_prob(x, z), made.log_prob(x).sum(-1))


def test_families_draw_what_their_parameters_say() -> None:
    random, parameters = np.random.default_rng(0), np.array([[0.5, 0.5]])
    means = {name: family.draw(random, parameters, 40_000).mean() for name, family in {**FAMILIES, **UNSEEN}.items()}
    assert means["gaussian"] == pytest.approx(0.5, abs=0.01)
    assert means["log_normal"] == pytest.approx(np.exp(0.505), abs=0.02)
    assert means["exponential"] == pytest.approx(np.exp(-0.5), abs=0.02)
    assert means["beta"] == pytest.approx(0.5, abs=0.01)
    assert means["laplace"] == pytest.approx(0.0, abs=0.02)


def test_the_order_of_samples_and_of_context_sets_does_not_matter() -> None:
    torch.manual_seed(0)
    model, sets = ParameterEncoder(("gaussian",), True, 16), torch.randn(3, 11, 20, 2)
    found = model(sets).mean
    torch.testing.assert_close(model(sets[:, [0, *range(10, 0, -1)]]).mean, found)
    torch.testing.assert_close(model(sets.flip(2)).mean, found)
    assert (model(sets.flip(1)).mean - found).abs().max() > 1e-4  # but the query is not one of the context
