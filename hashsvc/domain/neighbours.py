"""Answers: neighbours as the index gives them, matches as the user sees them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.domain.metadata import Metadata

if TYPE_CHECKING:
    from numpy.typing import NDArray


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

    matches: tuple[Match, ...]
    watermark: int
    exact: bool
    complete: bool
    encoder: str
    total: int

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the matches, nearest first."""
        return tuple(match.key for match in self.matches)
