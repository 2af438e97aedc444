"""Items: what a user stores, what the catalog holds of it, and the id both are known by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from hashsvc.errors import HashsvcError, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hashsvc.domain.metadata import Metadata

MAX_KEY_BYTES = 1024
NO_METADATA: Mapping[str, str] = MappingProxyType({})


def check_key(key: str, where: str = "key") -> str:
    """Return ``key`` if it is legal: 1 to 1,024 bytes of UTF-8 without NUL; raise InvalidArgument if not."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise InvalidArgument("key must be valid Unicode (it holds a lone surrogate)", field=where) from None
    if not 1 <= size <= MAX_KEY_BYTES or "\x00" in key:
        raise InvalidArgument(f"key must have 1 to {MAX_KEY_BYTES} bytes of UTF-8 and no NUL", field=where)
    return key


def item_id(key: str) -> int:
    """The 63-bit id of a key: the top bits of its sha256. The catalog settles a collision at insert."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 1


def content_hash(content: bytes) -> bytes:
    """sha256 of an item's bytes, 32 bytes: exact sameness only."""
    return hashlib.sha256(content).digest()


@dataclass(frozen=True, slots=True)
class Item:
    """One document, image or vector as a user gives it.

    Args:
        key: the user's id.
        content: the item's bytes in the form its collection's kind asks for (see Kind); None in a CODE collection.
        code: a ready code ``bytes[bits/8]``; only in a CODE collection, None elsewhere.
        metadata: flat mapping of typed values.
        reference: where the bytes came from (a URL or path with row), kept by REFERENCE collections.
    """

    key: str
    content: bytes | None = None
    code: bytes | None = None
    metadata: Metadata = field(default_factory=lambda: NO_METADATA)
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One encoded item on its way into the catalog.

    Args:
        content_hash: sha256 of the item's bytes (of its code in a CODE collection), 32 bytes.
        code: ``bytes[bits/8]``.
        reference: kept by REFERENCE collections.
        features: int8 features, kept by FEATURES collections.
    """

    key: str
    content_hash: bytes
    code: bytes
    metadata: Metadata = field(default_factory=lambda: NO_METADATA)
    reference: str | None = None
    features: bytes | None = None


@dataclass(frozen=True, slots=True)
class StoredItem:
    """One item as the catalog holds it. ``sequence`` is the commit order of its last write.

    ``memo`` is for those who make something of an item again and again: it goes when the item goes.
    """

    id: int
    key: str
    content_hash: bytes
    code: bytes
    metadata: Metadata
    sequence: int
    reference: str | None = None
    features: bytes | None = None
    memo: dict[str, bytes] = field(default_factory=dict, compare=False, repr=False)


class Outcome(StrEnum):
    """What a write did with one item.

    UNCHANGED: held already with the same content hash, code and metadata. KNOWN: not stored, another item lies near it.
    """

    STORED = "stored"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    ABSENT = "absent"
    REFUSED = "refused"
    KNOWN = "known"


@dataclass(frozen=True, slots=True)
class Witness:
    """The item that lies near one that was not stored: its key, id and integer Hamming distance."""

    key: str
    id: int
    distance: int


@dataclass(frozen=True, slots=True)
class Written:
    """Acknowledgement of one write: it is durable and seen by every later search.

    Args:
        outcomes: one for each item of the request, in its order.
        errors: the error of each REFUSED item, by its position in the request.
        watermark: the collection's sequence number after the write.
        witnesses: what lies near each KNOWN item, by the item's position in the request; a repeated request names
            those that are still held.
    """

    outcomes: tuple[Outcome, ...]
    watermark: int
    errors: Mapping[int, HashsvcError] = field(default_factory=dict)
    witnesses: Mapping[int, Witness] = field(default_factory=dict)

    def count(self, outcome: Outcome) -> int:
        """How many items of the request had this outcome."""
        return self.outcomes.count(outcome)
