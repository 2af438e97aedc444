"""Training of the members with a decoder: terms of the loss in nats an example, told at every pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from hashsvc.encoders.checkpoints import Checkpoint
from hashsvc.encoders.loop import Schedule, train

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.encoders.contract import OnProgress, Progress
    from hashsvc.encoders.generation.network import DecodingNetwork, LatentNetwork
    from hashsvc.encoders.training_set import TrainingSet

    Terms = Callable[[torch.Tensor], Mapping[str, torch.Tensor]]

ROWS = 1_000
LEAST = 1e-6


def schedule_of(training: TrainingSet, steps: int, batch: int, rate: float, *, passes: int = 40) -> Schedule:
    """About ``steps`` steps in whole passes, at most ``passes``; batches of a quarter of the items where few."""
    size = min(batch, max(len(training) // 4, 8))
    epochs = min(passes, max(1, round(steps / max(len(training) // size, 1))))
    return Schedule(epochs, size, rate)


def minimise(
    stage: str,
    training: TrainingSet,
    network: LatentNetwork,
    terms: Terms,
    schedule: Schedule,
    *,
    seed: int,
    progress: OnProgress,
    further: tuple[torch.nn.Module, ...] = (),
) -> None:
    """Train ``network`` (and ``further`` modules) on the sum of ``terms(rows)``, each a mean in nats an example.

    ``rows`` are scaled items ``float32[batch, width]``. Random numbers inside ``terms`` come from torch's global
    generator, which the caller seeds.

    Raises:
        FailedPrecondition: the sum is not finite; the message names the step.
    """
    measure(network, training)
    modules = torch.nn.ModuleList([network, *further])

    def numbered(numbers: NDArray[np.int64]) -> Mapping[str, torch.Tensor]:
        return terms(network.scaled(training.batch(numbers)))

    network.train()
    with training.hosting(modules):
        minimise_numbered(stage, len(training), modules, numbered, schedule, seed=seed, progress=progress)
    network.eval()


def minimise_numbered(
    stage: str,
    items: int,
    modules: torch.nn.Module,
    terms: Callable[[NDArray[np.int64]], Mapping[str, torch.Tensor]],
    schedule: Schedule,
    *,
    seed: int,
    progress: OnProgress,
) -> None:
    """Train ``modules`` as :func:`minimise` does, on ``terms(numbers)`` of items by their numbers ``int64[batch]``."""
    sums: dict[str, torch.Tensor] = {}
    checkpoint = Checkpoint.of(stage, items, modules)

    def loss_of(numbers: NDArray[np.int64]) -> torch.Tensor:
        found = terms(numbers)
        for name, value in found.items():
            added = value.detach().double()
            sums[name] = sums[name] + added if name in sums else added
        return torch.stack(list(found.values())).sum()

    def tell(at: Progress) -> None:
        steps = max(1, items // schedule.batch)
        means = {name: float(value) / steps for name, value in sums.items()}
        sums.clear()
        if checkpoint is not None:
            means = checkpoint.terms = means or checkpoint.terms
        progress(replace(at, loss=sum(means.values()), terms=means))

    train(
        stage,
        items,
        modules.parameters(),
        loss_of,
        schedule,
        seed=seed,
        progress=tell,
        checkpoint=checkpoint,
    )


def measure(network: LatentNetwork, training: TrainingSet) -> None:
    """Take the mean and the overall spread of numbers; pixels need none."""
    if not network.pixels:
        rows = training.rows()
        network.mean = torch.from_numpy(np.asarray(rows.mean(axis=0), dtype=np.float32))
        network.scale = torch.tensor(max(float(np.sqrt(rows.var(axis=0).mean())), LEAST))


def latents_of(network: DecodingNetwork, training: TrainingSet) -> torch.Tensor:
    """Latents ``float32[n, latent]`` of the training items."""
    found = []
    with training.hosting(network), torch.no_grad():
        for start in range(0, len(training), ROWS):
            rows = np.arange(start, min(start + ROWS, len(training)))
            found.append(network.latents_of(training.batch(rows)).cpu())
    return torch.cat(found)


def shape_of(training: TrainingSet) -> tuple[int, ...]:
    """Shape of one item in a batch."""
    return tuple(int(size) for size in np.shape(training.batch(np.zeros(1, dtype=np.int64)))[1:])
