"""VQ-VAE over a grid (van den Oord et al., NeurIPS 2017): a picture as a small grid of codebook indices, and back.

The codebook follows the features as moving averages; a prior over the indices (see :mod:`hashsvc.encoders.prior`) draws
new grids. Latents are the features in front of the codebook, so that codes are cut from what it has not yet rounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from hashsvc.encoders.generation.coding import coded
from hashsvc.encoders.generation.likelihood import pixel_nats, squares
from hashsvc.encoders.generation.network import LEAKY, LatentNetwork
from hashsvc.encoders.generation.training import ROWS, latents_of, minimise, schedule_of, shape_of
from hashsvc.encoders.networks import NETWORKS
from hashsvc.encoders.prior import Config as PriorConfig
from hashsvc.encoders.prior import Prior, train_prior
from hashsvc.encoders.vq_vae import MovingCodebook

if TYPE_CHECKING:
    from hashsvc.encoders.contract import OnProgress
    from hashsvc.encoders.encoder import CodeEncoder
    from hashsvc.encoders.training_set import TrainingSet

PATCH = 4


@dataclass(frozen=True, slots=True)
class Config:
    """What it is trained with.

    Args:
        entries: of the codebook.
        depth: numbers in an entry.
        channels: of the convolutions.
        steps: batches seen, as near as whole passes come to it.
        batch: items of a step, at most; a quarter of the items where there are few.
        rate: highest learning rate.
        commitment: weight of the squared distance from features to their entries.
        prior: what the prior is trained with.
    """

    entries: int = 64
    depth: int = 8
    channels: int = 32
    steps: int = 1_000
    batch: int = 64
    rate: float = 5e-3
    commitment: float = 1.0
    prior: PriorConfig = field(default_factory=PriorConfig)


class GridNetwork(LatentNetwork):
    """Pictures to a grid of features, one for every patch of 4 x 4 pixels, and from its nearest entries back.

    Args:
        shape: channels, rows and columns of a picture.
        entries: see :class:`Config`.
        depth: see there.
        channels: see there.
        prior: channels and layers of the prior.
        head: see :class:`LatentNetwork`.
    """

    def __init__(
        self,
        *,
        shape: Sequence[int],
        entries: int,
        depth: int,
        channels: int,
        prior: Sequence[int],
        head: Mapping[str, Any] | None = None,
        latent: int = 0,
    ) -> None:
        grid = tuple(-(-side // PATCH) for side in shape[1:])
        super().__init__(
            shape=shape,
            latent=latent or depth * grid[0] * grid[1],
            head=head,
            entries=entries,
            depth=depth,
            channels=channels,
            prior=list(prior),
        )
        self.grid = grid
        self.places = nn.Unflatten(1, (depth, *grid))
        self.down = nn.Sequential(
            nn.Conv2d(shape[0], channels, PATCH, stride=PATCH),
            LEAKY(),
            nn.Conv2d(channels, channels, 3, padding=1),
            LEAKY(),
            nn.Conv2d(channels, depth, 1),
            nn.BatchNorm2d(depth, affine=False),
        )
        self.up = nn.Sequential(
            nn.Conv2d(depth, channels, 3, padding=1),
            LEAKY(),
            nn.Conv2d(channels, channels, 3, padding=1),
            LEAKY(),
            nn.Conv2d(channels, shape[0] * PATCH**2, 1),
            nn.PixelShuffle(PATCH),
        )
        self.codebook = MovingCodebook(1, entries, depth)
        self.prior = Prior(grid, entries, *prior)

    def latents(self, rows: torch.Tensor) -> torch.Tensor:
        """See :class:`LatentNetwork`."""
        pictures = rows.reshape(-1, *self.shape)
        missing = [-side % PATCH for side in self.shape[1:]]
        found: torch.Tensor = self.down(functional.pad(pictures, (0, missing[1], 0, missing[0]))).flatten(1)
        return found

    def decoded(self, entries: torch.Tensor) -> torch.Tensor:
        """Logits of scaled rows ``float32[n, width]`` from entries in the place of latents."""
        pictures = self.up(self.places(entries))
        cut: torch.Tensor = pictures[:, :, : self.shape[1], : self.shape[2]].flatten(1)
        return cut

    def rebuilt(self, latents: torch.Tensor) -> torch.Tensor:
        """See :class:`LatentNetwork`."""
        return self.decoded(self.entries_at(self.indices(latents)))

    def features(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents as features ``float32[n * places, depth]``, one a place."""
        found: torch.Tensor = self.places(latents).movedim(1, -1).flatten(0, 2)
        return found

    def indices(self, latents: torch.Tensor) -> torch.Tensor:
        """The nearest entry of every place: ``int64[n, rows, columns]``."""
        return self.codebook.numbers(self.features(latents)[None])[0].reshape(-1, *self.grid)

    def entries_at(self, indices: torch.Tensor) -> torch.Tensor:
        """Entries in the place of latents: ``float32[n, latent]``."""
        return self.codebook.vectors[0][indices].movedim(-1, 1).flatten(1)

    def drawn(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Entries at indices drawn from the prior."""
        return self.entries_at(self.prior.drawn(count, generator))


NETWORKS["grid"] = GridNetwork


def fit_deep_vq_vae(training: TrainingSet, bits: int, seed: int, progress: OnProgress) -> CodeEncoder:
    """Train one; see the module."""
    network = train_deep_vq_vae(training, Config(), seed, progress)
    return coded("deep_vq_vae", training, network, bits, seed=seed, progress=progress)


def train_deep_vq_vae(training: TrainingSet, config: Config, seed: int, progress: OnProgress) -> GridNetwork:
    """The trained network with its trained prior."""
    prior = config.prior
    with training.seeded(seed):
        network = GridNetwork(
            shape=shape_of(training),
            entries=config.entries,
            depth=config.depth,
            channels=config.channels,
            prior=(prior.channels, prior.layers),
        )

        def terms(rows: torch.Tensor) -> dict[str, torch.Tensor]:
            return quantised(network, rows, config.commitment)

        schedule = schedule_of(training, config.steps, config.batch, config.rate)
        minimise("deep_vq_vae", training, network, terms, schedule, seed=seed, progress=progress)
        indices = indices_of(network, training)
        schedule = schedule_of(training, prior.steps, prior.batch, prior.rate)
        with training.hosting(network.prior):
            train_prior(network.prior, training.there(indices), schedule, seed=seed, progress=progress)
    return network


def indices_of(network: GridNetwork, training: TrainingSet) -> torch.Tensor:
    """Indices ``int64[n, rows, columns]`` of pictures."""
    with torch.no_grad():
        return torch.cat([network.indices(part) for part in torch.split(latents_of(network, training), ROWS)])


def quantised(network: GridNetwork, rows: torch.Tensor, commitment: float) -> dict[str, torch.Tensor]:
    """What rebuilding scaled rows from entries costs, and the distance of features to entries, which follow them."""
    latents = network.latents(rows)
    found = network.features(latents)
    nearest = network.codebook.quantise(found)
    away = (nearest - found).reshape(len(rows), *network.grid, -1).movedim(-1, 1).flatten(1).detach()
    return {
        "rebuilt": pixel_nats(network.decoded(latents + away), rows).mean(),
        "commitment": commitment * squares(latents, (latents + away).detach()).mean(),
    }
