"""Families of image data sets for MetaVAE: each value of one factor, such as an angle, gives a data set of its own.

MNIST is turned (−180° to 160°), scaled (0.5 to 1.9; more than 1 zooms out) and skewed (−180° to 160°): the point (x, y)
goes to (x − y sin a, y cos a), so all 18 skews differ, and near ±90° an image is pressed to a line. Views of solids,
real small NORB or the stand-in, are grouped by elevation, azimuth or lighting.
Some values are trained on, the others are unseen: every second (interleaved), a few (sparse), or the first half
(contiguous).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from engine.errors import RequestError

Matrix = tuple[tuple[float, float], tuple[float, float]]
SPLITS = ("interleaved", "sparse", "contiguous")


class Factor(NamedTuple):
    """What varies: its values, which of them a sparse split trains on, and how many a contiguous one."""

    values: tuple[float, ...]
    sparse: tuple[int, ...]
    contiguous: int

    def split(self, name: str) -> tuple[list[int], list[int]]:
        """Indices of the values trained on, and of the unseen."""
        places = range(len(self.values))
        seen = {"interleaved": places[::2], "sparse": self.sparse, "contiguous": places[: self.contiguous]}[name]
        return list(seen), [place for place in places if place not in seen]


ANGLES = tuple(float(angle) for angle in range(-180, 180, 20))
FACTORS = {
    "rotation": Factor(ANGLES, (1, 5, 9, 13, 17), 10),
    "scale": Factor(tuple(round(0.5 + 0.1 * step, 1) for step in range(15)), (1, 5, 9, 13), 8),
    "skew": Factor(ANGLES, (1, 5, 9, 13, 17), 10),
    "elevation": Factor(tuple(map(float, range(9))), (1, 4, 7), 5),
    "azimuth": Factor(tuple(map(float, range(18))), (0, 4, 8, 12, 16), 9),
    "lighting": Factor(tuple(map(float, range(6))), (1, 4), 3),
}
OF_DIGITS, OF_VIEWS = ("rotation", "scale", "skew"), ("elevation", "azimuth", "lighting")


def _matrix(family: str, value: float) -> Matrix:
    """Where in the image given each point of the image made is looked up."""
    if family == "scale":
        return (value, 0.0), (0.0, value)
    sine, cosine = math.sin(math.radians(value)), math.cos(math.radians(value))
    return ((cosine, -sine), (sine, cosine)) if family == "rotation" else ((1.0, sine / cosine), (0.0, 1 / cosine))


def transformed(images: Tensor, family: str, value: float) -> Tensor:
    """Images moved about their centre, bilinear, black outside. (n, side, side) uint8 -> (n, side · side) uint8."""
    rows = [[*row, 0.0] for row in _matrix(family, value)]
    made = []
    for some in torch.split(images, 2000):
        grid = functional.affine_grid(torch.tensor([rows]), [1, 1, *images.shape[1:]], align_corners=False)
        pixels = functional.grid_sample(some[:, None].float(), grid.expand(len(some), -1, -1, -1), align_corners=False)
        made.append(pixels.round().clamp(0, 255).to(torch.uint8).flatten(1))
    return torch.cat(made)


@dataclass(frozen=True)
class Part:
    """Images of one data set. images: (n, pixels) uint8, labels: (n,) int64."""

    images: Tensor
    labels: Tensor

    def floats(self, rows: Tensor | slice = slice(None)) -> Tensor:
        """Images as numbers from 0 to 1: (…, pixels) float32."""
        return self.images[rows].float() / 255


class Images(Protocol):
    """What a family's data sets are read from. The parts are train, validation and test."""

    def part(self, family: str, value: int, name: str) -> Part:
        """One part of the data set that the family's value of this index gives."""


class Digits:
    """MNIST. limits: at most so many images of train, validation and test."""

    def __init__(self, file: Path, limits: tuple[int, int, int]) -> None:
        arrays = _mnist(file)
        images, labels = (torch.from_numpy(arrays[f"{name}_train"]) for name in "xy")
        train, validation, test = limits
        held = len(images) // 6  # the last 10,000 of 60,000
        self._parts = {
            "train": (images[:-held][:train], labels[:-held][:train].long()),
            "validation": (images[-held:][:validation], labels[-held:][:validation].long()),
            "test": tuple(torch.from_numpy(arrays[f"{name}_test"][:test]) for name in "xy"),
        }

    def part(self, family: str, value: int, name: str) -> Part:
        """All images of a part by the family's value of this index."""
        images, labels = self._parts[name]
        return Part(transformed(images, family, FACTORS[family].values[value]), labels.long())


def _mnist(file: Path) -> dict[str, NDArray[np.uint8]]:
    remedy = "Give an mnist.npz with x_train, y_train, x_test and y_test"
    try:
        with np.load(file) as archive:
            arrays = {name: np.asarray(archive[name]) for name in ("x_train", "y_train", "x_test", "y_test")}
    except FileNotFoundError as error:
        raise RequestError(f"There is no {file}", remedy) from error
    except (OSError, KeyError, ValueError, EOFError, BadZipFile) as error:
        raise RequestError(f"{file} is not MNIST, or is cut short", remedy) from error
    for part in ("train", "test"):
        images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
        if images.ndim != 3 or images.dtype != np.uint8 or len(images) != len(labels) or len(images) < 6:
            raise RequestError(f"The images of {file} have the shape {images.shape}", remedy)
    return arrays


@dataclass(frozen=True)
class Views:
    """Photographs or renderings of solids.

    images: (n, pixels) uint8. facts: (n, 5) int: class, instance, elevation, azimuth, lighting, each from 0.
    parts: the instances of train, validation and test. Items of any two values of a factor come in the same order.
    """

    images: NDArray[np.uint8]
    facts: NDArray[np.int64]
    parts: dict[str, tuple[int, ...]]

    def part(self, family: str, value: int, name: str) -> Part:
        """The views of a part's instances with the factor's value of this index."""
        column = 2 + OF_VIEWS.index(family)
        chosen = (self.facts[:, column] == value) & np.isin(self.facts[:, 1], self.parts[name])
        places = np.flatnonzero(chosen)
        places = places[np.lexsort(self.facts[places].T[::-1])]
        return Part(torch.from_numpy(self.images[places]), torch.from_numpy(self.facts[places, 0]))
