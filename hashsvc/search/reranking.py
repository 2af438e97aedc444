"""The second stage of a search: Hamming candidates in order of a finer distance.

Short-listing by code and ranking the list by the words themselves is the use that semantic hashing was made for
(Salakhutdinov & Hinton 2009, section 5): as good as ranking everything, at the cost of ranking a few.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from hashsvc.domain.kinds import ContentMode, Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.domain.collections import Collection
    from hashsvc.domain.items import StoredItem
    from hashsvc.encoders import Encoder
    from hashsvc.encoders.contract import Decoded, Terms


class Finer(Protocol):
    """Finer distances of a few queries to stored items."""

    def scores(self, query: int, items: Sequence[StoredItem]) -> NDArray[np.float32]:
        """Distances ``float32[n]`` of one query to items; smaller is nearer, comparable within one query."""
        ...


class ByStored:
    """The query's float features against int8 features (1 - cosine), or against codes (asymmetric distance).

    Args:
        collection: keeps int8 features or only codes.
        encoder: the collection's.
        decoded: the queries behind the encoder's front.
    """

    def __init__(self, collection: Collection, encoder: Encoder, decoded: Sequence[Decoded]) -> None:
        self._featured = collection.content is ContentMode.FEATURES
        self._queries = _units(encoder.features(decoded)) if self._featured else encoder.tables(decoded)

    def scores(self, query: int, items: Sequence[StoredItem]) -> NDArray[np.float32]:
        """See :meth:`Finer.scores`."""
        if not items:
            return np.zeros(0, np.float32)
        if self._featured:
            stored = np.stack([np.frombuffer(item.features or b"", np.int8) for item in items]).astype(np.float32)
            return _apart(_units(stored), self._queries[query])
        codes = np.stack([np.frombuffer(item.code, np.uint8) for item in items])
        table = self._queries[query]
        found: NDArray[np.float32] = table[np.arange(len(table)), codes].sum(axis=1)
        return found


class ByContent:
    """The query against the items' own bytes: 1 - cosine of TF-IDF terms for texts, of float features for the rest.

    Args:
        encoder: the collection's.
        decoded: the queries behind the encoder's front.
        read: the bytes under a content hash (hex).
    """

    def __init__(self, encoder: Encoder, decoded: Sequence[Decoded], read: Callable[[str], bytes]) -> None:
        self._encoder = encoder
        self._queries = decoded
        self._read = read

    def scores(self, query: int, items: Sequence[StoredItem]) -> NDArray[np.float32]:
        """See :meth:`Finer.scores`."""
        if not items:
            return np.zeros(0, np.float32)
        asked = self._queries[query]
        decoded = [self._encoder.decode(self._read(item.content_hash.hex())) for item in items]
        if self._encoder.spec.kind is Kind.TEXT:
            cosines = [_shared(asked, terms) for terms in decoded]  # type: ignore[arg-type]
            return 1 - np.array(cosines, np.float32)
        features = _units(self._encoder.features([asked, *decoded]))
        return _apart(features[1:], features[0])


def _shared(left: Terms, right: Terms) -> float:
    """Cosine of two sparse rows of unit length."""
    places = np.searchsorted(left.columns, right.columns)
    places[places == len(left.columns)] = 0
    same = left.columns[places] == right.columns
    return float(left.weights[places[same]] @ right.weights[same])


def _apart(rows: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 - cosine of unit rows ``float32[n, d]`` with a unit query ``float32[d]``."""
    cosines: NDArray[np.float32] = rows @ query
    return 1 - cosines


def _units(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows ``float32[n, d]`` of unit length."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    units: NDArray[np.float32] = rows / np.maximum(lengths, np.finfo(np.float32).tiny)
    return units
