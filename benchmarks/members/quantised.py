"""VQ-VAE over a grid: how much of its codebook it uses, and what a prior knows of the indices, on pictures and text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from hashsvc.encoders.deep_vq_vae import Config, indices_of, train_deep_vq_vae
from hashsvc.encoders.loop import Schedule
from hashsvc.encoders.prior import Config as PriorConfig
from hashsvc.encoders.prior import Prior, bits_an_index, train_prior, unigram_bits
from members.row import ALBUM, Row, chances, pictures, pixels, silent
from members.texts import posts

if TYPE_CHECKING:
    from collections.abc import Sequence

LETTERS = " abcdefghijklmnopqrstuvwxyz0123456789.,:;!?'\"()<>-_/@#$%&*+=|[]"
PLACES, PASSAGES = 64, 10_000
WANTED = 0.9


def vq_vae(seed: int) -> dict[str, Row]:
    """Test pictures through a grid of 7 x 7 indices; test posts letter by letter."""
    config = Config()
    network = train_deep_vq_vae(pictures(pixels("train")), config, seed, silent)
    asked, clean = pictures(pixels("t10k")), chances("t10k")
    with torch.inference_mode():
        indices = indices_of(network, asked)
        latents = network.entries_at(indices)
        rebuilt = torch.cat([network.items(part).flatten(1) for part in torch.split(latents, 1_000)]).numpy()
        drawn = network.items(network.drawn(30, torch.Generator().manual_seed(seed))).flatten(1).numpy()
    ALBUM.grid("vq_vae_reconstructions", {"test pictures": clean, "from 49 indices": rebuilt})
    ALBUM.grid("vq_vae_samples", {"drawn from the prior": drawn[:10], " ": drawn[10:20], "  ": drawn[20:]})
    shares = np.bincount(indices.numpy().ravel(), minlength=config.entries) / indices.numel()
    perplexity = float(np.exp(-(shares * np.log(np.maximum(shares, 1e-30))).sum()))
    error = float(((rebuilt - clean) ** 2).mean() / ((clean - chances("train").mean(axis=0)) ** 2).mean())
    return {
        "codebook perplexity over its entries": Row(
            round(perplexity / config.entries, 3),
            0.5,
            most=False,
            reference=".056 and 326 of 512 on CIFAR-10",
            beside={"NMSE": round(error, 4), "perplexity": round(perplexity, 1)},
        ),
        "bits an index over the unigram's, PixelCNN": _bits(
            bits_an_index(network.prior, indices), unigram_bits(indices, config.entries)
        ),
        "bits a letter over the unigram's, causal 1-D network": letters(seed),
    }


def _bits(ours: float, unigram: float) -> Row:
    return Row(
        round(ours / unigram, 3),
        WANTED,
        slack=0.0,
        reference="unigram entropy",
        beside={"prior": round(ours, 3), "unigram": round(unigram, 3)},
    )


def letters(seed: int) -> Row:
    """Passages of 64 letters from the posts of 20 Newsgroups: a codebook that people have agreed on."""
    held, asked = (passages(side, seed) for side in (posts().contents, posts().queries))
    config = PriorConfig(channels=48, layers=5)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        prior = Prior((PLACES,), len(LETTERS) + 1, config.channels, config.layers)
        schedule = Schedule(2, config.batch, config.rate)
        train_prior(prior, held, schedule, seed=seed, progress=silent)
    return _bits(bits_an_index(prior, asked[:2_000]), unigram_bits(asked[:2_000], prior.entries))


def passages(contents: Sequence[bytes], seed: int) -> torch.Tensor:
    """Letters ``int64[n, 64]`` by their number, at most 10,000 passages; the last number is any other sign."""
    numbers = np.full(256, len(LETTERS), dtype=np.uint8)
    for number, letter in enumerate(LETTERS):
        numbers[[ord(letter), ord(letter.upper())]] = number
    found = np.concatenate([_passages(content) for content in contents])
    order = np.random.default_rng(seed).permutation(len(found))[:PASSAGES]
    return torch.from_numpy(numbers[found[order]].astype(np.int64))


def _passages(content: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    words = b" ".join(content.split())
    whole = len(words) // PLACES
    return np.frombuffer(words[: whole * PLACES], np.uint8).reshape(whole, PLACES)
