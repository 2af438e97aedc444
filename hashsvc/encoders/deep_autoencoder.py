"""Deep autoencoder (Hinton & Salakhutdinov, Science 2006), denoising (Vincent et al., ICML 2008) and inpainting.

Few numbers between two mirrored stacks must rebuild the item. With noise or holes the item is damaged first, and what
is rebuilt is the whole one: the network learns where items lie, and leads back there (Pathak et al., CVPR 2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from hashsvc.encoders.document_model import DocumentConfig, train_document_model
from hashsvc.encoders.generation.coding import coded
from hashsvc.encoders.generation.likelihood import squares
from hashsvc.encoders.generation.network import MirrorNetwork
from hashsvc.encoders.generation.training import minimise, schedule_of, shape_of

if TYPE_CHECKING:
    from hashsvc.encoders.contract import OnProgress
    from hashsvc.encoders.encoder import CodeEncoder
    from hashsvc.encoders.generation.network import DecodingNetwork, LatentNetwork
    from hashsvc.encoders.training_set import TrainingSet


HOLE = 0.5  # what a missing pixel is shown as


@dataclass(frozen=True, slots=True)
class Config:
    """What a deep autoencoder is trained with.

    Args:
        latent: numbers in a latent.
        hidden: units of the hidden layers, widest first; none makes it linear.
        steps: batches seen, as near as whole passes come to it.
        batch: items of a step, at most; a quarter of the items where there are few.
        rate: highest learning rate.
        noise: spread of the Gaussian noise items are damaged by while training (pixels lie in [0, 1]).
        hole: side of the square cut out of pictures while training, in pixels, somewhere inside.
        squared: whether what counts is squared error, as with PCA, and not the likelihood.
    """

    latent: int = 32
    hidden: tuple[int, ...] = (512, 256)
    steps: int = 2_000
    batch: int = 256
    rate: float = 2e-3
    noise: float = 0.0
    hole: int = 0
    squared: bool = False


def fit_deep_autoencoder(training: TrainingSet, bits: int, seed: int, progress: OnProgress) -> CodeEncoder:
    """Train one; see the module, and :mod:`hashsvc.encoders.document_model` for texts."""
    network: DecodingNetwork
    if training.terms is not None:
        network = train_document_model("deep_autoencoder", training, DocumentConfig(), seed, progress)
    else:
        network = train_deep_autoencoder(training, Config(), seed, progress)
    return coded("deep_autoencoder", training, network, bits, seed=seed, progress=progress)


def fit_denoising(training: TrainingSet, bits: int, seed: int, progress: OnProgress) -> CodeEncoder:
    """Train one on items under noise of spread .5 (numbers: half of their spread), texts without half their words."""
    network: DecodingNetwork
    if training.terms is not None:
        network = train_document_model("denoising", training, DocumentConfig(dropped=0.5, latent=64), seed, progress)
    else:
        network = train_deep_autoencoder(training, Config(noise=0.5, latent=64), seed, progress)
    return coded("denoising", training, network, bits, seed=seed, progress=progress)


def fit_inpainting(training: TrainingSet, bits: int, seed: int, progress: OnProgress) -> CodeEncoder:
    """Train one on pictures with a square hole of a third of their side."""
    rows, columns = shape_of(training)[1:]
    config = Config(hole=max(1, min(rows, columns) * 5 // 14), latent=64)
    return coded(
        "inpainting",
        training,
        train_deep_autoencoder(training, config, seed, progress),
        bits,
        seed=seed,
        progress=progress,
    )


def train_deep_autoencoder(
    training: TrainingSet, config: Config, seed: int, progress: OnProgress, *, passes: int | None = None
) -> MirrorNetwork:
    """The trained network; exactly ``passes`` over the items where given, else as many as the steps come to."""
    with training.seeded(seed):
        network = MirrorNetwork(shape=shape_of(training), hidden=config.hidden, latent=config.latent)

        def terms(rows: torch.Tensor) -> dict[str, torch.Tensor]:
            values = network.rebuilt(network.latents(damaged(network, rows, config)))
            if config.squared:
                return {"squares": squares(network.means(values), rows).mean()}
            return {"rebuilt": network.nats(values, rows).mean()}

        steps = config.steps if passes is None else passes * (len(training) // config.batch)
        schedule = schedule_of(training, steps, config.batch, config.rate)
        stage = "denoising" if config.noise else "inpainting" if config.hole else "deep_autoencoder"
        minimise(stage, training, network, terms, schedule, seed=seed, progress=progress)
    return network


def damaged(network: LatentNetwork, rows: torch.Tensor, config: Config) -> torch.Tensor:
    """Rows ``float32[n, width]`` under the noise and with the hole of ``config``."""
    if config.noise:
        rows = rows + config.noise * torch.randn_like(rows)
    if config.hole:
        rows = torch.where(holes(network.shape, len(rows), config.hole).to(rows.device), HOLE, rows)
    return rows


def holes(shape: tuple[int, ...], count: int, side: int, generator: torch.Generator | None = None) -> torch.Tensor:
    """``bool[count, width]``: a square of ``side`` pixels, somewhere inside each picture."""
    channels, rows, columns = shape
    top = torch.randint(0, rows - side + 1, (count, 1, 1, 1), generator=generator)
    left = torch.randint(0, columns - side + 1, (count, 1, 1, 1), generator=generator)
    down, right = torch.arange(rows)[:, None], torch.arange(columns)[None, :]
    inside = (down >= top) & (down < top + side) & (right >= left) & (right < left + side)
    return inside.expand(count, channels, rows, columns).flatten(1)
