"""What a selection decides about: rows in a total order, and which two of them are duplicates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MARGIN = 0.1


class Sketches(Protocol):
    """What two items are compared by at the second look."""

    def scores(self, left: NDArray[np.int64], right: NDArray[np.int64], least: float = 0.0, /) -> NDArray[np.float64]:
        """Scores ``float64[m]`` in 0..1 of the pairs of rows; those below ``least`` may be given as 0."""
        ...


@dataclass(frozen=True, slots=True)
class Problem:
    """What is to be decided; row i stands before row i + 1 in the total order.

    Args:
        codes: ``uint8[n, bits/8]``.
        forms: ``int64[n]``; equal numbers mean the same content, whatever the codes.
        sketches: the second look; None where a pair within the radius is proof enough.
        given: so many rows, the first, are kept whatever they are.
        among: whether the other rows are compared with each other, or with the given ones only.
        radius: inclusive.
        threshold: least score of a duplicate.
        apart: ``int64[m, 2]``, sorted pairs of rows that are no duplicates whatever they look like.
    """

    codes: NDArray[np.uint8]
    forms: NDArray[np.int64]
    sketches: Sketches | None
    given: int
    among: bool
    radius: int
    threshold: float
    apart: NDArray[np.int64]

    def scores(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        """Scores ``float64[m]`` of pairs of rows within the radius; nan where being there is proof enough."""
        least = self.threshold - MARGIN
        same = self.forms[left] == self.forms[right]
        scores = np.full(len(left), np.nan)
        scores[same] = 1.0
        if self.sketches is not None and not same.all():
            scores[~same] = self.sketches.scores(left[~same], right[~same], least)
        return scores

    def duplicates(
        self, left: NDArray[np.int64], right: NDArray[np.int64], scores: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Which pairs with these :meth:`scores` are duplicates."""
        true: NDArray[np.bool_] = np.isnan(scores) | (scores >= self.threshold)
        if len(self.apart):
            count = np.int64(len(self.codes))
            known = self.apart[:, 0] * count + self.apart[:, 1]
            true &= ~np.isin(np.minimum(left, right) * count + np.maximum(left, right), known)
        return true

    def near(self, scores: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which scores are near misses."""
        found: NDArray[np.bool_] = (scores >= self.threshold - MARGIN) & (scores < self.threshold)
        return found
