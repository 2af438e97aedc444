"""From found codes to found items: the posting lists of codes, cut down to the items that may answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hashsvc.index.layout import bits_at, set_places
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


def least_items_of(
    part: Part, queries: NDArray[np.int32], distances: NDArray[np.int32], positions: NDArray[np.int64], most: int
) -> Rows:
    """As :func:`items_of`, of each code the ``most`` allowed extras with the least ids and its first item."""
    first = bits_at(part.items, positions)
    rows = Rows(queries[first], distances[first], part.ids[positions[first]])
    found = np.flatnonzero(bits_at(part.shared, positions)) if len(part.extra_ids) else positions[:0]
    if not len(found):
        return rows
    codes, number = np.unique(positions[found], return_inverse=True)
    extras, owner = _extras_of(part, codes)
    allowed = bits_at(part.extras, extras)
    extras, owner = extras[allowed], owner[allowed]
    starts = np.searchsorted(owner, np.arange(len(codes)))
    counts = np.minimum(np.bincount(owner, minlength=len(codes)), most)[number]
    origin = np.repeat(found, counts)
    rank = np.arange(len(origin)) - np.repeat(np.cumsum(counts) - counts, counts)
    least = extras[np.repeat(starts[number], counts) + rank]
    return Rows(
        np.concatenate([rows.queries, queries[origin]]),
        np.concatenate([rows.distances, distances[origin]]),
        np.concatenate([rows.ids, part.extra_ids[least]]),
    )


def hidden_codes(part: Part) -> NDArray[np.int64]:
    """Codes ``int64[n]`` whose first item may not answer and some extra may, in order of the least id that may."""
    extras = set_places(part.extras)
    group = np.searchsorted(part.shared_offsets, extras.astype(np.uint32), side="right") - 1
    groups, at = np.unique(group, return_index=True)
    codes = part.shared_codes[groups].astype(np.int64)
    hidden = np.flatnonzero(~bits_at(part.items, codes))
    order = np.argsort(part.extra_ids[extras[at[hidden]]])
    return codes[hidden[order]]


def _extras_of(part: Part, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every extra of these shared codes, and which of ``positions`` it belongs to."""
    groups = np.searchsorted(part.shared_codes, positions.astype(np.uint32))
    starts = part.shared_offsets[groups].astype(np.int64)
    counts = part.shared_offsets[groups + 1].astype(np.int64) - starts
    origin = np.repeat(np.arange(len(positions)), counts)
    rank = np.arange(len(origin)) - np.repeat(np.cumsum(counts) - counts, counts)
    return starts[origin] + rank, origin
