"""What an encoder is evaluated on: a collection, the queries that ask it, and labels where there are some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.domain.kinds import Kind


@dataclass(frozen=True, slots=True)
class Material:
    """A collection and its queries.

    Args:
        title: what it is, for the reader.
        kind: kind of its items.
        contents: the collection's items as bytes.
        queries: the queries as bytes.
        keys: keys of ``contents``; their positions where empty.
        query_keys: keys of ``queries``; their positions where empty.
        labels: ``int64[len(contents)]`` into ``names``; None where there are none.
        query_labels: ``int64[len(queries)]`` into ``names``.
        names: what each label is called.
    """

    title: str
    kind: Kind
    contents: Sequence[bytes]
    queries: Sequence[bytes]
    keys: Sequence[str] = ()
    query_keys: Sequence[str] = ()
    labels: NDArray[np.int64] | None = None
    query_labels: NDArray[np.int64] | None = None
    names: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not self.contents or not self.queries:
            raise InvalidArgument("an evaluation needs at least one item and one query", field="queries")

    def key(self, row: int) -> str:
        """Key of an item."""
        return self.keys[row] if self.keys else str(row)

    def query_key(self, row: int) -> str:
        """Key of a query."""
        return self.query_keys[row] if self.query_keys else f"query {row}"


def held_back(
    title: str,
    kind: Kind,
    contents: Sequence[bytes],
    keys: Sequence[str],
    labels: Sequence[str] | None = None,
    *,
    queries: int = 1000,
) -> Material:
    """Hold at most ``queries`` items back, at even steps and at most every other one, and let them ask the rest.

    Raises:
        InvalidArgument: fewer than two items.
    """
    if len(contents) < 2:
        raise InvalidArgument("an evaluation needs at least two items", field="collection")
    step = max(2, -(-len(contents) // queries))
    asking = np.arange(len(contents)) % step == 0
    asked, held = np.flatnonzero(asking).tolist(), np.flatnonzero(~asking).tolist()
    names = sorted(set(labels)) if labels is not None else []
    places = {name: place for place, name in enumerate(names)}
    numbers = np.array([places[label] for label in labels], dtype=np.int64) if labels is not None else None
    return Material(
        title,
        kind,
        [contents[row] for row in held],
        [contents[row] for row in asked],
        [keys[row] for row in held],
        [keys[row] for row in asked],
        None if numbers is None else numbers[held],
        None if numbers is None else numbers[asked],
        names,
    )
