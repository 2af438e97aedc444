"""Each model with a decoder as an encoder: P@100 of its 64-bit code on MNIST, beside ITQ."""

from __future__ import annotations

from functools import cache

import numpy as np

from hashsvc.encoders import MODELS
from hashsvc.evaluate import Truth, score_codes
from members.row import Row, labels, pictures, pixels, silent

BITS, QUERIES, TRAINED = 64, 2_000, 5_000


def precision(model: str, seed: int) -> float:
    """P@100 of the first 2,000 test pictures among the training pictures, ties averaged.

    The encoder learns from the first 5,000 of them, so that all models together take minutes.
    """
    encoder = MODELS[model].fit(pictures(pixels("train")[:TRAINED]), BITS, seed, silent)
    held = encoder.encode(list(pixels("train")))
    asked = encoder.encode(list(pixels("t10k")[:QUERIES]))
    truth = Truth(len(held), len(asked), labels("t10k")[:QUERIES].astype(np.int64), labels("train").astype(np.int64))
    return round(score_codes(asked, held, truth)[0].precision or 0.0, 4)


@cache
def itq(seed: int) -> float:
    """The floor."""
    return precision("itq", seed)


def as_encoder(seed: int, models: tuple[str, ...] = ()) -> dict[str, Row]:
    """A row a model: what it must reach is nothing but known; ITQ stands beside it."""
    wanted = models or tuple(model.name for model in MODELS.values() if model.decodes)
    floor = itq(seed)
    return {
        f"{model}, P@100 of 64 bits": Row(
            precision(model, seed), 0.0, most=False, reference="nothing is asked", beside={"ITQ": floor}
        )
        for model in wanted
    }
