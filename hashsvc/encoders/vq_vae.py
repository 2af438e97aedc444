"""VQ-VAE (van den Oord et al., NeurIPS 2017): a product of codebooks that follow the features as moving averages.

An entry that nothing chooses is born again at a random feature of the batch (Dhariwal et al. 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hashsvc.encoders.assembly import features_of
from hashsvc.encoders.codebook import relabelled
from hashsvc.encoders.precision import whole
from hashsvc.encoders.reconstruction import PAIRS, PairReconstruction, Pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.encoders.contract import OnProgress
    from hashsvc.encoders.encoder import CodeEncoder
    from hashsvc.encoders.training_set import TrainingSet

DECAY = 0.97
DEAD = 0.1
ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Config:
    """What a VQ-VAE is trained with.

    Args:
        entries: code vectors of a codebook, 16 or 256: every 4 or 8 bits name one.
        width: features that one codebook quantises.
        commitment: weight of the mean squared distance from features to their code vectors.
        pairs: what is rebuilt, and for how long.
    """

    entries: int = 16
    width: int = 2
    commitment: float = 4.0
    pairs: Pairs = PAIRS


class MovingCodebook(nn.Module):
    """Code vectors as running means of the features that choose them.

    Args:
        groups: codebooks.
        entries: code vectors in each.
        width: features in each.
    """

    def __init__(self, groups: int, entries: int, width: int) -> None:
        super().__init__()
        self.vectors: torch.Tensor
        self.chosen: torch.Tensor
        self.sums: torch.Tensor
        self.register_buffer("vectors", torch.randn(groups, entries, width))
        self.register_buffer("chosen", torch.ones(groups, entries))
        self.register_buffer("sums", self.vectors.clone())

    def numbers(self, grouped: torch.Tensor) -> torch.Tensor:
        """The nearest code vector of each of the features ``float32[groups, n, width]``: ``int64[groups, n]``."""
        return torch.cdist(grouped, self.vectors).argmin(dim=2)

    def quantise(self, features: torch.Tensor) -> torch.Tensor:
        """The nearest code vectors ``float32[n, groups * width]`` of features; they move towards them."""
        groups, entries, width = self.vectors.shape
        grouped = features.detach().float().reshape(len(features), groups, width).transpose(0, 1)
        with whole(features.device):
            numbers = self.numbers(grouped)
            nearest = self.vectors.gather(1, numbers[:, :, None].expand(-1, -1, width))
            self._follow(grouped, functional.one_hot(numbers, entries).float())
        return nearest.transpose(0, 1).reshape(len(features), -1)

    def _follow(self, grouped: torch.Tensor, picks: torch.Tensor) -> None:
        self.chosen.lerp_(picks.sum(dim=1), 1 - DECAY)
        self.sums.lerp_(picks.transpose(1, 2) @ grouped, 1 - DECAY)
        dead = self.chosen < DEAD
        if dead.any():
            group, _ = dead.nonzero(as_tuple=True)
            self.sums[dead] = grouped[group, torch.randint(0, grouped.shape[1], (len(group),), device=group.device)]
            self.chosen[dead] = 1.0
        self.vectors.copy_(self.sums / self.chosen[:, :, None])


def fit_vq_vae(training: TrainingSet, bits: int, seed: int, progress: OnProgress) -> CodeEncoder:
    """Train one; see the module."""
    config = Config()
    groups = bits // (config.entries.bit_length() - 1)
    with training.seeded(seed):
        task = PairReconstruction(training, groups * config.width, config.pairs, seed)
        codebook = MovingCodebook(groups, config.entries, config.width)

        def loss_of(paired: NDArray[np.int64], found: torch.Tensor) -> torch.Tensor:
            nearest = codebook.quantise(found)
            code = found + (nearest - found).detach()
            return task.loss(code, paired) + config.commitment * functional.mse_loss(found, nearest)

        task.run("vq_vae", loss_of, progress, (codebook,))
    found = features_of(training, task.network)
    return task.encoder("vq_vae", relabelled(settled(found, codebook.vectors.numpy()), seed))


def settled(found: NDArray[np.float32], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Code vectors ``float32[groups, entries, width]`` at the means of the features nearest to them (Lloyd 1982)."""
    groups, entries, width = vectors.shape
    grouped = torch.from_numpy(found.reshape(len(found), groups, width)).transpose(0, 1).contiguous()
    centres = torch.from_numpy(vectors.copy())
    for _ in range(ROUNDS):
        numbers = torch.cdist(grouped, centres).argmin(dim=2)
        counts = torch.zeros(groups, entries).scatter_add_(1, numbers, torch.ones_like(numbers, dtype=torch.float32))
        sums = torch.zeros_like(centres).scatter_add_(1, numbers[:, :, None].expand(-1, -1, width), grouped)
        centres = torch.where(counts[:, :, None] > 0, sums / counts[:, :, None].clamp_min(1), centres)
    return np.ascontiguousarray(centres.numpy())
