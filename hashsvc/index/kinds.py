"""What each index kind adds to a segment, and the pass that searches it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hashsvc.domain.kinds import IndexKind
from hashsvc.index.faisskinds import FlatPass, build_flat
from hashsvc.index.reference import ReferencePass

if TYPE_CHECKING:
    from hashsvc.index.passes import Pass
    from hashsvc.index.segment import Segment


def equipped(segment: Segment, kind: IndexKind) -> Segment:
    """The segment with what its kind searches by."""
    if kind is IndexKind.FLAT:
        return replace(segment, structure=build_flat(segment))
    return segment


def way_of(kind: IndexKind, bits: int) -> Pass:
    """The pass of a kind."""
    if kind is IndexKind.FLAT:
        return FlatPass(bits, ReferencePass())
    return ReferencePass()
