"""From found codes to found items: the posting lists of codes, cut down to the items that may answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hashsvc.index.layout import bits_at
from hashsvc.index.rows import Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.index.part import Part


def items_of(
    part: Part, queries: NDArray[np.int32], distances: NDArray[np.int32], positions: NDArray[np.int64]
) -> Rows:
    """Rows of every allowed item of the codes at ``positions`` (one query and distance each), unordered."""
    first = bits_at(part.items, positions)
    rows = Rows(queries[first], distances[first], part.ids[positions[first]])
    if not len(part.extra_ids):
        return rows
    found = np.flatnonzero(bits_at(part.shared, positions))
    extras, origin = _extras_of(part, positions[found])
    allowed = bits_at(part.extras, extras)
    extras, origin = extras[allowed], found[origin[allowed]]
    return Rows(
        np.concatenate([rows.queries, queries[origin]]),
        np.concatenate([rows.distances, distances[origin]]),
        np.concatenate([rows.ids, part.extra_ids[extras]]),
    )


def _extras_of(part: Part, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every extra of these shared codes, and which of ``positions`` it belongs to."""
    groups = np.searchsorted(part.shared_codes, positions.astype(np.uint32))
    starts = part.shared_offsets[groups].astype(np.int64)
    counts = part.shared_offsets[groups + 1].astype(np.int64) - starts
    origin = np.repeat(np.arange(len(positions)), counts)
    rank = np.arange(len(origin)) - np.repeat(np.cumsum(counts) - counts, counts)
    return starts[origin] + rank, origin
