"""Autoregressive priors over codebook indices: each index is guessed from those before it, and so new ones are drawn.

Over a grid a PixelCNN with gates (van den Oord et al., NeurIPS 2016): masked convolutions in reading order. Over a
sequence a stack of dilated causal convolutions (WaveNet, van den Oord et al. 2016).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from hashsvc.encoders.generation.training import minimise_numbered

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from hashsvc.encoders.contract import OnProgress
    from hashsvc.encoders.loop import Schedule


@dataclass(frozen=True, slots=True)
class Config:
    """What a prior is made and trained with.

    Args:
        channels: numbers kept at a place.
        layers: residual layers.
        steps: batches seen, as near as whole passes come to it.
        batch: grids or sequences of a step, at most.
        rate: highest learning rate.
    """

    channels: int = 32
    layers: int = 4
    steps: int = 600
    batch: int = 64
    rate: float = 3e-3


class MaskedConvolution(nn.Conv2d):
    """A convolution that sees only what comes before in reading order, and the place itself unless ``blind``."""

    def __init__(self, before: int, behind: int, side: int, *, blind: bool = False) -> None:
        super().__init__(before, behind, side, padding=side // 2)
        mask = torch.ones(side, side)
        mask[side // 2, side // 2 + (not blind) :] = 0
        mask[side // 2 + 1 :] = 0
        self.mask: torch.Tensor
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, grid: torch.Tensor) -> torch.Tensor:
        """``float32[n, behind, rows, columns]``."""
        return functional.conv2d(grid, self.weight * self.mask, self.bias, padding=self.padding)


class CausalConvolution(nn.Conv1d):
    """A convolution over two places ``apart``, the later one the place itself; or the two before it if ``blind``."""

    def __init__(self, before: int, behind: int, apart: int, *, blind: bool = False) -> None:
        super().__init__(before, behind, 2, dilation=apart)
        self.back = apart + blind

    def forward(self, sequence: torch.Tensor) -> torch.Tensor:
        """``float32[n, behind, places]``."""
        shifted = functional.pad(sequence, (self.back, 0))
        return super().forward(shifted[:, :, : sequence.shape[2] + self.dilation[0]])


class Prior(nn.Module):
    """Indices ``int64[n, *shape]`` -> logits ``float32[n, entries, *shape]``, each from the indices before it.

    Args:
        shape: (rows, columns) of a grid, or (places,) of a sequence.
        entries: of the codebook.
        channels: see :class:`Config`.
        layers: see there.
    """

    def __init__(self, shape: Sequence[int], entries: int, channels: int, layers: int) -> None:
        super().__init__()
        self.shape, self.entries = tuple(shape), entries
        self.embedding = nn.Embedding(entries, channels)
        self.place = nn.Parameter(torch.zeros(channels, *shape))
        self.first: nn.Module
        if len(self.shape) == 2:
            self.first = MaskedConvolution(channels, channels, 5, blind=True)
            inner: list[nn.Module] = [MaskedConvolution(channels, 2 * channels, 3) for _ in range(layers)]
            self.last: nn.Module = nn.Conv2d(channels, entries, 1)
        else:
            self.first = CausalConvolution(channels, channels, 1, blind=True)
            inner = [CausalConvolution(channels, 2 * channels, 2**n) for n in range(layers)]
            self.last = nn.Conv1d(channels, entries, 1)
        self.inner = nn.ModuleList(inner)

    def forward(self, indices: torch.Tensor) -> torch.Tensor:
        """Logits."""
        seen = self.first(self.embedding(indices).movedim(-1, 1)) + self.place
        for layer in self.inner:
            content, gate = layer(functional.relu(seen)).chunk(2, dim=1)
            seen = seen + torch.tanh(content) * torch.sigmoid(gate)
        logits: torch.Tensor = self.last(functional.relu(seen))
        return logits

    def nats(self, indices: torch.Tensor) -> torch.Tensor:
        """Negative log likelihood ``float32[n]``, summed over places."""
        return functional.cross_entropy(self(indices), indices, reduction="none").flatten(1).sum(dim=1)

    def drawn(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """New indices ``int64[count, *shape]``, one place after the other."""
        indices = torch.zeros(count, math.prod(self.shape), dtype=torch.int64)
        for place in range(indices.shape[1]):
            logits = self(indices.reshape(count, *self.shape)).flatten(2)[:, :, place]
            indices[:, place] = torch.multinomial(logits.softmax(dim=1), 1, generator=generator)[:, 0]
        return indices.reshape(count, *self.shape)


def train_prior(prior: Prior, indices: torch.Tensor, schedule: Schedule, *, seed: int, progress: OnProgress) -> None:
    """Train on ``int64[n, *shape]``; random numbers come from torch's global generator, which the caller seeds.

    Raises:
        FailedPrecondition: the loss is not finite; the message names the step.
    """
    prior.train()

    def terms(numbers: NDArray[np.int64]) -> dict[str, torch.Tensor]:
        return {"indices": prior.nats(indices[torch.from_numpy(numbers).to(indices.device)]).mean()}

    minimise_numbered("prior", len(indices), prior, terms, schedule, seed=seed, progress=progress)
    prior.eval()


def bits_an_index(prior: Prior, indices: torch.Tensor, rows: int = 500) -> float:
    """What an index costs under the prior, in bits; the mean over ``int64[n, *shape]``."""
    with torch.inference_mode():
        total = math.fsum(float(prior.nats(part).sum()) for part in torch.split(indices, rows))
    return total / indices.numel() / math.log(2)


def unigram_bits(indices: torch.Tensor, entries: int) -> float:
    """Entropy of an index by its share alone, in bits."""
    shares = torch.bincount(indices.flatten(), minlength=entries).double() / indices.numel()
    return float(-(shares * shares.clamp_min(1e-300).log2()).sum())
