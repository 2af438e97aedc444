"""What an item costs under a rebuilt one, in nats: pixels are on with a chance, numbers Gaussian means, words drawn.

Pixels in [0, 1] are chances themselves (Hinton & Salakhutdinov 2006); numbers are taken in units of their own spread;
the words of a text come from one softmax (Salakhutdinov & Hinton, NeurIPS 2009).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

    from hashsvc.encoders.fronts.text import Bag

    Nats = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

LEAST = 1e-12
LOG_ROOT = 0.5 * math.log(2 * math.pi)


def pixel_nats(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Binary cross entropy ``float32[n]`` of ``target`` ``float32[n, d]`` in [0, 1], summed over pixels."""
    return functional.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(dim=1)


def number_nats(means: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Negative log density ``float32[n]`` under a Gaussian of unit spread, summed over numbers."""
    return (0.5 * (means - target).square() + LOG_ROOT).sum(dim=1)


def word_nats(logits: torch.Tensor, bag: Bag) -> torch.Tensor:
    """Negative log likelihood ``float32[n]`` of bags of words under a softmax each, ``logits`` ``float32[n, words]``.

    A text is as many draws as it has distinct words: a long one tells more than a short one (Miao et al., ICML 2016,
    sec. 3). Squares of weights share out the draws, which add up to one in a row of unit length: by the weights
    themselves most draws would go to words of every topic. Columns behind the words are not predicted; a text without a
    known word costs nothing.
    """
    sizes = bag.offsets.diff()
    texts = torch.repeat_interleave(torch.arange(len(sizes), device=logits.device), sizes)
    known = bag.columns < logits.shape[1]
    texts, columns, squared = texts[known], bag.columns[known], bag.weights[known].square()
    none = torch.zeros(len(sizes), device=logits.device)
    whole = none.index_add(0, texts, squared).clamp_min(LEAST)
    words = none.index_add(0, texts, (squared > 0).float())
    draws = squared * (words / whole)[texts]
    return none.index_add(0, texts, draws * (logits.logsumexp(dim=1)[texts] - logits[texts, columns]))


def squares(means: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Squared error ``float32[n]``, summed: what PCA minimises."""
    return (means - target).square().sum(dim=1)


def divergence(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """KL ``float32[n]`` of diagonal Gaussians ``float32[n, d]`` from the standard normal, in nats."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)


def sampled(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """One draw of each of these Gaussians, differentiable in both arguments."""
    return mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
