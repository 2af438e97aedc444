"""What one search may hold in all: k times queries, times oversampling."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hashsvc.app import open_store
from hashsvc.client import Client
from hashsvc.domain.items import Item
from hashsvc.domain.queries import CodeQuery, Rerank
from hashsvc.errors import InvalidArgument
from hashsvc.server import serve
from hashsvc.settings import Limits, Settings


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    settings = Settings(limits=Limits(max_matches=40))
    with (
        open_store(str(tmp_path_factory.mktemp("store") / "store"), settings=settings) as store,
        serve(store, "127.0.0.1:0", limits=settings.limits) as server,
        Client(server.address) as opened,
    ):
        opened.create_collection("codes", bits=16)
        opened.upsert("codes", [Item(f"k{n}", code=bytes([n, n])) for n in range(12)])
        yield opened


@pytest.mark.parametrize(("queries", "k"), [(4, 10), (10, 4), (1, 40)])
def test_as_many_as_the_limit_are_answered(client: Client, queries: int, k: int) -> None:
    answers = client.search("codes", [CodeQuery(bytes([n, n])) for n in range(queries)], k=k)
    assert [len(answer.matches) for answer in answers] == [min(k, 12)] * queries


@pytest.mark.parametrize(("queries", "k", "oversampling"), [(5, 10, None), (41, 1, None), (1, 41, None), (3, 7, 2)])
def test_more_are_refused_before_anything_is_searched(
    client: Client, queries: int, k: int, oversampling: int | None
) -> None:
    rerank = Rerank(oversampling) if oversampling else None
    with pytest.raises(InvalidArgument, match="one search holds at most 40") as caught:
        client.search("codes", [CodeQuery(bytes([n, n])) for n in range(queries)], k=k, rerank=rerank)
    assert caught.value.field == "queries"
