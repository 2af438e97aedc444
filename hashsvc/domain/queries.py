"""What a search can start from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

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


class RankBy(StrEnum):
    """What the candidates of a two-stage search are ranked by; all of it needs a query by content.

    STORED: the query's float features against the stored int8 features, or against the codes where none are kept.
    CONTENT: the items' own bytes, read and decoded again: TF-IDF cosine of texts, float features of images and vectors.
    """

    STORED = "stored"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Rerank:
    """The second stage of a search: ``k * oversampling`` Hamming candidates in order of a finer distance."""

    oversampling: int
    by: RankBy = RankBy.STORED
