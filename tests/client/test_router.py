"""The router: over shards that are servers of their own it answers as one index does; a missing shard is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from hashsvc.app import Store, open_store
from hashsvc.client import Client
from hashsvc.client.router import Router, shard_of
from hashsvc.domain.items import Item, Outcome
from hashsvc.domain.kinds import Kind
from hashsvc.domain.queries import CodeQuery, ContentQuery, KeyQuery, Query
from hashsvc.domain.service import Service
from hashsvc.errors import Aborted, InvalidArgument, NotFound, Unavailable
from hashsvc.server import serve
from tests.server.memory import MemoryStore

ITEMS, BITS = 600, 64
DEADLINE_S = 20.0


def items() -> list[Item]:
    rng = np.random.default_rng(0)
    centres = rng.integers(0, 256, (40, BITS // 8), dtype=np.uint8)
    flips = np.packbits(rng.random((ITEMS, BITS)) < 0.05, axis=1)
    codes = centres[rng.integers(0, 40, ITEMS)] ^ flips
    return [Item(f"k{i}", None, code.tobytes(), {"part": i % 4}) for i, code in enumerate(codes)]


def open_shard(folder: Path) -> Store:
    store = open_store(str(folder))
    if not store.collections():
        store.create_collection("codes", bits=BITS)
    return store


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Store]:
    with open_shard(tmp_path / "whole") as store:
        store.upsert("codes", items())
        yield store


@pytest.mark.parametrize("shards", [2, 4])
def test_shards_answer_as_one_index(tmp_path: Path, whole: Store, shards: int) -> None:
    with ExitStack() as stack:
        clients = []
        for number in range(shards):
            store = stack.enter_context(open_shard(tmp_path / str(number)))
            server = stack.enter_context(serve(store, "127.0.0.1:0"))
            clients.append(stack.enter_context(Client(server.address, timeout=DEADLINE_S)))
        router = stack.enter_context(Router(clients))
        assert set(router.upsert("codes", items()).outcomes) == {Outcome.STORED}
        assert router.count_items("codes") == ITEMS
        assert all(client.count_items("codes") > ITEMS / shards / 2 for client in clients)
        queries: list[Query] = [CodeQuery(item.code or b"") for item in items()[::40]]
        queries += [KeyQuery("k7"), KeyQuery("k8")]
        for k in (1, 10, 700):
            found = router.search("codes", queries, k=k)
            assert (found.shards_answered, found.shards, found.partial) == (shards, shards, False)
            for ours, single in zip(found.answers, whole.search("codes", queries, k=k), strict=True):
                assert ours.matches == single.matches
                assert (ours.exact, ours.complete) == (single.exact, single.complete)
        for query in queries:
            ours = router.within("codes", query, radius=9).answers[0]
            single = whole.within("codes", query, radius=9)
            assert (ours.matches, ours.total) == (single.matches, single.total)
        assert [item.key for item in router.get_items("codes", ["k5", "k1"])] == ["k5", "k1"]
        with pytest.raises(NotFound):
            router.get_items("codes", ["k5", "nobody"])
        with pytest.raises(InvalidArgument):
            router.search("codes", [CodeQuery(b"short")])


def test_a_stopped_shard_makes_partial_answers_until_it_is_back(tmp_path: Path, whole: Store) -> None:
    with ExitStack() as stack:
        stores = [stack.enter_context(open_shard(tmp_path / str(number))) for number in range(2)]
        kept = stack.enter_context(serve(stores[0], "127.0.0.1:0"))
        gone = serve(stores[1], "127.0.0.1:0")
        clients = [stack.enter_context(Client(at.address, timeout=10.0)) for at in (kept, gone)]
        router = stack.enter_context(Router(clients))
        router.upsert("codes", items())
        query = CodeQuery(items()[3].code or b"")
        single = whole.search("codes", [query], k=50)[0]
        assert router.search("codes", [query], k=50).answers[0].matches == single.matches
        gone.drain()
        found = router.search("codes", [query], k=700)
        assert (found.shards_answered, found.shards, found.partial) == (1, 2, True)
        assert not found.answers[0].exact
        assert not found.answers[0].complete
        assert {shard_of(match.key, 2) for match in found.answers[0].matches} == {0}
        away = next(item.key for item in items() if shard_of(item.key, 2) == 1)
        with pytest.raises(Unavailable):
            router.search("codes", [KeyQuery(away)])
        stack.enter_context(serve(stores[1], gone.address))
        for _ in range(20):
            again = router.search("codes", [query], k=50)
            if not again.partial:
                break
        assert again.answers[0].matches == single.matches


def test_a_router_needs_shards() -> None:
    with pytest.raises(InvalidArgument):
        Router([])


@pytest.mark.parametrize("served", [False, True])
@pytest.mark.parametrize(
    "query", [CodeQuery(bytes(8)), ContentQuery(Kind.TEXT, b"b"), KeyQuery("b")], ids=["code", "content", "key"]
)
def test_answers_of_two_encoders_are_not_merged(query: Query, *, served: bool) -> None:
    stores = [MemoryStore(), MemoryStore()]
    for store in stores:
        store.create_collection("texts", encoder="texts@1")
        store.create_collection("next", encoder="texts@2")
    with ExitStack() as stack:
        shards: list[Service] = list(stores)
        if served:
            servers = [stack.enter_context(serve(store, "127.0.0.1:0")) for store in stores]
            shards = [stack.enter_context(Client(server.address, timeout=DEADLINE_S)) for server in servers]
        router = stack.enter_context(Router(shards))
        for name in ("texts", "next"):
            router.upsert(name, [Item(key, key.encode()) for key in "abcdefgh"])
        assert router.search("texts", [query], k=3).answers[0].encoder == "texts@1"
        stores[0].switch_collection("texts", "next")
        with pytest.raises(Aborted, match=r"between two encoders \(texts@1, texts@2\): ask again"):
            router.search("texts", [query], k=3)
        with pytest.raises(Aborted, match="between two encoders"):
            router.within("texts", query, radius=64)
        stores[1].switch_collection("texts", "next")
        assert router.search("texts", [query], k=3).answers[0].encoder == "texts@2"
        assert router.within("texts", query, radius=64).answers[0].encoder == "texts@2"


def test_a_query_is_not_encoded_by_another_encoder_than_shards_answer_with(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    store.create_collection("texts", encoder="texts@1")
    store.create_collection("next", encoder="texts@2")
    plain = store.encode

    def encode(encoder: str, contents: Sequence[bytes]) -> np.ndarray:
        codes = plain(encoder, contents)
        store.switch_collection("texts", "next")
        return codes

    monkeypatch.setattr(store, "encode", encode)
    with Router([store]) as router, pytest.raises(Aborted):
        router.search("texts", [ContentQuery(Kind.TEXT, b"b")])
