"""What each index kind adds to a segment, and the pass that searches it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hashsvc.domain.kinds import IndexKind
from hashsvc.index.costs import costs_of
from hashsvc.index.faisskinds import FlatPass, build_flat
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


def equipped(segment: Segment, kind: IndexKind) -> Segment:
    """The segment with what its kind searches by."""
    wants_tables = kind is IndexKind.TABLES or (kind is IndexKind.AUTO and segment.codes >= AUTO_TABLES_FROM)
    if wants_tables and segment.tables is None:
        segment = replace(segment, tables=build_tables(segment))
    if kind is IndexKind.FLAT and segment.structure is None:
        segment = replace(segment, structure=build_flat(segment))
    return segment


def way_of(kind: IndexKind, bits: int) -> Pass:
    """The pass of a kind; plain numpy where the kernel has not been compiled."""
    compiled = functions(word_count(bits))
    if compiled is None or kind is IndexKind.REFERENCE:
        reference = ReferencePass()
        return FlatPass(bits, reference) if kind is IndexKind.FLAT else reference
    scan = ScanPass(compiled, word_count(bits))
    if kind is IndexKind.SCAN:
        return scan
    if kind is IndexKind.FLAT:
        return FlatPass(bits, scan)
    planner = Planner(scan, costs_of(compiled, word_count(bits)))
    return planner.tables if kind is IndexKind.TABLES else planner
