"""Decoders for training: codes back to items. Words under a softmax, pixels as chances, numbers as means.

Every loss is given as a share of what the items cost without any code, so that 1 is "knows nothing" for every kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hashsvc.encoders.fronts.text import Bag

if TYPE_CHECKING:
    from hashsvc.encoders.fronts import Batch
    from hashsvc.encoders.training_set import TrainingSet

LEAST = 1e-6


class Decoder(nn.Module):
    """Rebuilds items from codes."""

    def loss(self, codes: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Mean loss (a scalar) of rebuilding ``batch`` from ``codes`` ``float32[n, d]``; 1 without any knowledge."""
        raise NotImplementedError


class WordDecoder(Decoder):
    """Every word of a text is drawn from one softmax over the vocabulary (Chaidaroon & Fang, SIGIR 2017).

    The softmax runs over the words of the batch: the others' shares would only be pushed down, at several times the
    cost. N-gram columns behind the words are not predicted; a text without a known word costs nothing.

    Args:
        codes: numbers in a code.
        shares: ``float32[words]``, share of each word in all texts; the bias starts there.
    """

    def __init__(self, codes: int, shares: torch.Tensor) -> None:
        super().__init__()
        known = shares.clamp_min(LEAST / len(shares))
        self.words = len(shares)
        self.nats = float(-(shares * known.log()).sum().clamp_min(-LEAST)) or 1.0
        self.layer = nn.Linear(codes, self.words)
        with torch.no_grad():
            self.layer.bias.copy_(known.log())

    def loss(self, codes: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Cross entropy of the text's share of each word."""
        assert isinstance(batch, Bag)
        sizes = batch.offsets.diff()
        rows = torch.repeat_interleave(torch.arange(len(sizes), device=sizes.device), sizes)
        known = batch.columns < self.words
        rows, columns, weights = rows[known], batch.columns[known], batch.weights[known]
        present, places = torch.unique(columns, return_inverse=True)
        logits = codes @ self.layer.weight[present].T + self.layer.bias[present]
        totals = torch.zeros(len(sizes), device=weights.device).index_add_(0, rows, weights)
        chosen = (weights / totals[rows].clamp_min(LEAST) * logits[rows, places]).sum()
        whole = (logits.logsumexp(dim=1) * (totals > 0)).sum() if len(present) else logits.sum()
        loss: torch.Tensor = (whole - chosen) / (len(sizes) * self.nats)
        return loss


class PixelDecoder(Decoder):
    """A pixel is on with a chance, through one hidden layer.

    Args:
        codes: numbers in a code.
        hidden: units of the hidden layer.
        shares: ``float32[pixels]``, mean of each pixel in [0, 1]; the bias starts there.
    """

    def __init__(self, codes: int, hidden: int, shares: torch.Tensor) -> None:
        super().__init__()
        chances = shares.clamp(1e-3, 1 - 1e-3)
        last = nn.Linear(hidden, len(shares))
        with torch.no_grad():
            last.bias.copy_(chances.logit())
        self.layers = nn.Sequential(nn.Linear(codes, hidden), nn.ReLU(), last)
        self.nats = float(functional.binary_cross_entropy(chances, shares.clamp(0, 1), reduction="sum"))

    def loss(self, codes: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Binary cross entropy, summed over pixels."""
        assert isinstance(batch, torch.Tensor)
        target = batch.flatten(1)
        total = functional.binary_cross_entropy_with_logits(self.layers(codes), target, reduction="sum")
        return total / (len(target) * self.nats)


class VectorDecoder(Decoder):
    """A number is a mean with the same spread everywhere, through one hidden layer.

    Args:
        codes: numbers in a code.
        hidden: units of the hidden layer.
        mean: ``float32[d]``, mean of the training vectors.
        scale: overall spread of their numbers.
    """

    def __init__(self, codes: int, hidden: int, mean: torch.Tensor, scale: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(codes, hidden), nn.ReLU(), nn.Linear(hidden, len(mean)))
        self.mean: torch.Tensor
        self.register_buffer("mean", mean)
        self.scale = scale

    def loss(self, codes: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Mean squared error in units of the spread."""
        assert isinstance(batch, torch.Tensor)
        return functional.mse_loss(self.layers(codes), (batch - self.mean) / self.scale)


def decoder_for(training: TrainingSet, codes: int, hidden: int) -> Decoder:
    """The decoder of a training set's kind, from ``codes`` numbers."""
    if training.terms is not None:
        sums = np.asarray(training.terms[:, : training.learned].sum(axis=0)).ravel()
        return WordDecoder(codes, torch.from_numpy((sums / max(sums.sum(), LEAST)).astype(np.float32)))
    rows = training.rows()
    assert training.dense is not None
    mean = torch.from_numpy(np.asarray(rows.mean(axis=0), dtype=np.float32))
    if training.dense.dtype == torch.uint8:
        return PixelDecoder(codes, hidden, mean)
    return VectorDecoder(codes, hidden, mean, max(float(np.sqrt(rows.var(axis=0).mean())), LEAST))
