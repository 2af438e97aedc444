"""What an item costs under a rebuilt one, in nats: a pixel is on with a chance, a number is a Gaussian mean.

Pixels in [0, 1] are chances themselves (Hinton & Salakhutdinov 2006); numbers are taken in units of their own spread.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

    Nats = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

LOG_ROOT = 0.5 * math.log(2 * math.pi)


def pixel_nats(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Binary cross entropy ``float32[n]`` of ``target`` ``float32[n, d]`` in [0, 1], summed over pixels."""
    return functional.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(dim=1)


def number_nats(means: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Negative log density ``float32[n]`` under a Gaussian of unit spread, summed over numbers."""
    return (0.5 * (means - target).square() + LOG_ROOT).sum(dim=1)


def squares(means: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Squared error ``float32[n]``, summed: what PCA minimises."""
    return (means - target).square().sum(dim=1)


def divergence(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """KL ``float32[n]`` of diagonal Gaussians ``float32[n, d]`` from the standard normal, in nats."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)
