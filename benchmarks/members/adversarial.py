"""VAE-GAN beside the VAE of the same size: sharpness, and distance in what an independent judge sees."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hashsvc.encoders.deep_vae import train_deep_vae
from hashsvc.encoders.loop import Schedule, train
from hashsvc.encoders.vae_gan import Config, plain_of, train_vae_gan
from members.row import ALBUM, Row, chances, labels, pictures, pixels, silent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.encoders.generation.network import LatentNetwork

LATENT = 16
DRAWN = 2_000


def vae_gan(seed: int) -> dict[str, Row]:
    """Test pictures rebuilt by both, and pictures drawn from both priors."""
    training = pictures(pixels("train"))
    config = Config(latent=LATENT)
    ours = train_vae_gan(training, config, seed, silent)
    plain = train_deep_vae(training, replace(plain_of(config), steps=config.steps), seed, silent)
    clean = chances("t10k")
    rebuilt = {name: _rebuilt(network, clean) for name, network in (("VAE-GAN", ours), ("VAE", plain))}
    drawn = {name: _drawn(network, seed) for name, network in (("VAE-GAN", ours), ("VAE", plain))}
    ALBUM.grid("vae_gan", {"test pictures": clean, **{f"rebuilt, {name}": rows for name, rows in rebuilt.items()}})
    ALBUM.grid("vae_gan_samples", {f"drawn, {name}": rows for name, rows in drawn.items()})
    judge = trained_judge(seed)
    far = {name: _apart(judge, rows, clean) for name, rows in rebuilt.items()}
    sharp = {name: energy(rows) / energy(clean) for name, rows in rebuilt.items()}
    sharp |= {f"drawn, {name}": energy(rows) / energy(clean) for name, rows in drawn.items()}
    off = {name: abs(float(np.log(share))) for name, share in sharp.items()}
    return {
        "log gradient energy of rebuilt pictures off the data's, over the VAE's": Row(
            round(off["VAE-GAN"] / off["VAE"], 3),
            1.0,
            slack=0.0,
            reference="VAE of equal size",
            beside={f"energy, {name}": round(share, 3) for name, share in sharp.items()},
        ),
        "distance in a judge's features, over the VAE's": Row(
            round(far["VAE-GAN"] / far["VAE"], 3),
            1.0,
            slack=0.0,
            reference="VAE of equal size",
            beside={name: round(value, 3) for name, value in far.items()},
        ),
    }


def _rebuilt(network: LatentNetwork, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    with torch.inference_mode():
        found: NDArray[np.float32] = network.items(network.latents(torch.from_numpy(rows))).flatten(1).numpy()
    return found


def _drawn(network: LatentNetwork, seed: int) -> NDArray[np.float32]:
    with torch.inference_mode():
        found = network.items(network.drawn(DRAWN, torch.Generator().manual_seed(seed)))
        rows: NDArray[np.float32] = found.flatten(1).numpy()
    return rows


def energy(rows: NDArray[np.float32]) -> float:
    """Mean squared difference of neighbouring pixels."""
    squares = rows.reshape(-1, 28, 28)
    across, down = np.diff(squares, axis=2), np.diff(squares, axis=1)
    return float((across**2).mean() + (down**2).mean())


def trained_judge(seed: int) -> nn.Sequential:
    """A classifier of the training digits that neither network has met; its last hidden layer is what it sees."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed + 1_000)
        judge = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Dropout(0.3), nn.Linear(256, 64), nn.ReLU())
        last = nn.Linear(64, 10)
        rows, digits = torch.from_numpy(chances("train")), torch.from_numpy(labels("train").astype(np.int64))

        def loss_of(numbers: NDArray[np.int64]) -> torch.Tensor:
            chosen = torch.from_numpy(numbers)
            return functional.cross_entropy(last(judge(rows[chosen])), digits[chosen])

        parameters = [*judge.parameters(), *last.parameters()]
        train("judge", len(rows), parameters, loss_of, Schedule(3, 256, 2e-3), seed=seed, progress=silent)
    return judge.eval()


def _apart(judge: nn.Sequential, found: NDArray[np.float32], clean: NDArray[np.float32]) -> float:
    """Mean distance of what the judge sees, in units of the spread of what it sees in the data."""
    with torch.inference_mode():
        seen, wanted = judge(torch.from_numpy(found)), judge(torch.from_numpy(clean))
        spread = (wanted - wanted.mean(dim=0)).square().sum(dim=1).mean().sqrt()
        return float((seen - wanted).square().sum(dim=1).sqrt().mean() / spread)
