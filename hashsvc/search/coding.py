"""From queries to codes, and to the finer order that is asked of what lies near them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.domain.items import check_key
from hashsvc.domain.kinds import ContentMode
from hashsvc.domain.queries import CodeQuery, ContentQuery, KeyQuery, Query, RankBy
from hashsvc.errors import FailedPrecondition, HashsvcError, InvalidArgument, NotFound
from hashsvc.search.reranking import ByContent, ByStored, Finer
from hashsvc.spans import span

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from hashsvc.catalog import Catalog
    from hashsvc.domain.collections import Collection
    from hashsvc.domain.items import StoredItem
    from hashsvc.encoders import Encoder
    from hashsvc.encoders.contract import Decoded

NOT_STORED = -1


@dataclass(frozen=True, slots=True)
class Coder:
    """What the queries of one collection come to.

    Args:
        encoder: loads the collection's encoder; called only when a query has to be encoded.
        content: the bytes under a content hash (hex).
    """

    collection: Collection
    catalog: Catalog
    encoder: Callable[[], Encoder]
    content: Callable[[str], bytes]

    def codes(self, queries: Sequence[Query]) -> tuple[NDArray[np.uint8], list[int]]:
        """Codes ``uint8[m, bits/8]`` and the id of the stored item a query names (NOT_STORED for the others).

        Raises:
            InvalidArgument: a query does not fit the collection; named as ``queries[i]``.
            FailedPrecondition: a content, and the collection has no encoder.
            NotFound: a key that is not stored.
        """
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

    def around(self, query: Query, radius: int) -> tuple[NDArray[np.uint8], list[int]]:
        """What :meth:`codes` says of the one query of a radius search, which errors name ``query``."""
        if not 0 <= radius <= self.collection.bits:
            raise InvalidArgument(f"radius must be 0 to {self.collection.bits}, not {radius}", field="radius")
        try:
            return self.codes([query])
        except HashsvcError as error:
            error.field = (error.field or "queries[0]").replace("queries[0]", "query")
            raise

    def finer(self, queries: Sequence[Query], by: RankBy) -> Finer:
        """The order that candidates of these queries are put in.

        Raises:
            InvalidArgument: a query by code or key.
            FailedPrecondition: the collection does not keep what the order looks at.
        """
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
