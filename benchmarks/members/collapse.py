"""Posterior collapse: what a latent still says once the decoder can tell pixels from the pixels before them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import nn
from torch.nn import functional

from hashsvc.encoders.deep_vae import Config, GaussianNetwork, bound, train_deep_vae
from hashsvc.encoders.generation.likelihood import divergence, pixel_nats, sampled, squares
from hashsvc.encoders.generation.network import MirrorNetwork
from hashsvc.encoders.generation.training import minimise, schedule_of
from hashsvc.encoders.vq_vae import MovingCodebook
from members.row import Row, binary, labels, pictures, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hashsvc.encoders.generation.network import LatentNetwork
    from hashsvc.encoders.training_set import TrainingSet

    Terms = Callable[[torch.Tensor], Mapping[str, torch.Tensor]]

CONFIG = Config(hidden=(256, 128), steps=1_400, batch=128)
SHAPE, PIXELS = (1, 28, 28), 784
UNITS, CHANNELS, WINDOW = 256, 16, 7
GROUPS, ENTRIES = 8, 64
LEAST, SHARE = 10.0, 0.25
PART, ASKED = 1_000, 2_000


class Earlier(nn.Module):
    """What the pixels before a pixel say of it: logits ``[n, pixels]`` of rows, from all of them and from those nearby.

    All of them through one hidden layer (MADE; Germain et al., ICML 2015), whose units each see the pixels up to one
    and are seen by those behind it; those nearby through a masked convolution (PixelCNN; van den Oord et al., ICML
    2016).

    Args:
        units: of the hidden layer.
        channels: of the convolutions.
    """

    def __init__(self, units: int, channels: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(PIXELS, units), nn.Linear(units, PIXELS)
        self.near = nn.Conv2d(1, channels, WINDOW, padding=WINDOW // 2)
        self.behind = nn.Sequential(
            nn.ReLU(), nn.Conv2d(channels, channels, 1), nn.ReLU(), nn.Conv2d(channels, 1, 1), nn.Flatten()
        )
        last = torch.linspace(0, PIXELS - 2, units).long()[:, None]
        self.sees: torch.Tensor
        self.before: torch.Tensor
        self.register_buffer("sees", (torch.arange(PIXELS) <= last).float())
        self.register_buffer("before", (torch.arange(WINDOW**2) < WINDOW**2 // 2).float().reshape(WINDOW, WINDOW))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """``float32[n, pixels]``."""
        inner = functional.relu(functional.linear(rows, self.first.weight * self.sees, self.first.bias))
        everywhere = functional.linear(inner, self.second.weight * (1 - self.sees.T), self.second.bias)
        weight = self.near.weight * self.before
        near = functional.conv2d(rows.reshape(-1, *SHAPE), weight, self.near.bias, padding=WINDOW // 2)
        found: torch.Tensor = everywhere + self.behind(near)
        return found


def collapse(seed: int) -> dict[str, Row]:
    """The same encoder before a factorised and an autoregressive decoder, and a codebook before the latter."""
    training, config = pictures(binary("train")), CONFIG
    rows = torch.from_numpy(binary("t10k").reshape(-1, PIXELS)).float() / 255
    plain = train_deep_vae(training, config, seed, silent)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network, earlier = GaussianNetwork(shape=SHAPE, hidden=config.hidden, latent=config.latent), _earlier()
        _train(training, network, partial(_causal, network, earlier), (earlier,), seed)
        grid, before = MirrorNetwork(shape=SHAPE, hidden=config.hidden, latent=config.latent), _earlier()
        codebook = Codebook(config.latent)
        _train(training, grid, partial(_quantised, grid, before, codebook), (before, codebook), seed)
        with torch.no_grad():
            kept = float(bound(plain, rows)["divergence"])
            left = _means([_causal(network, earlier, part) for part in torch.split(rows, PART)])
            drawn, numbers = sampled(*network.posterior(rows)), codebook.numbers(grid.latents(rows))
            told = {"VAE": _told(drawn), "VQ-VAE": _told(codebook.entries_at(numbers))}
    return {
        "divergence before a factorised decoder, nats": Row(
            round(kept, 2), LEAST, most=False, slack=0.0, reference=f"{LEAST:g}"
        ),
        "the same encoder's before an autoregressive decoder, over it": Row(
            round(left["divergence"] / kept, 3), SHARE, slack=0.0, reference=f"{SHARE:g}", beside=left
        ),
        "nats in the VQ-VAE's 8 indices before the autoregressive decoder, by their entropies": Row(
            round(_entropies(numbers), 2),
            LEAST,
            most=False,
            slack=0.0,
            reference=f"{LEAST:g}",
            beside={f"digits told by the nearest latent, {name}": share for name, share in told.items()},
        ),
    }


def _means(parts: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, float]:
    return {name: round(float(torch.stack([part[name] for part in parts]).mean()), 2) for name in parts[0]}


def _told(latents: torch.Tensor) -> float:
    """Share of the last test pictures whose digit is that of the nearest latent among the first."""
    digits, known = labels("t10k"), len(latents) - ASKED
    model = KNeighborsClassifier(1, algorithm="brute").fit(latents[:known].numpy(), digits[:known])
    return round(float((model.predict(latents[known:].numpy()) == digits[known:]).mean()), 3)


def _entropies(numbers: torch.Tensor) -> float:
    """Entropies of the indices ``int64[groups, n]``, in nats, summed over the groups."""
    shares = functional.one_hot(numbers, ENTRIES).double().mean(dim=1)
    return float(torch.special.entr(shares).sum())


class Codebook(nn.Module):
    """Latents ``[n, d]``, normalised, to their nearest entries in a product of codebooks, which follow them."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.balance = nn.BatchNorm1d(latent, affine=False)
        self.entries = MovingCodebook(GROUPS, ENTRIES, latent // GROUPS)

    def numbers(self, latents: torch.Tensor) -> torch.Tensor:
        """Indices ``int64[groups, n]``, with the codebook left as it is."""
        found = self.balance.eval()(latents)
        return self.entries.numbers(found.reshape(len(found), GROUPS, -1).transpose(0, 1))

    def entries_at(self, numbers: torch.Tensor) -> torch.Tensor:
        """The entries of indices, ``float32[n, d]``."""
        vectors = self.entries.vectors
        found = vectors.gather(1, numbers[:, :, None].expand(-1, -1, vectors.shape[2]))
        return found.transpose(0, 1).reshape(numbers.shape[1], -1)


def _earlier() -> Earlier:
    return Earlier(UNITS, CHANNELS)


def _train(
    training: TrainingSet, network: LatentNetwork, terms: Terms, further: tuple[nn.Module, ...], seed: int
) -> None:
    schedule = schedule_of(training, CONFIG.steps, CONFIG.batch, CONFIG.rate)
    minimise("collapse", training, network, terms, schedule, seed=seed, progress=silent, further=further)


def _causal(network: GaussianNetwork, earlier: Earlier, rows: torch.Tensor) -> dict[str, torch.Tensor]:
    mean, log_variance = network.posterior(rows)
    values = network.rebuilt(sampled(mean, log_variance)) + earlier(rows)
    return {"rebuilt": pixel_nats(values, rows).mean(), "divergence": divergence(mean, log_variance).mean()}


def _quantised(
    network: MirrorNetwork, earlier: Earlier, codebook: Codebook, rows: torch.Tensor
) -> dict[str, torch.Tensor]:
    found = codebook.balance(network.latents(rows))
    nearest = codebook.entries.quantise(found)
    values = network.rebuilt(found + (nearest - found).detach()) + earlier(rows)
    return {"rebuilt": pixel_nats(values, rows).mean(), "commitment": squares(found, nearest.detach()).mean()}
