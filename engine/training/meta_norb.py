"""Small NORB (LeCun, Huang, Bottou 2004) from its own `.mat` files, and the stand-in for those who lack them.

A file is a little-endian array: a magic number for its type, the number of axes, each axis (three at least are
written), then the values. `…-dat.mat` has (n, 2 cameras, 96, 96) bytes, `…-cat.mat` (n,) classes, `…-info.mat` (n, 4)
instance, elevation 0..8, azimuth 0..34 by twos, lighting 0..5. The first camera is taken, shrunk to 32 × 32.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import RequestError
from engine.training.meta_images import Views

TYPES = {0x1E3D4C55: "u1", 0x1E3D4C54: "<i4"}
SIDE = 32  # pixels
HELD = 9  # the training instance kept for validation


def read_mat(file: Path) -> NDArray[np.generic]:
    """One file's array. Raises RequestError where it is missing, cut short, or of another type."""
    try:
        content = file.read_bytes()
        magic, axes = struct.unpack_from("<2i", content)
        kind = np.dtype(TYPES[magic])
        shape = struct.unpack_from(f"<{max(3, axes)}i", content, 8)[:axes]
        if min(shape) < 0:
            raise ValueError("an axis is less than nothing")
        return np.frombuffer(content, kind, math.prod(shape), 8 + 4 * max(3, axes)).reshape(shape)
    except FileNotFoundError as error:
        raise RequestError(f"There is no {file}", "Give the folder of small NORB's six .mat files") from error
    except (OSError, KeyError, ValueError, struct.error) as error:
        raise RequestError(f"{file} is no small NORB file, or is cut short", "Download it again") from error


def read_norb(folder: Path) -> Views:
    """Train and test as they are published; one training instance of each class is for validation."""
    images, facts, instances = [], [], {}
    for part in ("training", "testing"):
        found = {name: _named(folder, part, name) for name in ("dat", "cat", "info")}
        dat, cat, info = (read_mat(found[name]) for name in ("dat", "cat", "info"))
        if dat.shape[1:] != (2, 96, 96) or cat.shape != dat.shape[:1] or info.shape != (len(dat), 4):
            raise RequestError(f"The {part} files in {folder} don't belong together", "Download them again")
        images.append(dat[:, 0].reshape(-1, SIDE, 3, SIDE, 3).mean((2, 4)).round().astype(np.uint8))
        facts.append(np.column_stack([cat, info[:, 0], info[:, 1], info[:, 2] // 2, info[:, 3]]).astype(np.int64))
        instances[part] = tuple(int(one) for one in np.unique(info[:, 0]))
    held = tuple(one for one in instances["training"] if one == HELD) or instances["training"][-1:]
    train = tuple(one for one in instances["training"] if one not in held)
    parts = {"train": train, "validation": held, "test": instances["testing"]}
    return Views(np.concatenate(images).reshape(-1, SIDE * SIDE), np.concatenate(facts), parts)


def _named(folder: Path, part: str, name: str) -> Path:
    pattern = f"*{part}-{name}.mat"
    return next(iter(sorted(folder.glob(pattern))), folder / pattern)
