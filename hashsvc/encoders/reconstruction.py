"""Pair reconstruction (Hansen et al., SIGIR 2020, "PairRec"): a code is trained to rebuild a neighbour of its item.

Rebuilding the item itself rewards its accidents; a neighbour shares only what is common. The neighbours come from the
items alone. The codes of a pair should also point out each other in the batch (InfoNCE, van den Oord et al. 2018). The
VAE, the VQ-VAE and the sign codebook share this; they differ in what becomes of the features.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from hashsvc.encoders.architecture import architecture_for
from hashsvc.encoders.assembly import assemble, spell_out
from hashsvc.encoders.autoencoder import contrast
from hashsvc.encoders.checkpoints import Checkpoint
from hashsvc.encoders.decoders import decoder_for
from hashsvc.encoders.loop import Schedule, train
from hashsvc.encoders.networks import SparseLinear

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from hashsvc.encoders.binarizers import Binarizer
    from hashsvc.encoders.contract import OnProgress
    from hashsvc.encoders.encoder import CodeEncoder
    from hashsvc.encoders.training_set import TrainingSet


@dataclass(frozen=True, slots=True)
class Pairs:
    """How pairs are made and rebuilt.

    Args:
        steps: batches seen, as near as whole passes come to it; at most 60 passes.
        batch: pairs of a step, at most; a quarter of the items where there are few.
        rate: highest learning rate.
        temperature: of the InfoNCE over cosines of codes.
        rebuilt: weight of the reconstruction.
        hidden: units of a hidden layer (dense items: of network and decoder).
        dropout: share of a text's words hidden from the network.
    """

    steps: int = 700
    batch: int = 256
    rate: float = 5e-3
    temperature: float = 0.2
    rebuilt: float = 4.0
    hidden: int = 512
    dropout: float = 0.5


PAIRS = Pairs()
PASSES = 60


class PairReconstruction:
    """The network that makes features, the decoder that rebuilds from codes, and the pairs.

    Args:
        training: the items.
        out: features of an item.
        pairs: see there.
        seed: of the choice of neighbours; weights come from torch's global generator.
    """

    def __init__(self, training: TrainingSet, out: int, pairs: Pairs, seed: int) -> None:
        self._architecture = architecture_for(training, out, pairs.hidden, pairs.dropout)
        self.network = self._architecture.network
        self.decoder = decoder_for(training, out, pairs.hidden)
        self._training = training
        self._pairs = pairs
        self._seed = seed
        self._rng = np.random.default_rng(seed)

    def run(
        self,
        stage: str,
        loss_of: Callable[[NDArray[np.int64], torch.Tensor], torch.Tensor],
        progress: OnProgress,
        further: tuple[torch.nn.Module, ...] = (),
    ) -> None:
        """Train on ``loss_of(paired, features)``; ``paired`` ``int64[2 n]`` are items, then a neighbour of each."""
        batch = min(self._pairs.batch, max(len(self._training) // 4, 8))
        epochs = min(PASSES, math.ceil(self._pairs.steps / max(len(self._training) // batch, 1)))
        schedule = Schedule(epochs, batch, self._pairs.rate, decay=1e-4)
        learned, inputs = self._architecture.learned, self._architecture.inputs

        def loss(rows: NDArray[np.int64]) -> torch.Tensor:
            paired = np.concatenate([rows, self._training.graph.partners(rows, self._rng)])
            return loss_of(paired, learned(inputs(paired)))

        trained = nn.ModuleList([learned, self.decoder, *further])
        with self._training.hosting(*trained):
            kept = Checkpoint.of(stage, len(self._training), trained, self._rng)
            train(
                stage,
                len(self._training),
                trained.parameters(),
                loss,
                schedule,
                seed=self._seed,
                progress=progress,
                checkpoint=kept,
            )
        if isinstance(self.network, SparseLinear):
            spell_out(self._training, self.network.first.weight.detach().numpy())
        self.network.eval()

    def loss(self, codes: torch.Tensor, paired: NDArray[np.int64]) -> torch.Tensor:
        """Loss of pointing out the other of each pair by codes ``float32[2 n, out]``, and of rebuilding it."""
        half = len(paired) // 2
        rebuilt = self.decoder.loss(codes[:half], self._training.batch(paired[half:]))
        return contrast(codes, self._pairs.temperature) + self._pairs.rebuilt * rebuilt

    def encoder(self, model: str, binarizer: Binarizer | None = None) -> CodeEncoder:
        """The trained encoder; without a ``binarizer`` its features are cut at their training medians."""
        return assemble(model, self._training, self.network, binarizer=binarizer)
