"""What is asked of style vectors in training, beside that the music be told better with them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.autoencoder import Window

TEMPERATURE = 0.1  # of the contrast between styles


def spreads(window: Window) -> Tensor:
    """Mean and spread of each field over the steps of each window, (batch, 2 × fields), standard over the batch."""
    weight = window.valid[..., None].float()
    values, steps = window.tokens.float(), weight.sum(1).clamp(min=1)
    mean = (values * weight).sum(1) / steps
    spread = (((values - mean[:, None]) ** 2 * weight).sum(1) / steps).sqrt()
    both = torch.cat([mean, spread], -1)
    return (both - both.mean(0)) / both.std(0).clamp(min=1e-3)


def contrast(style: Tensor) -> Tensor:
    """Nats by which styles (batch, width) do not know the other of their pair, 2k and 2k + 1, among all others: NT-Xent
    (Chen et al. 2020, section 2.1)."""
    styles = nn.functional.normalize(style.float(), dim=-1)
    likeness = (styles @ styles.T / TEMPERATURE).fill_diagonal_(float("-inf"))
    partner = torch.arange(len(style), device=style.device) ^ 1
    return nn.functional.cross_entropy(likeness, partner)
