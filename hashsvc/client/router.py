"""A router over shards: a collection split by key over several servers, asked as one.

Each shard is a server of its own with the same collection under the same encoder. A query goes to all of them, and
their answers are merged by (distance, id), the order that a single index gives. A shard that does not answer in time is
left out, and the answer says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from heapq import merge
from itertools import islice
from types import TracebackType
from typing import TypeVar

from hashsvc.client import requests
from hashsvc.client.blocking import Client
from hashsvc.client.merging import merged
from hashsvc.domain.filters import Node
from hashsvc.domain.items import Item, Outcome, StoredItem, Written, item_id
from hashsvc.domain.neighbours import Answer, Match
from hashsvc.domain.queries import CodeQuery, ContentQuery, KeyQuery, Query
from hashsvc.domain.service import Service
from hashsvc.errors import Aborted, DeadlineExceeded, InvalidArgument, Unavailable

CALLS = 4
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Gathered:
    """Merged answers, one a query, and how many of the shards they come from.

    An answer that lacks a shard is neither ``exact`` nor ``complete``.
    """

    answers: tuple[Answer, ...]
    shards_answered: int
    shards: int

    @property
    def partial(self) -> bool:
        """Whether a shard is missing."""
        return self.shards_answered < self.shards


def shard_of(key: str, shards: int) -> int:
    """The shard that holds a key: by its hash, so that shards fill evenly and any router finds it."""
    return item_id(key) % shards


class Router:
    """One collection store out of several; also a context manager. Safe to use from several threads.

    Args:
        shards: in the order that :func:`shard_of` counts; a :class:`hashsvc.client.Client` with the deadline a shard
            gets as its ``timeout``, or a store in this process.
    """

    def __init__(self, shards: Sequence[Service]) -> None:
        if not shards:
            raise InvalidArgument("a router needs at least one shard", field="shards")
        self._shards = list(shards)
        clients = [shard for shard in shards if isinstance(shard, Client)]
        self._clients = clients if len(clients) == len(self._shards) else []
        self._pool = ThreadPoolExecutor(CALLS * len(shards), thread_name_prefix="router")

    def __enter__(self) -> Router:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the router; the shards stay open."""
        self._pool.shutdown()

    def search(
        self,
        collection: str,
        queries: Sequence[Query],
        *,
        k: int = 10,
        filter: Node | None = None,
        metadata: bool = True,
        effort: int = 0,
        exact: bool = False,
    ) -> Gathered:
        """The k nearest items of each query over all shards, in order of (distance, id); see :meth:`Service.search`.

        Raises:
            Unavailable: no shard answers, or the one that holds a queried key does not.
            Aborted: the collection changes its encoder, and the shards do not do so at one moment.
            HashsvcError: what a shard finds wrong with the request.
        """
        codes, own, used = self._codes(collection, queries)
        wanted = k + any(number is not None for number in own)
        if self._clients:
            request = requests.search(
                collection, codes, wanted, filter, metadata=metadata, effort=effort, exact=exact
            ).SerializeToString()
            # All are sent before the first is waited for, by this thread alone.
            begun = [client.begin_search(request) for client in self._clients]
            replies = _answered(call.result for call in begun)
            _check_encoders(collection, used, (reply.encoder for reply in replies))
            return self._gather([merged(replies, i, k, without) for i, without in enumerate(own)], len(replies))
        found = self._ask(
            lambda shard: shard.search(
                collection, codes, k=wanted, filter=filter, metadata=metadata, effort=effort, exact=exact
            )
        )
        _check_encoders(collection, used, (answer.encoder for answers in found for answer in answers))
        return self._gather(
            [_nearest([answers[i] for answers in found], k, without) for i, without in enumerate(own)], len(found)
        )

    def within(
        self, collection: str, query: Query, *, radius: int, filter: Node | None = None, metadata: bool = True
    ) -> Gathered:
        """Every item of all shards at distance <= radius, in order of (distance, id); raises as :meth:`search`."""
        [code], [own], used = self._codes(collection, [query])
        found = self._ask(lambda shard: shard.within(collection, code, radius=radius, filter=filter, metadata=metadata))
        _check_encoders(collection, used, (answer.encoder for answer in found))
        merged = _nearest(found, None, own)
        own_found = own is not None and any(match.id == own for answer in found for match in answer.matches)
        total = sum(answer.total for answer in found) - own_found
        return self._gather([replace(merged, total=total)], len(found))

    def upsert(self, collection: str, items: Sequence[Item], *, request_id: str = "") -> Written:
        """Store items, each on its shard: all or none a shard, not over all of them; repeat it if a shard was away.

        The watermark is the lowest of the shards that were written to.
        """
        parts: dict[int, list[int]] = {}
        for position, item in enumerate(items):
            parts.setdefault(shard_of(item.key, len(self._shards)), []).append(position)
        calls = {
            number: self._pool.submit(
                self._shards[number].upsert, collection, [items[i] for i in positions], request_id=request_id
            )
            for number, positions in parts.items()
        }
        outcomes: list[Outcome] = [Outcome.REFUSED] * len(items)
        written = {number: call.result() for number, call in calls.items()}
        for number, positions in parts.items():
            for position, outcome in zip(positions, written[number].outcomes, strict=True):
                outcomes[position] = outcome
        return Written(tuple(outcomes), min((one.watermark for one in written.values()), default=0))

    def get_items(self, collection: str, keys: Sequence[str]) -> list[StoredItem]:
        """The stored items with these keys, in order; NotFound when one is absent."""
        held: dict[str, StoredItem] = {}
        for number, shard in enumerate(self._shards):
            own = [key for key in keys if shard_of(key, len(self._shards)) == number]
            if own:
                held.update((item.key, item) for item in shard.get_items(collection, own))
        return [held[key] for key in keys]

    def count_items(self, collection: str, *, filter: Node | None = None) -> int:
        """How many items pass the filter; Unavailable when a shard is away."""
        calls = [self._pool.submit(shard.count_items, collection, filter=filter) for shard in self._shards]
        return sum(call.result() for call in calls)

    def _codes(self, collection: str, queries: Sequence[Query]) -> tuple[list[CodeQuery], list[int | None], set[str]]:
        """The queries as codes, encoded once and not on every shard, the id to leave out of each answer, and encoders.

        These are the labels under which the codes were made or found; "" where a collection holds ready codes.
        """
        contents = [query.content for query in queries if isinstance(query, ContentQuery)]
        label, encoded = self._encode(collection, contents) if contents else ("", [])
        used = {label} if contents else set()
        fresh = iter(encoded)
        codes: list[CodeQuery] = []
        own: list[int | None] = []
        for query in queries:
            if isinstance(query, KeyQuery):
                holder = self._shards[shard_of(query.key, len(self._shards))]
                used.add(holder.collection(collection).encoder or "")
                [item] = self.get_items(collection, [query.key])
                codes.append(CodeQuery(item.code))
                own.append(item.id)
            else:
                codes.append(query if isinstance(query, CodeQuery) else CodeQuery(next(fresh)))
                own.append(None)
        return codes, own, used

    def _encode(self, collection: str, contents: Sequence[bytes]) -> tuple[str, list[bytes]]:
        for shard in self._shards:
            try:
                encoder = shard.collection(collection).encoder
                if encoder is None:
                    raise InvalidArgument(f"collection {collection!r} has no encoder: ask by code", field="queries")
                return encoder, [code.tobytes() for code in shard.encode(encoder, contents)]
            except (Unavailable, DeadlineExceeded):
                continue
        raise Unavailable("no shard answers: see that their servers run")

    def _ask(self, call: Callable[[Service], T]) -> list[T]:
        """What the shards answer, those left out that are away or late."""
        calls = [self._pool.submit(call, shard) for shard in self._shards]
        return _answered(one.result for one in calls)

    def _gather(self, answers: Iterable[Answer], answered: int) -> Gathered:
        whole = answered == len(self._shards)
        marked = [a if whole else replace(a, exact=False, complete=False) for a in answers]
        return Gathered(tuple(marked), answered, len(self._shards))


