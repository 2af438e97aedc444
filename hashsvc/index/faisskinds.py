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
from hashsvc.index.layout import bit_total, full_bitmap, to_codes
from hashsvc.index.part import parted
from hashsvc.index.passes import CHOSEN, Step
from hashsvc.index.postings import items_of
from hashsvc.index.rows import NOTHING, START, Cursor, Rows, joined, nearest_of, ordered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.index.part import Part
    from hashsvc.index.passes import Pass
    from hashsvc.index.segment import Segment


LEAST_PER_LIST = 39
TRAINED_PER_LIST = 64
GRAPH_LINKS = 32
GRAPH_EFFORT = 80
DEFAULT_EFFORT = {IndexKind.IVF: 32, IndexKind.HNSW: 128}


@dataclass(frozen=True, slots=True, eq=False)
class FaissStructure:
    """A trained and filled FAISS binary index; FAISS's id i is code i of the segment."""

    kind: IndexKind
    index: Any

    @property
    def size(self) -> int:
        """Bytes it takes, about: codes, and ids (IVF) or links (HNSW)."""
        beside = {IndexKind.IVF: 8, IndexKind.HNSW: 4 * 2 * GRAPH_LINKS}.get(self.kind, 0)
        return int(self.index.ntotal) * (int(self.index.code_size) + beside)

    def to_bytes(self) -> NDArray[np.uint8]:
        """FAISS's own format; it carries no checksum."""
        data: NDArray[np.uint8] = faiss_module().serialize_index_binary(self.index)
        return data

    @classmethod
    def from_bytes(cls, kind: IndexKind, data: NDArray[np.uint8]) -> FaissStructure:
        """Back from :meth:`to_bytes`; the caller has checked the bytes."""
        return cls(kind, faiss_module().deserialize_index_binary(data))


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


