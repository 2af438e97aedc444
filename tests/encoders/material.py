"""Small real items of every kind, and the encoders fitted on them once a run."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from hashsvc.domain.kinds import Kind
from hashsvc.encoders import Fitted, fit

COUNT = 300
TOPICS = {
    "sea": [
        "ship",
        "harbour",
        "captain",
        "sail",
        "wave",
        "anchor",
        "storm",
        "sailor",
        "deck",
        "voyage",
        "island",
        "compass",
    ],
    "kitchen": [
        "oven",
        "flour",
        "sugar",
        "butter",
        "knife",
        "recipe",
        "bread",
        "onion",
        "pepper",
        "garlic",
        "boil",
        "stew",
    ],
    "music": [
        "violin",
        "piano",
        "concert",
        "melody",
        "rhythm",
        "singer",
        "guitar",
        "chorus",
        "tempo",
        "opera",
        "drum",
        "choir",
    ],
    "space": [
        "planet",
        "orbit",
        "rocket",
        "comet",
        "telescope",
        "galaxy",
        "star",
        "lunar",
        "gravity",
        "astronaut",
        "probe",
        "nebula",
    ],
}


@cache
def texts() -> tuple[list[bytes], list[str]]:
    """240 short texts of four topics, and the topic of each."""
    rng = np.random.default_rng(5)
    contents, labels = [], []
    for number in range(240):
        topic = sorted(TOPICS)[number % len(TOPICS)]
        words = rng.choice(TOPICS[topic], 7, replace=False)
        contents.append(f"the {' '.join(words)} {number}".encode())
        labels.append(topic)
    return contents, labels


@cache
def digits() -> tuple[list[bytes], list[int]]:
    """300 scanned digits as PNG files, and what they show."""
    data = load_digits()
    return [png((picture * 15.9).astype(np.uint8)) for picture in data.images[:COUNT]], data.target[:COUNT].tolist()


@cache
def vectors() -> tuple[list[bytes], list[int]]:
    """The same digits as vectors of 64 numbers."""
    data = load_digits()
    return [row.astype("<f4").tobytes() for row in data.data[:COUNT]], data.target[:COUNT].tolist()


def png(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    """A picture file of these pixels."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def contents(kind: Kind) -> list[bytes]:
    """Items of one kind."""
    return {Kind.TEXT: texts, Kind.IMAGE: digits, Kind.VECTOR: vectors}[kind]()[0]


@cache
def fitted(model: str, kind: Kind, bits: int = 32) -> Fitted:
    """One model trained on a few items of a kind."""
    return fit(contents(kind)[:120], kind=kind, bits=bits, model=model, seed=3)
