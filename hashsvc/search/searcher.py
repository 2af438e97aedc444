"""One search of one collection, from queries to answers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.domain.filters import Node, check_filter
from hashsvc.domain.items import check_key
from hashsvc.domain.kinds import ContentMode
from hashsvc.domain.neighbours import Answer, Columns, Neighbours
from hashsvc.domain.queries import CodeQuery, ContentQuery, KeyQuery, Query, RankBy, Rerank
from hashsvc.errors import FailedPrecondition, HashsvcError, InvalidArgument, NotFound
from hashsvc.search.passing import Passing
from hashsvc.search.reranking import ByContent, ByStored, Finer
from hashsvc.spans import span

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.catalog import Catalog
    from hashsvc.domain.collections import Collection
    from hashsvc.domain.items import StoredItem
    from hashsvc.encoders import Encoder
    from hashsvc.encoders.contract import Decoded
    from hashsvc.index import ItemBitmap, View

    Allowed = NDArray[np.int64] | ItemBitmap | None

ATTEMPTS = 4
NOT_STORED = -1
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
        encoder: loads the collection's encoder; called only when a query has to be encoded.
        rows: the stored items of many ids; an id that is not held any more is missing.
        content: the bytes under a content hash (hex).
        view: an immutable view of the live index that holds every acknowledged write.
        newer: a view that holds what was committed since, for an answer overtaken by a delete.
        passing: the items that pass a filter.
    """

    collection: Collection
    catalog: Catalog
    encoder: Callable[[], Encoder]
    rows: Callable[[list[int]], dict[int, StoredItem]]
    content: Callable[[str], bytes]
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
        finer = self._finer(queries, rerank.by) if rerank else None
        codes, own = self._codes(queries)
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
        codes, own = self._around(query, radius)
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
        codes, own = self._around(query, radius)
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

    def _around(self, query: Query, radius: int) -> tuple[NDArray[np.uint8], list[int]]:
        """What :meth:`_codes` says of the one query of a radius search."""
        if not 0 <= radius <= self.collection.bits:
            raise InvalidArgument(f"radius must be 0 to {self.collection.bits}, not {radius}", field="radius")
        try:
            return self._codes([query])
        except HashsvcError as error:
            error.field = (error.field or "queries[0]").replace("queries[0]", "query")
            raise

    def _codes(self, queries: Sequence[Query]) -> tuple[NDArray[np.uint8], list[int]]:
        """Codes ``uint8[m, bits/8]`` and the id of the stored item a query names (NOT_STORED for the others)."""
        own = [NOT_STORED] * len(queries)
        wanted = self.collection.bits // 8
        ready = [query.code for query in queries if isinstance(query, CodeQuery) and len(query.code) == wanted]
        if len(ready) == len(queries):
            return np.frombuffer(b"".join(ready), np.uint8).reshape(-1, wanted), own
        codes = np.zeros((len(queries), wanted), np.uint8)
        contents = [i for i, query in enumerate(queries) if isinstance(query, ContentQuery)]
        if contents:
            codes[contents] = self._encoded({i: queries[i] for i in contents})  # type: ignore[misc]
        for i, query in enumerate(queries):
            if isinstance(query, CodeQuery):
                codes[i] = self._given(query, i)
        keyed = {i: query.key for i, query in enumerate(queries) if isinstance(query, KeyQuery)}
        for i, item in zip(keyed, self._stored(keyed), strict=True):
            codes[i], own[i] = np.frombuffer(item.code, np.uint8), item.id
        return codes, own

    def _finer(self, queries: Sequence[Query], by: RankBy) -> Finer:
        contents: list[ContentQuery] = []
        for i, query in enumerate(queries):
            if not isinstance(query, ContentQuery):
                raise InvalidArgument(
                    "re-ranking needs the float features of the query: query by content, not by code or key",
                    field=f"queries[{i}]",
                )
            contents.append(query)
        decoded = self._decoded(dict(enumerate(contents)))
        if by is RankBy.STORED:
            return ByStored(self.collection, self.encoder(), decoded)
        if self.collection.content is not ContentMode.BYTES:
            raise FailedPrecondition(
                f"collection {self.collection.name!r} keeps {self.collection.content} of its items, not their bytes: "
                "re-rank by what is stored",
                field="rerank.by",
                reason="CONTENT_NOT_KEPT",
            )
        return ByContent(self.encoder(), decoded, self.content)

    def _encoded(self, queries: dict[int, ContentQuery]) -> NDArray[np.uint8]:
        decoded = self._decoded(queries)
        with span("encode"):
            return self.encoder().encode(decoded)

    def _decoded(self, queries: dict[int, ContentQuery]) -> list[Decoded]:
        if self.collection.encoder is None:
            raise FailedPrecondition(
                f"collection {self.collection.name!r} holds ready codes and has no encoder: query by code or key",
                field=f"queries[{next(iter(queries))}]",
            )
        decoded = []
        for i, query in queries.items():
            self._check_kind(query, i)
            try:
                decoded.append(self.encoder().decode(query.content))
            except HashsvcError as error:
                raise error.at(f"queries[{i}]") from error
        return decoded

    def _check_kind(self, query: ContentQuery, position: int) -> None:
        if query.kind is not self.collection.kind:
            raise InvalidArgument(
                f"collection {self.collection.name!r} holds items of kind {self.collection.kind}, "
                f"the query is of kind {query.kind}",
                field=f"queries[{position}]",
            )

    def _given(self, query: CodeQuery, position: int) -> NDArray[np.uint8]:
        wanted = self.collection.bits // 8
        if len(query.code) != wanted:
            raise InvalidArgument(
                f"codes of collection {self.collection.name!r} have {wanted} bytes, this one has {len(query.code)}",
                field=f"queries[{position}].code",
            )
        return np.frombuffer(query.code, np.uint8)

    def _stored(self, keyed: dict[int, str]) -> list[StoredItem]:
        if not keyed:
            return []
        for i, key in keyed.items():
            check_key(key, f"queries[{i}].key")
        held = self.catalog.items.held(self.collection, sorted(set(keyed.values())))
        for i, key in keyed.items():
            if key not in held:
                raise NotFound(f"no item {key!r} in collection {self.collection.name!r}", field=f"queries[{i}].key")
        return [held[key] for key in keyed.values()]

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


