"""Semantic hashing (Salakhutdinov & Hinton, International Journal of Approximate Reasoning 2009): the historical row.

Restricted Boltzmann machines are stacked, each learning what the one below sees, and unrolled into an autoencoder
(Hinton & Salakhutdinov, Science 2006), which is then trained as a whole. Noise on what reaches the code units, the same
for an item at every pass, drives them to be wholly on or off. A bit is a code unit, cut at its training median.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from hashsvc.encoders.assembly import assemble
from hashsvc.encoders.boltzmann import Machine
from hashsvc.encoders.generation.network import MirrorNetwork, stack
from hashsvc.encoders.generation.training import (
    latents_of,
    measure,
    minimise_numbered,
    schedule_of,
    shape_of,
)
from hashsvc.encoders.networks import NETWORKS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hashsvc.encoders.contract import OnProgress
    from hashsvc.encoders.encoder import CodeEncoder
    from hashsvc.encoders.training_set import TrainingSet

PASSES = 100


@dataclass(frozen=True, slots=True)
class Config:
    """What it is trained with.

    Args:
        latent: code units.
        hidden: units of the hidden layers, widest first.
        machine_steps: batches that each machine of the stack sees, as near as whole passes come to it.
        steps: batches that the whole sees afterwards.
        batch: items of a step, at most; a quarter of the items where there are few.
        rate: highest learning rate.
        noise: spread of the noise on what reaches the code units.
    """

    latent: int = 32
    hidden: tuple[int, ...] = (512, 256)
    machine_steps: int = 500
    steps: int = 2_000
    batch: int = 128
    rate: float = 1e-3
    noise: float = 4.0


class LogisticNetwork(MirrorNetwork):
    """A mirror network of logistic units; latents are what reaches the code units, before it is made a chance.

    Args:
        hidden: units of the hidden layers, widest first.
        latent: code units.
        config: see :class:`MirrorNetwork`.
    """

    def __init__(self, *, hidden: Sequence[int], latent: int, **config: Any) -> None:
        super().__init__(hidden=hidden, latent=latent, **config)
        self.down = stack([self.width, *hidden, latent], unit=nn.Sigmoid)
        self.up = stack([latent, *reversed(hidden), self.width], unit=nn.Sigmoid)

    def rebuilt(self, latents: torch.Tensor) -> torch.Tensor:
        """See :class:`LatentNetwork`."""
        return super().rebuilt(torch.sigmoid(latents))

    def floors(self) -> list[tuple[nn.Linear, nn.Linear]]:
        """The layer down and the layer back up of each machine in the stack, lowest first."""
        down, up = ([layer for layer in part if isinstance(layer, nn.Linear)] for part in (self.down, self.up))
        return list(zip(down, reversed(up), strict=True))


NETWORKS["logistic"] = LogisticNetwork


def fit_rbm(training: TrainingSet, bits: int, seed: int, progress: OnProgress) -> CodeEncoder:
    """Train one with a code unit a bit; see the module."""
    network = train_rbm(training, Config(latent=bits), seed, progress)
    network.remember(latents_of(network, training))
    return assemble("rbm", training, network)


def train_rbm(training: TrainingSet, config: Config, seed: int, progress: OnProgress) -> LogisticNetwork:
    """The trained network."""
    with training.seeded(seed):
        network = LogisticNetwork(shape=shape_of(training), hidden=config.hidden, latent=config.latent)
        measure(network, training)
        with training.hosting(network):
            stack_machines(network, training, config, seed, progress)
        noise = training.there(config.noise * torch.randn(len(training), config.latent))

        def terms(numbers: NDArray[np.int64]) -> dict[str, torch.Tensor]:
            rows = network.scaled(training.batch(numbers))
            values = network.rebuilt(network.latents(rows) + noise[training.there(torch.from_numpy(numbers))])
            return {"rebuilt": network.nats(values, rows).mean()}

        schedule = schedule_of(training, config.steps, config.batch, config.rate, passes=PASSES)
        with training.hosting(network):
            minimise_numbered("rbm", len(training), network, terms, schedule, seed=seed, progress=progress)
    return network.eval()


def stack_machines(
    network: LogisticNetwork, training: TrainingSet, config: Config, seed: int, progress: OnProgress
) -> None:
    """Learn a machine for each floor of the network, from what the floors below make of the items, and put it there."""
    schedule = schedule_of(training, config.machine_steps, config.batch, config.rate, passes=PASSES)
    floors = network.floors()
    for number, (down, up) in enumerate(floors):
        machine = Machine(down.in_features, down.out_features, numbers=not (network.pixels or number))

        def terms(
            numbers: NDArray[np.int64], machine: Machine = machine, below: int = number
        ) -> dict[str, torch.Tensor]:
            rows = network.scaled(training.batch(numbers))
            with torch.no_grad():
                for lower, _ in floors[:below]:
                    rows = torch.sigmoid(lower(rows))
            return {"contrast": machine.contrast(rows)}

        with training.hosting(machine):
            minimise_numbered(f"rbm_{number}", len(training), machine, terms, schedule, seed=seed, progress=progress)
        with torch.no_grad():
            down.weight.copy_(machine.weight.T)
            down.bias.copy_(machine.hidden)
            up.weight.copy_(machine.weight)
            up.bias.copy_(machine.visible)
