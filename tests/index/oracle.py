"""A dictionary that answers by brute force: what every index must agree with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hashsvc.codes import hamming


class Oracle:
    """Items as id -> code."""

    def __init__(self) -> None:
        self.items: dict[int, NDArray[np.uint8]] = {}

    def apply(self, ids: NDArray[np.int64], codes: NDArray[np.uint8], deleted: NDArray[np.int64]) -> None:
        for number, code in zip(ids.tolist(), codes, strict=True):
            self.items[number] = code
        for number in deleted.tolist():
            self.items.pop(number, None)

    def pairs(self, query: NDArray[np.uint8], allowed: set[int] | None = None) -> list[tuple[int, int]]:
        """(distance, id) of every allowed item, in order."""
        ids = [number for number in self.items if allowed is None or number in allowed]
        if not ids:
            return []
        distances = hamming(np.stack([self.items[number] for number in ids]), query)
        return sorted(zip(distances.tolist(), ids, strict=True))


def clustered(rng: np.random.Generator, rows: int, bits: int) -> NDArray[np.uint8]:
    """Half random codes, half copies of a few centres with up to three bits turned; many equal ones among them."""
    codes = rng.integers(0, 256, (rows, bits // 8), dtype=np.uint8)
    centres = rng.integers(0, 256, (max(rows // 16, 1), bits // 8), dtype=np.uint8)
    for row in range(0, rows, 2):
        codes[row] = centres[rng.integers(len(centres))]
        for place in rng.integers(0, bits, rng.integers(0, 4)):
            codes[row, place >> 3] ^= 128 >> (place & 7)
    return codes