@dataclass(frozen=True, slots=True)
class Found:
    """Neighbours with the stored items they name.

    Args:
        items: by id, those that exist; None where nobody asked for them.
    """

    collection: Collection
    watermark: int
    neighbours: Neighbours
    items: dict[int, StoredItem] | None

    def answers(self, own: Sequence[int], k: int | None, *, metadata: bool) -> list[Answer]:
        """The first k matches of each query (all for None), the item with the query's ``own`` id left out."""
        ids, distances = self.neighbours.ids.tolist(), self.neighbours.distances.tolist()
        ends = self.neighbours.offsets.tolist()
        return [
            self._answer(*_without(ids[start:stop], distances[start:stop], number, k), metadata=metadata)
            for start, stop, number in zip(ends, ends[1:], own, strict=False)
        ]

    def _answer(self, ids: list[int], distances: list[int], *, metadata: bool) -> Answer:
        items, whole = None, True
        if self.items is not None:
            items = [item for number in ids if (item := self.items.get(number)) is not None]
            if len(items) < len(ids):
                whole = False
                kept = [number in self.items for number in ids]
                ids, distances = list(compress(ids, kept)), list(compress(distances, kept))
        return Answer(
            Columns(ids, distances, items, metadata=metadata),
            self.watermark,
            self.neighbours.exact,
            self.neighbours.complete and whole,
            self.collection.encoder or "",
            len(ids),
        )


def _without(ids: list[int], distances: list[int], own: int, k: int | None) -> tuple[list[int], list[int]]:
    if own != NOT_STORED and own in ids:
        place = ids.index(own)
        ids, distances = ids[:place] + ids[place + 1 :], distances[:place] + distances[place + 1 :]
    return (ids, distances) if k is None else (ids[:k], distances[:k])


def _reranked(answer: Answer, finer: Finer, query: int, items: dict[int, StoredItem] | None, k: int) -> Answer:
    """The k best of the candidates by (finer distance, id); exact only among the candidates."""
    assert items is not None
    scores = finer.scores(query, [items[match.id] for match in answer.matches]).tolist()
    ranked = sorted(zip(scores, answer.matches, strict=True), key=lambda pair: (pair[0], pair[1].id))
    best = tuple(replace(match, score=score) for score, match in ranked[:k])
    return replace(answer, matches=best, exact=False, total=len(best))
