"""Answers: neighbours as the index gives them, matches as the user sees them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import numpy as np

from hashsvc.domain.metadata import Metadata

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.domain.items import StoredItem


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Neighbours of m queries as packed columns, each query's in order of (distance, id), never padded.

    Args:
        offsets: ``int64[m + 1]``; query i owns rows ``offsets[i]:offsets[i + 1]``.
        ids: ``int64[total]``.
        distances: ``int32[total]``, integer Hamming distances.
        exact: every neighbour nearer than the last one is present.
        complete: nothing was cut off by a limit (a within answer holds everything inside the radius).
    """

    offsets: NDArray[np.int64]
    ids: NDArray[np.int64]
    distances: NDArray[np.int32]
    exact: bool = True
    complete: bool = True

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, query: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Ids ``int64[n]`` and distances ``int32[n]`` of one query."""
        start, stop = self.offsets[query], self.offsets[query + 1]
        return self.ids[start:stop], self.distances[start:stop]

    def __iter__(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int32]]]:
        return (self[query] for query in range(len(self)))


@dataclass(frozen=True, slots=True)
class Match:
    """An item near a query: its key, id, integer Hamming distance and, where asked for, its metadata.

    ``score`` is the finer distance of a re-ranked answer, smaller is nearer; None elsewhere.
    """

    key: str
    id: int
    distance: int
    metadata: Metadata
    score: float | None = None


class Columns(Sequence[Match]):
    """Matches as columns: one becomes an object only where somebody looks at it, which a server never does.

    Args:
        ids: of the matches.
        distances: of the matches, integer Hamming distances.
        items: the stored items; None where only numbers were asked for, and every key is "" then.
        metadata: whether matches carry their metadata.
    """

    __slots__ = ("distances", "ids", "items", "metadata")

    def __init__(
        self, ids: list[int], distances: list[int], items: list[StoredItem] | None, *, metadata: bool = True
    ) -> None:
        self.ids = ids
        self.distances = distances
        self.items = items
        self.metadata = metadata

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, place: int) -> Match: ...

    @overload
    def __getitem__(self, place: slice) -> Columns: ...

    def __getitem__(self, place: int | slice) -> Match | Columns:
        if isinstance(place, slice):
            items = None if self.items is None else self.items[place]
            return Columns(self.ids[place], self.distances[place], items, metadata=self.metadata)
        if self.items is None:
            return Match("", self.ids[place], self.distances[place], {})
        item = self.items[place]
        return Match(item.key, self.ids[place], self.distances[place], item.metadata if self.metadata else {})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Columns({list(self)!r})"


@dataclass(frozen=True, slots=True)
class Answer:
    """The matches of one query.

    Args:
        matches: in order of (distance, id).
        watermark: the answer reflects every write up to this sequence number.
        exact: every match nearer than the last one is present.
        complete: nothing was cut off by a limit.
        encoder: label of the encoder version; "" for a CODE collection.
        total: matches found before any limit (within), else ``len(matches)``.
    """

    matches: Sequence[Match]
    watermark: int
    exact: bool
    complete: bool
    encoder: str
    total: int

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the matches, nearest first."""
        return tuple(match.key for match in self.matches)
