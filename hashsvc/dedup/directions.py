"""Vectors and stored features, compared by the cosine between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAIRS = 20_000


@dataclass(frozen=True, slots=True)
class Directions:
    """Rows ``float32[n, d]`` or ``int8[n, d]``; a row of zeros is like nothing."""

    rows: NDArray[np.float32] | NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.rows)

    def scores(self, left: NDArray[np.int64], right: NDArray[np.int64], _least: float = 0.0) -> NDArray[np.float64]:
        """Cosines ``float64[m]``, negative ones as 0, rounded to six digits: beyond, sums depend on the machine."""
        parts = [
            self._scores(left[start : start + PAIRS], right[start : start + PAIRS])
            for start in range(0, len(left), PAIRS)
        ]
        return np.concatenate(parts) if parts else np.empty(0)

    def _scores(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        one, other = self.rows[left].astype(np.float64), self.rows[right].astype(np.float64)
        lengths = np.sqrt(np.einsum("ij,ij->i", one, one) * np.einsum("ij,ij->i", other, other))
        cosine = np.einsum("ij,ij->i", one, other) / np.where(lengths > 0, lengths, 1.0)
        scores: NDArray[np.float64] = np.round(np.clip(cosine, 0.0, 1.0), 6)
        return scores
