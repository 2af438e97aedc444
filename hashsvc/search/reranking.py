"""The second stage of a search: Hamming candidates in order of a finer distance.

The query keeps its float features; the stored side is its code, or its int8 features where the collection keeps them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.domain.kinds import ContentMode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.domain.collections import Collection
    from hashsvc.domain.items import StoredItem
    from hashsvc.encoders import Encoder
    from hashsvc.encoders.contract import Decoded


class Finer:
    """Finer distances of a few queries to stored items.

    Args:
        collection: keeps int8 features or only codes.
        encoder: the collection's.
        decoded: the queries behind the encoder's front.
    """

    def __init__(self, collection: Collection, encoder: Encoder, decoded: Sequence[Decoded]) -> None:
        self._featured = collection.content is ContentMode.FEATURES
        self._queries = _units(encoder.features(decoded)) if self._featured else encoder.tables(decoded)

    def scores(self, query: int, items: Sequence[StoredItem]) -> NDArray[np.float32]:
        """Distances ``float32[n]`` of one query to items, smaller is nearer: 1 - cosine, or the asymmetric distance."""
        if not items:
            return np.zeros(0, np.float32)
        if self._featured:
            stored = np.stack([np.frombuffer(item.features or b"", np.int8) for item in items]).astype(np.float32)
            cosines: NDArray[np.float32] = _units(stored) @ self._queries[query]
            return 1 - cosines
        codes = np.stack([np.frombuffer(item.code, np.uint8) for item in items])
        table = self._queries[query]
        found: NDArray[np.float32] = table[np.arange(len(table)), codes].sum(axis=1)
        return found


def _units(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows ``float32[n, d]`` of unit length."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    units: NDArray[np.float32] = rows / np.maximum(lengths, np.finfo(np.float32).tiny)
    return units