def build_ivf(segment: Segment) -> FaissStructure:
    """``IndexBinaryIVF`` with about ``4 * sqrt(codes)`` lists, trained on a sample of the codes."""
    faiss, codes = faiss_module(), to_codes(segment.words(), segment.bits)
    lists = max(1, min(int(4 * len(codes) ** 0.5), len(codes) // LEAST_PER_LIST))
    index = faiss.IndexBinaryIVF(faiss.IndexBinaryFlat(segment.bits), segment.bits, lists)
    index.cp.min_points_per_centroid = 1
    index.train(codes[:: max(1, len(codes) // (TRAINED_PER_LIST * lists))])
    index.add(codes)
    return FaissStructure(IndexKind.IVF, index)


def build_hnsw(segment: Segment) -> FaissStructure:
    """``IndexBinaryHNSW``: a graph with up to 64 links a code in its lowest layer."""
    index = faiss_module().IndexBinaryHNSW(segment.bits, GRAPH_LINKS)
    index.hnsw.efConstruction = GRAPH_EFFORT
    index.add(to_codes(segment.words(), segment.bits))
    return FaissStructure(IndexKind.HNSW, index)


class FlatPass:
    """FAISS flat for segments that have one, another exact pass for the rest (the tail)."""

    name = "flat"
    exact = True

    def __init__(self, bits: int, rest: Pass) -> None:
        self._bits = bits
        self._rest = rest

    def nearest(self, parts: Sequence[Part], queries: NDArray[np.uint64], k: int, after: Cursor) -> Rows:
        """See :class:`Pass`; pages beyond the first are left to the other exact pass."""
        if after != START:
            return self._rest.nearest(parts, queries, k, after)
        flat, rest = _split(parts, IndexKind.FLAT)
        found = [self._nearest(part, number, query, k) for part in flat for number, query in enumerate(queries)]
        return nearest_of(joined([*found, self._rest.nearest(rest, queries, k, after)]), len(queries), k)

    def inside(self, parts: Sequence[Part], queries: NDArray[np.uint64], radius: int) -> Rows:
        """See :class:`Pass`."""
        flat, rest = _split(parts, IndexKind.FLAT)
        found = [self._inside(part, number, query, radius) for part in flat for number, query in enumerate(queries)]
        return ordered(joined([*found, self._rest.inside(rest, queries, radius)]))

    def step(self, name: str, part: Part, queries: int, radius: int | None, /) -> Step:
        """See :class:`Pass`."""
        if _has(part, IndexKind.FLAT):
            return Step(name, len(part.ids), part.total, self.name, CHOSEN)
        return self._rest.step(name, part, queries, radius)

    def _nearest(self, part: Part, number: int, query: NDArray[np.uint64], k: int) -> Rows:
        """Everything up to the k-th code's distance: FAISS breaks ties its own way, so all of them are fetched."""
        index, code = _index(part), to_codes(query[None], self._bits)
        distances, positions = index.search(code, min(k, len(part.ids)), params=_selector(part))
        distances = distances[0][positions[0] >= 0]
        if not len(distances):
            return NOTHING
        bound = int(distances[-1]) if len(distances) >= k else self._bits
        return nearest_of(self._inside(part, number, query, bound), number + 1, k)

    def _inside(self, part: Part, number: int, query: NDArray[np.uint64], radius: int) -> Rows:
        index, code = _index(part), to_codes(query[None], self._bits)
        # FAISS's radius is strict.
        _, distances, positions = index.range_search(code, radius + 1, params=_selector(part))
        return items_of(part, np.full(len(positions), number, np.int32), distances.astype(np.int32), positions)


class ApproximatePass:
    """IVF or HNSW for segments that have one and of whose codes more than half may answer; the exact pass for the rest.

    Within searches and later pages are left to the exact pass, and so is a query for which the structure finds fewer
    than k allowed items: an approximate kind may miss some of the nearest on a first page, filtered or not, and never
    misses an item elsewhere, breaks a filter or gives fewer than k when k exist.

    Args:
        effort: lists looked at (IVF) or candidates kept (HNSW).
    """

    exact = False

    def __init__(self, kind: IndexKind, bits: int, rest: Pass, effort: int | None = None) -> None:
        self.name = str(kind)
        self._kind = kind
        self._bits = bits
        self._rest = rest
        self._effort = effort or DEFAULT_EFFORT[kind]

    def at(self, effort: int) -> ApproximatePass:
        """The same with another effort."""
        return ApproximatePass(self._kind, self._bits, self._rest, effort)

    def nearest(self, parts: Sequence[Part], queries: NDArray[np.uint64], k: int, after: Cursor) -> Rows:
        """See :class:`hashsvc.index.passes.Pass`; not exact."""
        usable = self.approximated(parts, after)
        rest = [part for part in parts if all(part is not one for one in usable)]
        found = [self._nearest(part, queries, k) for part in usable]
        return nearest_of(joined([*found, self._rest.nearest(rest, queries, k, after)]), len(queries), k)

    def approximated(self, parts: Sequence[Part], after: Cursor) -> list[Part]:
        """The parts of a nearest search that are not left to the exact pass."""
        return [part for part in _split(parts, self._kind)[0] if _mostly_allowed(part)] if after == START else []

    def inside(self, parts: Sequence[Part], queries: NDArray[np.uint64], radius: int) -> Rows:
        """See :class:`hashsvc.index.passes.Pass`; exact."""
        return self._rest.inside(parts, queries, radius)

    def step(self, name: str, part: Part, queries: int, radius: int | None, /) -> Step:
        """See :class:`hashsvc.index.passes.Pass`."""
        if radius is None and self.approximated([part], START):
            return Step(name, len(part.ids), part.total, self.name, f"{CHOSEN}, which may miss some of the nearest")
        return self._rest.step(name, part, queries, radius)

    def _nearest(self, part: Part, queries: NDArray[np.uint64], k: int) -> Rows:
        wanted = min(len(part.ids), k + 4 * (len(part.ids) - bit_total(part.codes)) * k // len(part.ids) + 1)
        codes = to_codes(queries, self._bits)
        distances, positions = _index(part).search(codes, wanted, params=self._parameters())
        real = positions >= 0
        numbers = np.repeat(np.arange(len(queries), dtype=np.int32), wanted)[real.reshape(-1)]
        rows = items_of(part, numbers, distances[real].astype(np.int32), positions[real].astype(np.int64))
        short = np.flatnonzero(np.bincount(rows.queries, minlength=len(queries)) < min(k, part.total))
        if not len(short):
            return rows
        exact = self._rest.nearest([part], queries[short], k, START)
        keep = ~np.isin(rows.queries, short)
        kept = Rows(rows.queries[keep], rows.distances[keep], rows.ids[keep])
        return joined([kept, Rows(short.astype(np.int32)[exact.queries], exact.distances, exact.ids)])

    def _parameters(self) -> Any:
        faiss = faiss_module()
        if self._kind is IndexKind.IVF:
            return faiss.SearchParametersIVF(nprobe=self._effort)
        return faiss.SearchParametersHNSW(efSearch=self._effort)


def _mostly_allowed(part: Part) -> bool:
    return 2 * bit_total(part.codes) > len(part.ids)


def _index(part: Part) -> Any:
    """FAISS's index of a part that has one, to be called from this thread."""
    faiss_module()
    assert part.segment is not None
    assert part.segment.structure is not None
    return part.segment.structure.index


def _split(parts: Sequence[Part], kind: IndexKind) -> tuple[list[Part], list[Part]]:
    """The parts whose segment has a structure of this kind, and the rest."""
    return parted(parts, [_has(part, kind) for part in parts])


def _has(part: Part, kind: IndexKind) -> bool:
    structure = None if part.segment is None else part.segment.structure
    return structure is not None and structure.kind is kind


def _selector(part: Part) -> Any:
    """FAISS search parameters that keep to the part's codes; None when every code may answer."""
    if (part.codes == full_bitmap(len(part.ids))).all():
        return None
    faiss = faiss_module()
    selector = faiss.IDSelectorBitmap(part.codes.view(np.uint8))
    return faiss.SearchParameters(sel=selector)
