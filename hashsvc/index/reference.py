"""The reference pass in plain numpy: what every other pass is tested against, and the fallback without a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.index.layout import set_places, words_at
from hashsvc.index.passes import CHOSEN, Step
from hashsvc.index.rows import Cursor, Rows, joined, nearest_of, ordered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.index.part import Part


class ReferencePass:
    """Compares every allowed item with every query.

    Args:
        reason: why it answers, for a plan.
    """

    name = "reference"
    exact = True

    def __init__(self, reason: str = CHOSEN) -> None:
        self._reason = reason

    def nearest(self, parts: Sequence[Part], queries: NDArray[np.uint64], k: int, after: Cursor) -> Rows:
        """The k first items of each query beyond ``after``, in order of (query, distance, id)."""
        found = []
        for part in parts:
            words, owners, ids = allowed_items(part)
            for number, query in enumerate(queries):
                found.append(_nearest(number, distances_of(words, query)[owners], ids, k, after))
        return nearest_of(joined(found), len(queries), k)

    def inside(self, parts: Sequence[Part], queries: NDArray[np.uint64], radius: int) -> Rows:
        """Every item at distance <= radius of each query, in order of (query, distance, id)."""
        found = []
        for part in parts:
            words, owners, ids = allowed_items(part)
            for number, query in enumerate(queries):
                distances = distances_of(words, query)[owners]
                found.append(_rows(number, distances, ids, distances <= radius))
        return ordered(joined(found))

    def step(self, name: str, part: Part, _queries: int, _radius: int | None, /) -> Step:
        """See :class:`hashsvc.index.passes.Pass`."""
        return Step(name, len(part.ids), part.total, self.name, self._reason)


def distances_of(words: NDArray[np.uint64], query: NDArray[np.uint64]) -> NDArray[np.int32]:
    """Hamming distances ``int32[n]`` between codes ``uint64[n, words]`` and one query ``uint64[words]``."""
    distances: NDArray[np.int32] = np.bitwise_count(words ^ query).sum(axis=1, dtype=np.int32)
    return distances


def allowed_items(part: Part) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]:
    """Codes ``uint64[n, words]`` with an allowed item; for each allowed item its row in them and its id."""
    codes, firsts, extras = set_places(part.codes), set_places(part.items), set_places(part.extras)
    words = words_at(part.blocks, codes)
    owners = firsts
    ids = part.ids[firsts]
    if len(extras):
        group = np.searchsorted(part.shared_offsets, extras, side="right") - 1
        owners = np.concatenate([firsts, part.shared_codes[group].astype(np.int64)])
        ids = np.concatenate([ids, part.extra_ids[extras]])
    return words, np.searchsorted(codes, owners), ids


def _nearest(number: int, distances: NDArray[np.int32], ids: NDArray[np.int64], k: int, after: Cursor) -> Rows:
    keep = (distances > after.distance) | ((distances == after.distance) & (ids > after.id))
    if np.count_nonzero(keep) > k:
        bound = np.partition(distances[keep], k - 1)[k - 1]
        keep &= distances <= bound
    return _rows(number, distances, ids, keep)


def _rows(number: int, distances: NDArray[np.int32], ids: NDArray[np.int64], keep: NDArray[np.bool_]) -> Rows:
    count = np.count_nonzero(keep)
    return Rows(np.full(count, number, np.int32), distances[keep], ids[keep])
