"""The VAE: its bound, its map beside the autoencoder's, the modes it covers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from sklearn.neighbors import KNeighborsClassifier

from hashsvc.encoders.deep_autoencoder import Config as PlainConfig
from hashsvc.encoders.deep_autoencoder import train_deep_autoencoder
from hashsvc.encoders.deep_vae import Config, bound, train_deep_vae
from members.row import ALBUM, Row, binary, labels, pictures, pixels, silent, vectors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from hashsvc.encoders.generation.network import LatentNetwork

POINTS, JUDGED, FAIR = 1_000, 20_000, 0.05
SPREAD, SAMPLES, LEAST_MET = 0.05, 5_000, 20


def vae(seed: int) -> dict[str, Row]:
    """The bound on test pictures, in at most three CPU minutes."""
    network = train_deep_vae(pictures(binary("train")), Config(), seed, silent)
    rows = torch.from_numpy(binary("t10k").reshape(-1, 784).astype(np.float32) / np.float32(255))
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(seed)
        terms = {name: float(value) for name, value in bound(network, rows).items()}
    _album(network, rows[:10], seed)
    found = round(sum(terms.values()), 2)
    return {
        "-ELBO on test pictures, nats": Row(
            found, 118.0, reference="118", beside={name: round(value, 2) for name, value in terms.items()}
        )
    }


def _album(network: LatentNetwork, rows: torch.Tensor, seed: int) -> None:
    shares = torch.linspace(0, 1, 10)[:, None]
    with torch.inference_mode():
        latents = network.latents(rows)
        drawn = network.items(network.drawn(30, torch.Generator().manual_seed(seed))).flatten(1).numpy()
        paths = [
            network.items(latents[n] * (1 - shares) + latents[n + 1] * shares).flatten(1).numpy() for n in (0, 2, 4)
        ]
        rebuilt = network.items(latents).flatten(1).numpy()
    ALBUM.grid("vae_reconstructions", {"test pictures": rows.numpy(), "rebuilt": rebuilt})
    ALBUM.grid("vae_samples", {"drawn from the prior": drawn[:10], " ": drawn[10:20], "  ": drawn[20:]})
    ALBUM.grid("vae_paths", {f"path {number + 1}": path for number, path in enumerate(paths)})


def latent_map(seed: int) -> dict[str, Row]:
    """Two numbers a picture: where the cloud lies, how evenly classes share it, what random points decode to."""
    training = pictures(pixels("train"))
    plain = _map("autoencoder", train_deep_autoencoder(training, PlainConfig(latent=2), seed, silent), seed)
    ours = _map("VAE", train_deep_vae(training, Config(latent=2, steps=PlainConfig().steps), seed, silent), seed)
    return {
        "offset of the cloud in its spreads, VAE": _beside(ours, plain, "offset", ".39 / .05"),
        "largest class area over the smallest, VAE": _beside(ours, plain, "areas", "48 / 7"),
        "classes met by 1,000 points of a standard normal, VAE": _beside(
            ours,
            plain,
            "met",
            "5 / 10",
            most=False,
            beside={"points as wide as the cloud, AE": plain["wide"], "VAE": ours["wide"]},
        ),
    }


def _beside(
    ours: dict[str, float],
    plain: dict[str, float],
    name: str,
    words: str,
    *,
    most: bool = True,
    beside: Mapping[str, float] | None = None,
) -> Row:
    nudge = 1e-9 if most else -1e-9  # better means strictly better
    further = {"AE": plain[name], **(beside or {})}
    return Row(ours[name], plain[name] - nudge, most=most, slack=0.0, reference=words, beside=further)


def _map(name: str, network: LatentNetwork, seed: int) -> dict[str, float]:
    """Offset, area ratio and classes met.

    Random points come from a standard normal for both: where somebody draws who has not seen where training put the
    items. The VAE has promised to put them there; the autoencoder has promised nothing. "wide" are the classes met by
    points with the overall spread of the cloud instead.
    """
    rows = torch.from_numpy(pixels("t10k").reshape(-1, 784).astype(np.float32) / np.float32(255))
    with torch.inference_mode():
        cloud = network.latents(rows).numpy()
        spread = float(cloud.std(axis=0).mean())
        points = torch.randn(POINTS, 2, generator=torch.Generator().manual_seed(seed))
        decoded = network.items(points).flatten(1).numpy()
        wide = network.items(points * spread).flatten(1).numpy()
    ALBUM.map(f"map_{name.lower()}", cloud, labels("t10k"), f"{name}, two numbers a digit")
    ALBUM.grid(f"map_points_{name.lower()}", {f"{name}: random points": decoded[:10], " ": decoded[10:20]})
    areas = [float(np.sqrt(np.linalg.det(np.cov(cloud[labels("t10k") == digit].T)))) for digit in range(10)]
    return {
        "offset": round(float(np.linalg.norm(cloud.mean(axis=0))) / spread, 3),
        "areas": round(max(areas) / min(areas), 2),
        "met": _met(decoded),
        "wide": _met(wide),
    }


def _met(decoded: NDArray[np.float32]) -> float:
    """Classes that half of their fair share of the pictures, or more, look like."""
    return float((np.bincount(judge(decoded), minlength=10) >= FAIR * POINTS).sum())


def judge(rows: NDArray[np.float32]) -> NDArray[np.int64]:
    """The digit each row looks like: its 5 nearest training pictures vote."""
    known = pixels("train")[:JUDGED].reshape(-1, 784).astype(np.float32) / np.float32(255)
    model = KNeighborsClassifier(5, algorithm="brute").fit(known, labels("train")[:JUDGED])
    return np.asarray(model.predict(rows), dtype=np.int64)


def modes(seed: int) -> dict[str, Row]:
    """25 narrow Gaussians on a grid; a mode is met by a tenth of its share of the samples within three spreads of it.

    Points spread evenly over the grid would bring every mode five samples, so a single one says nothing.
    """
    rng = np.random.default_rng(seed)
    middles = np.array([(x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)], dtype=np.float32)
    items = middles[rng.integers(0, 25, 20_000)] + rng.normal(0, SPREAD, (20_000, 2)).astype(np.float32)
    config = Config(latent=2, hidden=(128, 128), steps=8_000, noise=0.025, widest=1.0)
    network = train_deep_vae(vectors(items.astype(np.float32)), config, seed, silent, passes=200)
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        found = network.items(network.drawn(SAMPLES, generator)).numpy()
    found = found + rng.normal(0, config.noise * float(network.scale), found.shape).astype(np.float32)
    apart = np.linalg.norm(found[:, None] - middles[None], axis=2)
    near = apart.min(axis=1) <= 3 * SPREAD
    met = int((np.bincount(apart.argmin(axis=1)[near], minlength=25) >= LEAST_MET).sum())
    return {
        "modes of 25 met, each by 20 or more of 5,000 prior samples": Row(
            float(met),
            24.0,
            most=False,
            slack=0.0,
            reference="24",
            beside={"near a mode": round(float(near.mean()), 3)},
        )
    }
