"""A stand-in for small NORB that this project renders itself: five kinds of solids seen from everywhere.

Boxes, cylinders, cones, rings and dumb-bells, ten instances each with proportions of their own, by 9 elevations (30° to
70°), 18 azimuths and 6 lights, as 32 × 32 grey images. Solids are signed distances, rays walk to their surface, and a
surface is lit by the angle to the light. Instances 0 to 3 are for training, 4 for validation, 5 to 9 for the test.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from engine.training.meta_images import Views
from engine.training.meta_norb import SIDE

ELEVATIONS, AZIMUTHS, LIGHTS, INSTANCES = 9, 18, 6, 10
PARTS = {"train": (0, 1, 2, 3), "validation": (4,), "test": (5, 6, 7, 8, 9)}
STEPS, FAR, NEAR = 24, 6.0, 2e-3  # of a ray's walk; lengths in units of the picture's half side
BACKGROUND, AMBIENT = 0.1, 0.2  # of full brightness
LIGHTINGS = ((0, 60), (90, 40), (180, 60), (270, 40), (45, 20), (0, 89))  # azimuth from the camera's zero, elevation

Distance = Callable[[Tensor, Tensor], Tensor]  # points (…, 3), proportions (3,) -> (…)


def _length(p: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(p, dim=-1)
    return length


def _box(p: Tensor, size: Tensor) -> Tensor:
    outside = p.abs() - torch.stack([size[0], size[1], size[2]])
    return _length(outside.clamp(min=0)) + outside.amax(-1).clamp(max=0)


def _cylinder(p: Tensor, size: Tensor) -> Tensor:
    outside = torch.stack([_length(p[..., 1:]) - size[1], p[..., 0].abs() - size[0]], -1)
    return _length(outside.clamp(min=0)) + outside.amax(-1).clamp(max=0)


def _cone(p: Tensor, size: Tensor) -> Tensor:
    radius = size[1] * (size[0] - p[..., 0]) / size[0]
    return torch.maximum(0.7 * (_length(p[..., 1:]) - radius), p[..., 0].abs() - size[0])


def _ring(p: Tensor, size: Tensor) -> Tensor:
    across = _length(p[..., 1:]) - size[0]
    return _length(torch.stack([across, p[..., 0]], -1)) - 0.45 * size[2]


def _dumb_bell(p: Tensor, size: Tensor) -> Tensor:
    end = _length(torch.stack([p[..., 0].abs() - size[0], p[..., 1], p[..., 2]], -1)) - 0.8 * size[1]
    bar = torch.maximum(_length(p[..., 1:]) - 0.3 * size[2], p[..., 0].abs() - size[0])
    return torch.minimum(end, bar)


SOLIDS: tuple[Distance, ...] = (_box, _cylinder, _cone, _ring, _dumb_bell)


def stand_in(
    elevations: int = ELEVATIONS, azimuths: int = AZIMUTHS, instances: int = INSTANCES, seed: int = 0
) -> Views:
    """Every view of every instance; fewer of them for a quick run, the first ones."""
    random = np.random.default_rng(seed)
    images, facts = [], []
    for kind, solid in enumerate(SOLIDS):
        sizes = random.uniform((0.45, 0.25, 0.25), (0.65, 0.45, 0.45), (INSTANCES, 3))
        for instance, size in enumerate(sizes[:instances]):
            of_views = torch.tensor(size, dtype=torch.float32)
            for elevation in range(elevations):
                shaded = _views(solid, of_views, 30.0 + 5 * elevation, azimuths)
                images.append((255 * shaded).round().to(torch.uint8).flatten(0, 1).flatten(1).numpy())
                for azimuth in range(azimuths):
                    facts += [(kind, instance, elevation, azimuth, light) for light in range(LIGHTS)]
    return Views(np.concatenate(images), np.array(facts, np.int64), PARTS)


def _views(solid: Distance, size: Tensor, elevation: float, azimuths: int) -> Tensor:
    """One solid from every azimuth under every light: (azimuths, LIGHTS, SIDE, SIDE), 0 to 1."""
    turns = torch.arange(azimuths) * (360.0 / AZIMUTHS)
    toward = _direction(turns, torch.full_like(turns, elevation))  # to the camera, parallel rays
    right = torch.stack([-torch.sin(torch.deg2rad(turns)), torch.cos(torch.deg2rad(turns)), 0 * turns], -1)
    up = torch.linalg.cross(toward, right)
    place = torch.linspace(-1, 1, SIDE + 1)[:-1] + 1 / SIDE
    across, down = place[None, :, None], -place[:, None, None]
    start = (right[:, None, None] * across + up[:, None, None] * down) + 0.5 * FAR * toward[:, None, None]
    walked = torch.zeros(start.shape[:-1])
    for _ in range(STEPS):
        walked += solid(start - walked[..., None] * toward[:, None, None], size)
    points = start - walked[..., None] * toward[:, None, None]
    is_hit = solid(points, size) < 10 * NEAR
    nudge = NEAR * torch.eye(3)
    normals = torch.stack([solid(points + d, size) - solid(points - d, size) for d in nudge], -1)
    lights = _direction(*torch.tensor(LIGHTINGS, dtype=torch.float32).T)
    lit = AMBIENT + (1 - AMBIENT) * (torch.nn.functional.normalize(normals, dim=-1) @ lights.T).clamp(min=0)
    return torch.where(is_hit[..., None], lit, BACKGROUND).movedim(-1, 1)


def _direction(azimuth: Tensor, elevation: Tensor) -> Tensor:
    """Degrees -> unit vectors (…, 3)."""
    turn, rise = torch.deg2rad(azimuth), torch.deg2rad(elevation)
    return torch.stack([rise.cos() * turn.cos(), rise.cos() * turn.sin(), rise.sin()], -1)
