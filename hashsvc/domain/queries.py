"""What a search can start from."""

from __future__ import annotations

from dataclasses import dataclass

from hashsvc.domain.kinds import Kind


@dataclass(frozen=True, slots=True)
class ContentQuery:
    """Query by example: bytes of the given kind (TEXT, IMAGE or VECTOR), encoded by the collection's encoder."""

    kind: Kind
    content: bytes


@dataclass(frozen=True, slots=True)
class CodeQuery:
    """Query by a ready code ``bytes[bits/8]``."""

    code: bytes


@dataclass(frozen=True, slots=True)
class KeyQuery:
    """Query by a stored item; that item itself is left out of the answer."""

    key: str


Query = ContentQuery | CodeQuery | KeyQuery
