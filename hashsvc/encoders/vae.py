"""VAE hashing (Chaidaroon & Fang, SIGIR 2017): the posterior mean, cut at its training median.

The mean is batch-normalised to unit spread (Zhu et al., ACL 2020), so the divergence from the prior is at least 1/2 nat
a bit whatever the decoder does: the KL term can only widen the posterior, never empty a bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from hashsvc.encoders.reconstruction import PAIRS, PairReconstruction, Pairs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hashsvc.encoders.contract import OnProgress
    from hashsvc.encoders.encoder import CodeEncoder
    from hashsvc.encoders.training_set import TrainingSet


@dataclass(frozen=True, slots=True)
class Config:
    """What a VAE is trained with.

    Args:
        divergence: weight of the KL term, a nat a bit.
        pairs: what is rebuilt, and for how long.
    """

    divergence: float = 0.5
    pairs: Pairs = PAIRS


def fit_vae(training: TrainingSet, bits: int, seed: int, progress: OnProgress) -> CodeEncoder:
    """Train one; see the module."""
    config = Config()
    with training.seeded(seed):
        task = PairReconstruction(training, bits, config.pairs, seed)
        spread = nn.Linear(bits, bits)
        nn.init.zeros_(spread.weight)

        def loss_of(paired: NDArray[np.int64], mean: torch.Tensor) -> torch.Tensor:
            log_variance = spread(mean).clamp(-8, 2)
            code = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
            return task.loss(code, paired) + config.divergence * _divergence(mean, log_variance)

        task.run("vae", loss_of, progress, (spread,))
    return task.encoder("vae")


def _divergence(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """KL from the standard normal prior, nats a bit."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
