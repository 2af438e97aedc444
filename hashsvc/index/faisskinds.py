"""FAISS indexes over a segment's distinct codes: flat (exact), IVF and HNSW (approximate).

FAISS is imported when the first one is built, never with this module. A FAISS index here is only ever read once built:
adding to one while another thread searches it ends the process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hashsvc.domain.kinds import IndexKind
from hashsvc.index.layout import full_bitmap, to_codes
from hashsvc.index.postings import items_of
from hashsvc.index.rows import NOTHING, START, Cursor, Rows, joined, nearest_of, ordered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.index.part import Part
    from hashsvc.index.passes import Pass
    from hashsvc.index.segment import Segment


@dataclass(frozen=True, slots=True, eq=False)
class FaissStructure:
    """A trained and filled FAISS binary index; FAISS's id i is code i of the segment."""

    kind: IndexKind
    index: Any

    @property
    def size(self) -> int:
        """Bytes it takes, about: its serialised size is not taken for this."""
        return int(self.index.ntotal * self.index.code_size)


def faiss_module() -> Any:
    """FAISS, loaded on first use, told to stay in the calling thread.

    FAISS's own threads make one query a hundred times slower on a busy machine, and the setting holds for the calling
    thread only, so it is made before each call.
    """
    import faiss

    faiss.omp_set_num_threads(1)
    return faiss


def build_flat(segment: Segment) -> FaissStructure:
    """``IndexBinaryFlat`` over the distinct codes."""
    index = faiss_module().IndexBinaryFlat(8 * -(-segment.bits // 8))
    index.add(to_codes(segment.words(), segment.bits))
    return FaissStructure(IndexKind.FLAT, index)


class FlatPass:
    """FAISS flat for segments that have one, another exact pass for the rest (the tail)."""

    name = "flat"

    def __init__(self, bits: int, rest: Pass) -> None:
        self._bits = bits
        self._rest = rest

    def nearest(self, parts: Sequence[Part], queries: NDArray[np.uint64], k: int, after: Cursor) -> Rows:
        """See :class:`Pass`; pages beyond the first are left to the other exact pass."""
        if after != START:
            return self._rest.nearest(parts, queries, k, after)
        flat, rest = _split(parts)
        found = [self._nearest(part, number, query, k) for part in flat for number, query in enumerate(queries)]
        return nearest_of(joined([*found, self._rest.nearest(rest, queries, k, after)]), len(queries), k)

    def inside(self, parts: Sequence[Part], queries: NDArray[np.uint64], radius: int) -> Rows:
        """See :class:`Pass`."""
        flat, rest = _split(parts)
        found = [self._inside(part, number, query, radius) for part in flat for number, query in enumerate(queries)]
        return ordered(joined([*found, self._rest.inside(rest, queries, radius)]))

    def _nearest(self, part: Part, number: int, query: NDArray[np.uint64], k: int) -> Rows:
        """Everything up to the k-th code's distance: FAISS breaks ties its own way, so all of them are fetched."""
        faiss_module()
        index, code = _structure(part).index, to_codes(query[None], self._bits)
        distances, positions = index.search(code, min(k, len(part.ids)), params=_selector(part))
        distances = distances[0][positions[0] >= 0]
        if not len(distances):
            return NOTHING
        bound = int(distances[-1]) if len(distances) >= k else self._bits
        return nearest_of(self._inside(part, number, query, bound), number + 1, k)

    def _inside(self, part: Part, number: int, query: NDArray[np.uint64], radius: int) -> Rows:
        index, code = _structure(part).index, to_codes(query[None], self._bits)
        # FAISS's radius is strict.
        _, distances, positions = index.range_search(code, radius + 1, params=_selector(part))
        return items_of(part, np.full(len(positions), number, np.int32), distances.astype(np.int32), positions)


def _structure(part: Part) -> FaissStructure:
    assert part.segment is not None
    assert part.segment.structure is not None
    return part.segment.structure


def _split(parts: Sequence[Part]) -> tuple[list[Part], list[Part]]:
    with_one = [part for part in parts if part.segment is not None and part.segment.structure is not None]
    return with_one, [part for part in parts if part.segment is None or part.segment.structure is None]


def _selector(part: Part) -> Any:
    """FAISS search parameters that keep to the part's codes; None when every code may answer."""
    if (part.codes == full_bitmap(len(part.ids))).all():
        return None
    faiss = faiss_module()
    selector = faiss.IDSelectorBitmap(part.codes.view(np.uint8))
    return faiss.SearchParameters(sel=selector)
