"""One search of one collection, from queries to answers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.domain.filters import Node, check_filter
from hashsvc.domain.neighbours import Answer, Neighbours
from hashsvc.domain.queries import Query, Rerank
from hashsvc.search.answering import Found
from hashsvc.search.coding import NOT_STORED, Coder
from hashsvc.search.passing import Passing
from hashsvc.search.reranking import Finer
from hashsvc.spans import span

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.catalog import Catalog
    from hashsvc.domain.collections import Collection
    from hashsvc.domain.items import StoredItem
    from hashsvc.index import ItemBitmap, View

    Allowed = NDArray[np.int64] | ItemBitmap | None

ATTEMPTS = 4
HELD = 1 << 16  # neighbours of a radius answer that are held at once


@dataclass(frozen=True, slots=True)
class Exactness:
    """What a search asks of an approximate kind of index; exact kinds have no use for it.

    Args:
        effort: how much it looks at, lists (IVF) or candidates (HNSW); 0 for its own choice.
        exact: answer exactly all the same.
    """

    effort: int = 0
    exact: bool = False


DEFAULT = Exactness()


@dataclass(frozen=True, slots=True)
class Searcher:
    """Everything a search of one collection needs.

    Args:
        coder: of the same collection.
        rows: the stored items of many ids; an id that is not held any more is missing.
        view: an immutable view of the live index that holds every acknowledged write.
        newer: a view that holds what was committed since, for an answer overtaken by a delete.
        passing: the items that pass a filter.
    """

    collection: Collection
    catalog: Catalog
    coder: Coder
    rows: Callable[[list[int]], dict[int, StoredItem]]
    view: Callable[[], View]
    newer: Callable[[], View]
    passing: Callable[[Node], Passing]

    def search(
        self,
        queries: Sequence[Query],
        *,
        k: int,
        filter: Node | None = None,
        keys: bool = True,
        metadata: bool = True,
        rerank: Rerank | None = None,
        how: Exactness = DEFAULT,
    ) -> list[Answer]:
        """The k nearest items of each query.

        Args:
            queries: see :data:`hashsvc.domain.queries.Query`.
            k: matches for each.
            filter: only items that pass it.
            keys: whether matches carry their keys; without keys and metadata no row is looked at.
            metadata: whether matches carry their metadata.
            rerank: put more candidates in order of a finer distance; None for Hamming order.
            how: what is asked of an approximate kind of index.

        Raises:
            InvalidArgument: a query does not fit the collection; named as ``queries[i]``.
            NotFound: a key that is not stored.
        """
        finer = self.coder.finer(queries, rerank.by) if rerank else None
        codes, own = self.coder.codes(queries)
        spare = int(any(number != NOT_STORED for number in own))
        wanted = k * (rerank.oversampling if rerank else 1) + spare
        rows = keys or metadata or finer is not None
        effort, exact = how.effort or None, how.exact
        found = self._settled(
            filter, lambda view, ids: view.search(codes, wanted, ids, effort=effort, exact=exact), rows=rows
        )
        answers = found.answers(own, wanted if finer else k, metadata=metadata)
        return [_reranked(answer, finer, i, found.items, k) for i, answer in enumerate(answers)] if finer else answers

    def within(self, query: Query, *, radius: int, filter: Node | None = None, metadata: bool = True) -> Answer:
        """Every item at distance <= radius of one query; raises as :meth:`search` does."""
        codes, own = self.coder.around(query, radius)
        found = self._settled(filter, lambda view, ids: view.within(codes, radius, ids))
        [answer] = found.answers(own, None, metadata=metadata)
        return answer

    def within_pieces(
        self, query: Query, *, radius: int, size: int, filter: Node | None = None, metadata: bool = True
    ) -> Generator[Answer, None, None]:
        """The same in pieces of at most ``size`` matches, each with the total of all; an empty answer is one piece.

        However large the answer, a bounded part of it is in memory. A large one is read from SQL while it is asked for:
        an item deleted meanwhile is left out, and its piece is not complete.
        """
        codes, own = self.coder.around(query, radius)
        found = self._settled(filter, lambda view, ids: view.within_at_most(codes, radius, HELD, ids))
        if found.neighbours.complete:
            [answer] = found.answers(own, None, metadata=metadata)
            for start in range(0, max(1, answer.total), size):
                yield replace(answer, matches=answer.matches[start : start + size])
        else:
            yield from self._streamed(codes, own, radius, size, filter, metadata=metadata)

    def _streamed(
        self, codes: NDArray[np.uint8], own: list[int], radius: int, size: int, filter: Node | None, *, metadata: bool
    ) -> Iterator[Answer]:
        view = self.view()
        passing = None if filter is None else self.passing(filter)
        allowed = None if passing is None else passing.allowed(view)
        total = view.count_within(codes, radius, allowed)
        if own[0] != NOT_STORED and (passing is None or own[0] in passing.ids):
            total -= view.count_within(codes, radius, np.array(own))
        for piece in view.within_chunks(codes[0], radius, allowed, chunk=size):
            # Not through the rows in memory: a large answer would drive out those that are asked for often.
            items = self.catalog.items.by_ids(self.collection, piece.ids)
            items = items if passing is None else passing.still(items)
            [answer] = Found(self.collection, view.watermark, piece, items).answers(own, None, metadata=metadata)
            yield replace(answer, total=total)

    def _settled(self, filter: Node | None, ask: Callable[[View, Allowed], Neighbours], *, rows: bool = True) -> Found:
        """Neighbours whose rows exist and pass: an item that changed since the view was taken asks for a newer one."""
        if filter is not None:
            check_filter(filter)
        for attempt in range(ATTEMPTS):
            view = self.newer() if attempt else self.view()
            passing = None if filter is None else self.passing(filter)
            with span("index.search"):
                found = ask(view, None if passing is None else passing.allowed(view))
            if not rows:
                return Found(self.collection, view.watermark, found, None)
            ids = found.ids.tolist()
            ids = ids if len(found) == 1 else list(set(ids))
            # A filter is answered by SQL as it is now, and rows in memory may be older.
            items = (
                self.rows(ids) if passing is None else passing.still(self.catalog.items.by_ids(self.collection, ids))
            )
            if len(items) == len(ids):
                break
        return Found(self.collection, view.watermark, found, items)


def _reranked(answer: Answer, finer: Finer, query: int, items: dict[int, StoredItem] | None, k: int) -> Answer:
    """The k best of the candidates by (finer distance, id); exact only among the candidates."""
    assert items is not None
    scores = finer.scores(query, [items[match.id] for match in answer.matches]).tolist()
    ranked = sorted(zip(scores, answer.matches, strict=True), key=lambda pair: (pair[0], pair[1].id))
    best = tuple(replace(match, score=score) for score, match in ranked[:k])
    return replace(answer, matches=best, exact=False, total=len(best))