def _answered(results: Iterable[Callable[[], T]]) -> list[T]:
    """What was answered, without shards that are away or late."""
    found: list[T] = []
    for result in results:
        try:
            found.append(result())
        except (Unavailable, DeadlineExceeded):
            continue
    if not found:
        raise Unavailable("no shard answers: see that their servers run")
    return found


def _check_encoders(collection: str, used: set[str], answered: Iterable[str]) -> None:
    """Codes of two encoders are not compared: neither a query's with those of shards, nor those of two shards."""
    found = used.union(answered)
    if len(found) > 1:
        raise Aborted(
            f"collection {collection!r} is between two encoders ({', '.join(sorted(found))}): ask again, "
            "when all its shards have changed",
            retry_after=1.0,
        )


def _nearest(answers: Sequence[Answer], k: int | None, without: int | None) -> Answer:
    """One answer out of several: the first ``k`` matches by (distance, id), the item ``without`` left out."""
    ordered = merge(*(answer.matches for answer in answers), key=_place)
    matches = tuple(islice((match for match in ordered if match.id != without), k))
    return Answer(
        matches,
        min(answer.watermark for answer in answers),
        exact=all(answer.exact for answer in answers),
        complete=all(answer.complete for answer in answers),
        encoder=answers[0].encoder,
        total=len(matches),
    )


def _place(match: Match) -> tuple[int, int]:
    return match.distance, match.id
