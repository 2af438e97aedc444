"""What each index kind adds to a segment, and the pass that searches it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hashsvc.domain.kinds import IndexKind
from hashsvc.index.costs import costs_of
from hashsvc.index.faisskinds import ApproximatePass, FlatPass, build_flat, build_hnsw, build_ivf
from hashsvc.index.kernel.compiled import functions
from hashsvc.index.kernelpass import ScanPass
from hashsvc.index.layout import word_count
from hashsvc.index.planner import Planner
from hashsvc.index.reference import ReferencePass
from hashsvc.index.tables import build_tables

if TYPE_CHECKING:
    from hashsvc.index.passes import Pass
    from hashsvc.index.segment import Segment

# Tables of a smaller segment save less than they cost: its scan takes a few microseconds.
AUTO_TABLES_FROM = 50_000
# A smaller segment is scanned exactly in less time than an approximate index takes: a graph looks at some thousands of
# codes that lie all over the memory.
APPROXIMATE_FROM = {IndexKind.IVF: 10_000, IndexKind.HNSW: 250_000}
BUILDERS = {IndexKind.IVF: build_ivf, IndexKind.HNSW: build_hnsw}


def equipped(segment: Segment, kind: IndexKind) -> Segment:
    """The segment with what its kind searches by, as far as that is quickly made; graphs are left to the merging."""
    wants_tables = kind is IndexKind.TABLES or (kind is IndexKind.AUTO and segment.codes >= AUTO_TABLES_FROM)
    if wants_tables and segment.tables is None:
        return replace(segment, tables=build_tables(segment))
    if kind is IndexKind.FLAT and segment.structure is None:
        return replace(segment, structure=build_flat(segment))
    return segment


def lacks_structure(segment: Segment, kind: IndexKind) -> bool:
    """Whether the merging should build the segment's approximate index."""
    if kind not in BUILDERS or segment.codes < APPROXIMATE_FROM[kind]:
        return False
    return segment.structure is None or segment.structure.kind is not kind


def fully_equipped(segment: Segment, kind: IndexKind) -> Segment:
    """The segment with all that its kind searches by, however long that takes."""
    if lacks_structure(segment, kind):
        return replace(segment, structure=BUILDERS[kind](segment))
    return equipped(segment, kind)


def exact_way(bits: int) -> Pass:
    """The best exact pass there is: the planner over the compiled kernel, or plain numpy."""
    compiled = functions(word_count(bits))
    if compiled is None:
        return ReferencePass()
    return Planner(ScanPass(compiled, word_count(bits)), costs_of(compiled, word_count(bits)))


def way_of(kind: IndexKind, bits: int) -> Pass:
    """The pass of a kind; plain numpy in the place of the kernel where that has not been compiled."""
    best = exact_way(bits)
    if kind in {IndexKind.IVF, IndexKind.HNSW}:
        return ApproximatePass(kind, bits, best)
    if kind is IndexKind.FLAT:
        return FlatPass(bits, best)
    if kind is IndexKind.REFERENCE:
        return ReferencePass()
    # A segment of the scan kind has no tables, so its planner chooses between scan and gather.
    return best.tables if isinstance(best, Planner) and kind is IndexKind.TABLES else best
