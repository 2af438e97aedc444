"""Sign codebook: binary spherical quantisation (Zhao et al. 2024) with the entropies of LFQ (Yu et al. 2024).

Features lie on the unit sphere, the code is the corner of the cube nearest to them: its id is a Hamming code already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from hashsvc.encoders.reconstruction import PAIRS, PairReconstruction, Pairs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hashsvc.encoders.contract import OnProgress
    from hashsvc.encoders.encoder import CodeEncoder
    from hashsvc.encoders.training_set import TrainingSet


@dataclass(frozen=True, slots=True)
class Config:
    """What a sign codebook is trained with.

    Args:
        certainty: weight of the entropy of one item's bits, which should be small.
        usage: weight of the entropy of the batch's bits, which should be large.
        sharpness: inverse temperature of a bit's chance.
        pairs: what is rebuilt, and for how long.
    """

    certainty: float = 0.2
    usage: float = 2.0
    sharpness: float = 2.0
    pairs: Pairs = PAIRS


def fit_bsq(training: TrainingSet, bits: int, seed: int, progress: OnProgress) -> CodeEncoder:
    """Train one; see the module."""
    config = Config()
    with training.seeded(seed):
        task = PairReconstruction(training, bits, config.pairs, seed)

        def loss_of(paired: NDArray[np.int64], features: torch.Tensor) -> torch.Tensor:
            scaled = functional.normalize(features) * bits**0.5
            corner = torch.where(scaled > 0, 1.0, -1.0)
            code = scaled + (corner - scaled).detach()
            return task.loss(code, paired) + _entropies(scaled, config)

        task.run("bsq", loss_of, progress)
    return task.encoder("bsq")


def _entropies(features: torch.Tensor, config: Config) -> torch.Tensor:
    """Certain bits of an item, evenly used bits of a batch; nats a bit."""
    chance = torch.sigmoid(config.sharpness * features)
    return config.certainty * _entropy(chance).mean() - config.usage * _entropy(chance.mean(dim=0)).mean()


def _entropy(chance: torch.Tensor) -> torch.Tensor:
    kept = chance.clamp(1e-6, 1 - 1e-6)
    return -(kept * kept.log() + (1 - kept) * (1 - kept).log())
