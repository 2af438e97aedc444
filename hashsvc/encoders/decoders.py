"""Decoders for training: codes back to items. Words under a softmax, pixels as chances, numbers as means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from hashsvc.encoders.fronts.text import Bag

if TYPE_CHECKING:
    from hashsvc.encoders.fronts import Batch
    from hashsvc.encoders.training_set import TrainingSet


class Decoder(nn.Module):
    """Gives the loss of rebuilding items from codes, in nats an item (vectors: half a squared error an item)."""

    def loss(self, codes: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Mean loss (a scalar) of rebuilding ``batch`` from ``codes`` ``float32[n, d]``."""
        raise NotImplementedError


class WordDecoder(Decoder):
    """Every word of a text is drawn from one softmax over the vocabulary (Chaidaroon & Fang, SIGIR 2017).

    Args:
        codes: numbers in a code.
        words: size of the vocabulary; n-gram columns behind it are not predicted.
        draws: words a text counts as: the weight of rebuilding against everything else in a loss.
    """

    def __init__(self, codes: int, words: int, draws: float) -> None:
        super().__init__()
        self.words = words
        self.draws = draws
        self.layer = nn.Linear(codes, words)

    def loss(self, codes: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Cross entropy of the text's share of each word, times ``draws``."""
        assert isinstance(batch, Bag)
        logits = self.layer(codes)
        sizes = batch.offsets.diff()
        rows = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
        known = batch.columns < self.words
        rows, columns, weights = rows[known], batch.columns[known], batch.weights[known]
        totals = torch.zeros(len(sizes)).index_add_(0, rows, weights)
        shares = weights / totals[rows].clamp_min(1e-12)
        chosen = (shares * logits[rows, columns]).sum() / len(sizes)
        present = (totals > 0).float()
        whole = (logits.logsumexp(dim=1) * present).mean()
        loss: torch.Tensor = self.draws * (whole - chosen)
        return loss


class PixelDecoder(Decoder):
    """A pixel is on with a chance (images), through one hidden layer."""

    def __init__(self, codes: int, hidden: int, pixels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(codes, hidden), nn.ReLU(), nn.Linear(hidden, pixels))

    def loss(self, codes: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Binary cross entropy, summed over pixels."""
        assert isinstance(batch, torch.Tensor)
        target = batch.flatten(1)
        total = functional.binary_cross_entropy_with_logits(self.layers(codes), target, reduction="sum")
        return total / len(target)


class VectorDecoder(Decoder):
    """A number is a mean with the spread it has over the training items, through one hidden layer."""

    def __init__(self, codes: int, hidden: int, mean: torch.Tensor, scale: torch.Tensor) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(codes, hidden), nn.ReLU(), nn.Linear(hidden, len(mean)))
        self.mean, self.scale = mean, scale

    def loss(self, codes: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Half the squared error in units of the overall spread, summed over numbers."""
        assert isinstance(batch, torch.Tensor)
        target = (batch - self.mean) / self.scale
        loss: torch.Tensor = 0.5 * (self.layers(codes) - target).square().sum() / len(target)
        return loss


def decoder_for(training: TrainingSet, codes: int, hidden: int, draws: float = 30.0) -> Decoder:
    """The decoder of a training set's kind, from ``codes`` numbers."""
    if training.terms is not None:
        return WordDecoder(codes, training.learned, draws)
    assert training.dense is not None
    if training.dense.dtype == torch.uint8:
        return PixelDecoder(codes, hidden, training.front.width)
    spread = training.dense.std(dim=0).square().mean().sqrt().clamp_min(1e-12)
    return VectorDecoder(codes, hidden, training.dense.mean(dim=0), spread)
