"""What each index kind adds to a segment, and the pass that searches it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hashsvc.domain.kinds import IndexKind
from hashsvc.index.costs import costs_of
from hashsvc.index.devicepass import DevicePass
from hashsvc.index.faisskinds import ApproximatePass, FlatPass, build_flat, build_hnsw, build_ivf
from hashsvc.index.kernel.compiled import failure, functions
from hashsvc.index.kernelpass import ScanPass
from hashsvc.index.layout import word_count
from hashsvc.index.planner import Planner
from hashsvc.index.reference import ReferencePass
from hashsvc.index.tables import build_tables

if TYPE_CHECKING:
    from hashsvc.index.device.resident import Resident
    from hashsvc.index.passes import Pass
    from hashsvc.index.segment import Segment

# Tables of a smaller segment save less than they cost: its scan takes a few microseconds, and each table takes 256 KiB
# beside 4 bytes a code.
TABLES_FROM = {IndexKind.TABLES: 4_096, IndexKind.AUTO: 50_000}
# A smaller segment is scanned exactly in less time than an approximate index takes: a graph looks at some thousands of
# codes that lie all over the memory.
APPROXIMATE_FROM = {IndexKind.IVF: 10_000, IndexKind.HNSW: 250_000}
BUILDERS = {IndexKind.IVF: build_ivf, IndexKind.HNSW: build_hnsw}


def equipped(segment: Segment, kind: IndexKind) -> Segment:
    """The segment with what its kind searches by, as far as that is quickly made, and with nothing of another kind.

    Graphs and lists are left to the merging.
    """
    tables, structure = segment.tables, segment.structure
    if not _wants_tables(segment, kind):
        tables = None
    elif tables is None:
        tables = build_tables(segment)
    if structure is not None and structure.kind is not kind:
        structure = None
    if structure is None and kind is IndexKind.FLAT:
        structure = build_flat(segment)
    if tables is segment.tables and structure is segment.structure:
        return segment
    return replace(segment, tables=tables, structure=structure)


def _wants_tables(segment: Segment, kind: IndexKind) -> bool:
    return kind in TABLES_FROM and segment.codes >= TABLES_FROM[kind]


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
        return ReferencePass(f"plain numpy compares every code: {failure()}")
    return Planner(ScanPass(compiled, word_count(bits)), costs_of(compiled, word_count(bits)))


def resident_of(kind: IndexKind, bits: int, device: str) -> Resident | None:
    """Where the device kind keeps its codes; None for the other kinds, which never load torch.

    Raises:
        InvalidArgument: no such device here.
    """
    if kind is not IndexKind.DEVICE:
        return None
    from hashsvc.index.device.resident import Resident

    return Resident(device, bits)


def prepare_device(kind: IndexKind, bits: int, device: str) -> None:
    """Make a device ready for the device kind and measure it, which takes seconds once in a process; for doors.

    Raises:
        InvalidArgument: no such device here; nothing is asked of one for other kinds.
    """
    resident_of(kind, bits, device)


def way_of(kind: IndexKind, bits: int, resident: Resident | None = None) -> Pass:
    """The pass of a kind; plain numpy in the place of the kernel where that has not been compiled."""
    best = exact_way(bits)
    if resident is not None:
        return DevicePass(resident, best)
    if kind in {IndexKind.IVF, IndexKind.HNSW}:
        return ApproximatePass(kind, bits, best)
    if kind is IndexKind.FLAT:
        return FlatPass(bits, best)
    if kind is IndexKind.REFERENCE:
        return ReferencePass()
    # A segment of the scan kind has no tables, so its planner chooses between scan and gather.
    return best.tables if isinstance(best, Planner) and kind is IndexKind.TABLES else best
