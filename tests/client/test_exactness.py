"""What a caller may ask of an approximate index: more effort, or an exact answer; through a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hashsvc.app import open_store
from hashsvc.client import Client
from hashsvc.client.router import Router
from hashsvc.domain.items import Item
from hashsvc.domain.kinds import IndexKind
from hashsvc.domain.neighbours import Answer
from hashsvc.domain.queries import CodeQuery
from hashsvc.errors import InvalidArgument
from hashsvc.index import kinds, warm
from hashsvc.server import serve
from hashsvc.settings import Limits, Settings

ITEMS, K, MOST = 20_000, 10, 200


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Client, list[CodeQuery]]]:
    """A server over an IVF collection of random codes, and queries whose neighbours lie in many lists."""
    monkeypatch.setitem(kinds.APPROXIMATE_FROM, IndexKind.IVF, 2_000)
    warm(bits=(64,))
    codes = np.random.default_rng(0).integers(0, 256, (ITEMS, 8), dtype=np.uint8)
    settings = Settings(limits=Limits(max_k=MOST))
    with open_store(str(tmp_path / "store"), settings=settings) as store:
        store.create_collection("codes", bits=64, index=IndexKind.IVF)
        items = [Item(f"k{i}", code=code.tobytes()) for i, code in enumerate(codes)]
        for start in range(0, ITEMS, 1_000):
            store.upsert("codes", items[start : start + 1_000])
        store.upkeep()
        with serve(store, "127.0.0.1:0") as server, Client(server.address) as client:
            yield client, [CodeQuery(code.tobytes()) for code in codes[:20] ^ np.uint8(3)]


def test_an_exact_answer_and_more_effort_can_be_asked_for(asked: tuple[Client, list[CodeQuery]]) -> None:
    client, queries = asked
    least = client.search("codes", queries, k=K, effort=1)
    exact = client.search("codes", queries, k=K, exact=True)
    most = client.search("codes", queries, k=K, effort=MOST)
    assert not any(answer.exact for answer in least)
    assert all(answer.exact for answer in exact)

    def found(answers: list[Answer]) -> int:
        pairs = zip(answers, exact, strict=True)
        return sum(len({m.id for m in one.matches} & {m.id for m in true.matches}) for one, true in pairs)

    assert found(least) < found(most) <= K * len(queries)
    routed = Router([client]).search("codes", queries, k=K, exact=True)
    assert [one.matches for one in routed.answers] == [one.matches for one in exact]


def test_effort_has_a_limit(asked: tuple[Client, list[CodeQuery]]) -> None:
    client, queries = asked
    with pytest.raises(InvalidArgument) as caught:
        client.search("codes", queries, k=K, effort=MOST + 1)
    assert caught.value.field == "effort"
