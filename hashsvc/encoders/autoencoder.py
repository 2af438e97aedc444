"""Binary-code autoencoder: reconstruction, a neighbour-graph InfoNCE (van den Oord et al. 2018) and balanced bits.

Codes are Bernoulli samples with a straight-through gradient (Bengio et al. 2013) while training; encoding never
samples. Features leave a batch normalisation without scale, so every bit splits the items in halves from the start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hashsvc.encoders.architecture import architecture_for
from hashsvc.encoders.assembly import assemble, spell_out
from hashsvc.encoders.checkpoints import Checkpoint
from hashsvc.encoders.contract import OnProgress
from hashsvc.encoders.loop import Schedule, train
from hashsvc.encoders.networks import SparseLinear
from hashsvc.encoders.precision import whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.encoders.encoder import CodeEncoder
    from hashsvc.encoders.training_set import TrainingSet


@dataclass(frozen=True, slots=True)
class Config:
    """What the autoencoder is trained with.

    Args:
        steps: batches seen, as near as whole passes come to it; at most 60 passes.
        batch: items of a step, at most; a tenth of the items where there are few.
        rate: highest learning rate.
        temperature: of the InfoNCE over cosines of codes.
        certainty: how sharply a feature decides its bit; a small one is noise against memorising.
        dropout: share of a text's words hidden from the encoder.
        rebuilt: weight of the reconstruction.
    """

    steps: int = 1_300
    batch: int = 512
    rate: float = 3e-3
    temperature: float = 0.25
    certainty: float = 2.0
    dropout: float = 0.5
    rebuilt: float = 1.0


CONFIG = Config()
HIDDEN = 256
PASSES = 60


def fit_autoencoder(training: TrainingSet, bits: int, seed: int, progress: OnProgress) -> CodeEncoder:
    """Train one; see the module."""
    rng = np.random.default_rng(seed)
    batch = min(CONFIG.batch, max(len(training) // 10, 8))
    epochs = min(PASSES, math.ceil(CONFIG.steps / (len(training) // batch)))
    with training.seeded(seed):
        architecture = architecture_for(training, bits, HIDDEN, CONFIG.dropout)
        decoder = _decoder(training, bits)
        target = training.there(torch.from_numpy(_target(training)))

        def loss_of(rows: NDArray[np.int64]) -> torch.Tensor:
            paired = np.concatenate([rows, training.graph.partners(rows, rng)])
            codes = sample(architecture.learned(architecture.inputs(paired)), CONFIG.certainty)
            rebuilt = functional.mse_loss(decoder(codes[: len(rows)]), target[training.there(torch.from_numpy(rows))])
            return contrast(codes, CONFIG.temperature) + CONFIG.rebuilt * rebuilt

        schedule = Schedule(epochs, batch, CONFIG.rate, decay=1e-4)
        with training.hosting(architecture.learned, decoder):
            learned = nn.ModuleList([architecture.learned, decoder])
            kept = Checkpoint.of("autoencoder", len(training), learned, rng)
            train(
                "autoencoder",
                len(training),
                learned.parameters(),
                loss_of,
                schedule,
                seed=seed,
                progress=progress,
                checkpoint=kept,
            )
    if isinstance(architecture.network, SparseLinear):
        spell_out(training, architecture.network.first.weight.detach().numpy())
    return assemble("autoencoder", training, architecture.network)


def _decoder(training: TrainingSet, bits: int) -> nn.Module:
    """From a code back to the item's strongest directions, which hold what there is to rebuild."""
    return nn.Sequential(nn.Linear(bits, 256), nn.ReLU(), nn.Linear(256, training.directions().shape[1]))


def _target(training: TrainingSet) -> NDArray[np.float32]:
    """Directions scaled to a mean square of one a number."""
    values = training.directions()
    scaled: NDArray[np.float32] = values / max(float(np.sqrt((values**2).mean())), 1e-12)
    return scaled


def sample(features: torch.Tensor, certainty: float) -> torch.Tensor:
    """Codes of -1 and 1, drawn with ``P(1) = sigmoid(certainty * feature)``; the gradient is that of the mean."""
    chance = torch.sigmoid(certainty * features)
    hard = (torch.rand_like(chance) < chance).float()
    return 2 * (hard + chance - chance.detach()) - 1


def contrast(codes: torch.Tensor, temperature: float) -> torch.Tensor:
    """Cross entropy, in nats, of finding one's partner in the batch by cosine, both ways; partners are halves apart."""
    left, right = functional.normalize(codes).chunk(2)
    with whole(codes.device):
        logits = left @ right.T / temperature
    own = torch.arange(len(left), device=codes.device)
    return (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2
