"""What a live index looks like from outside: for metrics and for people."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IndexState:
    """One live index.

    Args:
        collection: the catalog's number of its collection.
        watermark: every write up to this sequence number is in it.
        segments: frozen parts behind the tail.
        bytes: memory, with what is mapped from files.
        audited: searches of an approximate kind that were answered exactly too.
        recall: their mean recall by distance; 1 before the first, and always for an exact kind.
    """

    collection: int
    watermark: int
    segments: int
    bytes: int
    audited: int
    recall: float
