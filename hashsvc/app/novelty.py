"""Store unless something lies near: which rows of a write have a witness, in the collection or before them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hashsvc.codes import hamming

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from hashsvc.domain.items import Row
    from hashsvc.index import View

# The nearest item may be the row's own former self: the second nearest is needed then.
NEAREST = 2
QUERIES = 1_024

Near = tuple[int, int]  # (distance, id)


def near_ones(view: View, rows: Sequence[Row], ids: Sequence[int], radius: int) -> Mapping[int, Near]:
    """What lies within ``radius`` of each row that is not to be stored, by the row's position.

    Rows are taken in order: one counts as a witness for those behind it only if it is stored itself. The nearest item
    is the witness, ties by id.

    Args:
        view: every item of the collection.
        rows: what would be written.
        ids: the id of each row's key; a held item of that id is the row's former self and no witness.
        radius: inclusive Hamming distance.
    """
    codes = np.frombuffer(b"".join(row.code for row in rows), np.uint8).reshape(len(rows), -1)
    held = _held(view, codes, ids, radius)
    known: dict[int, Near] = {}
    kept: list[int] = []
    for position in range(len(rows)):
        near = [*held.get(position, []), *_earlier(codes, ids, kept, position, radius)]
        if near:
            known[position] = min(near)
        else:
            kept.append(position)
    return known


def _held(view: View, codes: NDArray[np.uint8], ids: Sequence[int], radius: int) -> dict[int, list[Near]]:
    """The nearest held item of each row, where it lies within the radius."""
    found: dict[int, list[Near]] = {}
    for start in range(0, len(codes), QUERIES):
        nearest = view.search(codes[start : start + QUERIES], NEAREST, exact=True)
        for position, (numbers, distances) in enumerate(nearest, start):
            pairs = zip(distances.tolist(), numbers.tolist(), strict=True)
            others = [pair for pair in pairs if pair[1] != ids[position] and pair[0] <= radius]
            if others:
                found[position] = others[:1]
    return found


def _earlier(
    codes: NDArray[np.uint8], ids: Sequence[int], kept: Sequence[int], position: int, radius: int
) -> list[Near]:
    """The nearest of the rows kept so far, where it lies within the radius."""
    if not kept:
        return []
    distances = hamming(codes[kept], codes[position])
    nearest = int(distances.min())
    if nearest > radius:
        return []
    return [(nearest, min(ids[kept[place]] for place in np.flatnonzero(distances == nearest).tolist()))]
