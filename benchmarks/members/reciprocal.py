"""ALAE: what its encoder sees in what is made of a latent, and what its latents know of a digit."""

from __future__ import annotations

import torch
from sklearn.neighbors import KNeighborsClassifier

from hashsvc.encoders.alae import Config, train_alae
from members.row import ALBUM, Row, chances, labels, pictures, pixels, silent

DRAWN = 10_000


def alae(seed: int) -> dict[str, Row]:
    """Latents drawn, made into pictures and read again; test pictures by their nearest training picture's latent."""
    network = train_alae(pictures(pixels("train")), Config(), seed, silent)
    rows = {side: torch.from_numpy(chances(side)) for side in ("train", "t10k")}
    shares = torch.linspace(0, 1, 10)[:, None]
    with torch.inference_mode():
        drawn = network.drawn(DRAWN, torch.Generator().manual_seed(seed))
        made = network.items(drawn).flatten(1)
        error = (network.latents(made) - drawn).square().sum(dim=1).mean()
        seen = {side: network.latents(values) for side, values in rows.items()}
        rebuilt = network.items(seen["t10k"]).flatten(1)
        ends = seen["t10k"][:4]
        paths = [network.items(torch.lerp(ends[n], ends[n + 1], shares)).flatten(1).numpy() for n in (0, 2)]
    ALBUM.grid("alae_reconstructions", {"test pictures": rows["t10k"].numpy(), "made of what is seen": rebuilt.numpy()})
    ALBUM.grid("alae_samples", {"drawn": made[:10].numpy(), " ": made[10:20].numpy(), "  ": made[20:30].numpy()})
    ALBUM.grid("alae_paths", {f"path {number + 1}": path for number, path in enumerate(paths)})
    nearest = KNeighborsClassifier(1, algorithm="brute").fit(seen["train"].numpy(), labels("train"))
    right = float((nearest.predict(seen["t10k"].numpy()) == labels("t10k")).mean())
    squares = float((rebuilt - rows["t10k"]).square().sum(dim=1).mean())
    return {
        "distance of a latent and what is seen in what is made of it, squared, over its variance": Row(
            round(float(error / drawn.var(dim=0).sum()), 4), 0.1, reference=".1"
        ),
        "1-NN by latents of test pictures, %": Row(
            round(100 * right, 2), 93.0, most=False, reference="93", beside={"squared error rebuilt": round(squares, 2)}
        ),
    }
