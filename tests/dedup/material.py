"""Texts that look like something, made from a list of words."""

from __future__ import annotations

import numpy as np

SYLLABLES = ("ba", "ke", "li", "mo", "nu", "ra", "se", "ti", "vo", "zu", "sha", "pre", "gon", "del", "mar", "fin")


def plain_texts(count: int, seed: int = 5) -> list[str]:
    """Sentences of some twenty words out of a vocabulary of five hundred, no two alike."""
    rng = np.random.default_rng(seed)
    words = ["".join(rng.choice(SYLLABLES, rng.integers(2, 5))) for _ in range(500)]
    return [" ".join(rng.choice(words, rng.integers(15, 30))).capitalize() + "." for _ in range(count)]
