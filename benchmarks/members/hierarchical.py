"""The small NVAE beside the flat VAE of the same CPU seconds, on the same pictures."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from hashsvc.encoders import deep_vae
from hashsvc.encoders.nvae import Config, bound, train_nvae
from members.row import ALBUM, Row, binary, pictures, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hashsvc.encoders.generation.network import LatentNetwork
    from hashsvc.encoders.training_set import TrainingSet

    Terms = Callable[[torch.Tensor], Mapping[str, torch.Tensor]]

PART, TRIAL = 1_000, 230


def nvae(seed: int) -> dict[str, Row]:
    """Both bounds; the flat VAE gets its usual steps, and as many as the NVAE's seconds buy: the better counts."""
    training = pictures(binary("train"))
    started = time.process_time()
    network = train_nvae(training, Config(), seed, silent)
    seconds = time.process_time() - started
    rows = torch.from_numpy(binary("t10k").reshape(-1, 784).astype(np.float32) / np.float32(255))
    ours = _nats(partial(bound, network), rows, seed)
    plain = {name: _flat(training, steps, seed) for name, steps in _steps(training, seconds).items()}
    flat = {name: _nats(partial(deep_vae.bound, one), rows, seed) for name, one in plain.items()}
    _album(network, rows[:10], seed)
    return {
        "nats a test picture below the flat VAE of equal CPU seconds": Row(
            round(min(flat.values()) - ours, 2),
            3.0,
            most=False,
            slack=0.0,
            reference="3 (paper 78.0 nats, full size)",
            beside={
                "NVAE": round(ours, 2),
                **{f"flat, {name}": round(value, 2) for name, value in flat.items()},
                "parameters, NVAE": float(_size(network)),
                "parameters, flat": float(_size(next(iter(plain.values())))),
                "CPU seconds of each": round(seconds, 1),
            },
        )
    }


def _steps(training: TrainingSet, seconds: float) -> dict[str, int]:
    """How many steps the flat VAE takes, as usual and in so many seconds of this process."""
    started = time.process_time()
    _flat(training, TRIAL, 0)
    step = (time.process_time() - started) / TRIAL
    return {"as usual": deep_vae.Config().steps, "equal seconds": max(TRIAL, int(seconds / step))}


def _flat(training: TrainingSet, steps: int, seed: int) -> deep_vae.GaussianNetwork:
    config = deep_vae.Config(steps=steps)
    return deep_vae.train_deep_vae(training, config, seed, silent, passes=steps)


def _nats(terms: Terms, rows: torch.Tensor, seed: int) -> float:
    """The negative bound on rows, one draw a row."""
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(seed)
        parts = [float(torch.stack(list(terms(part).values())).sum()) for part in torch.split(rows, PART)]
    return float(np.mean(parts))


def _size(network: LatentNetwork) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _album(network: LatentNetwork, rows: torch.Tensor, seed: int) -> None:
    shares = torch.linspace(0, 1, 10)[:, None]
    with torch.inference_mode():
        latents = network.latents(rows)
        drawn = network.items(network.drawn(30, torch.Generator().manual_seed(seed))).flatten(1).numpy()
        rebuilt = network.items(latents).flatten(1).numpy()
        paths = [network.items(torch.lerp(latents[n], latents[n + 1], shares)).flatten(1).numpy() for n in (0, 2)]
    ALBUM.grid("nvae_reconstructions", {"test pictures": rows.numpy(), "rebuilt": rebuilt})
    ALBUM.grid("nvae_samples", {"drawn from the priors": drawn[:10], " ": drawn[10:20], "  ": drawn[20:]})
    ALBUM.grid("nvae_paths", {f"path {number + 1}": path for number, path in enumerate(paths)})
