"""VAE hashing (Chaidaroon & Fang, SIGIR 2017): the posterior mean, cut at its training median.

The mean is batch-normalised to unit spread (Zhu et al., ACL 2020), so the divergence from the prior is at least 1/2 nat
a bit whatever the decoder does: the KL term can only widen the posterior, never empty a bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from hashsvc.encoders.loop import Schedule, train
from hashsvc.encoders.networks import InputLayer
from hashsvc.encoders.reconstruction import DENSE, PAIRS, TEXTS, PairReconstruction, Pairs

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
        divergence: weight of the KL term.
        pairs: what is rebuilt.
        texts: epochs, batch and rate for texts.
        dense: the same for images and vectors.
    """

    divergence: float = 1.0
    pairs: Pairs = PAIRS
    texts: Schedule = TEXTS
    dense: Schedule = DENSE


def fit_vae(training: TrainingSet, bits: int, seed: int, progress: OnProgress) -> CodeEncoder:
    """Train one; see the module."""
    config = Config()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        task = PairReconstruction(training, bits, config.pairs, seed)
        spread = InputLayer(training.front.width, bits)
        nn.init.zeros_(spread.weight)

        def loss_of(rows: NDArray[np.int64]) -> torch.Tensor:
            seen = task.seen(rows)
            mean, log_variance = task.network(seen), spread(seen).clamp(-8, 2)
            code = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
            return task.loss(code, rows) + config.divergence * _divergence(mean, log_variance)

        schedule = config.texts if training.terms is not None else config.dense
        train("vae", len(training), [*task.parameters(), *spread.parameters()], loss_of, schedule, seed, progress)
    return task.encoder("vae")


def _divergence(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """KL from the standard normal prior, nats an item."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()
