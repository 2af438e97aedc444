"""Callers without a token: refused before they cost a thread, and shut nobody else out."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hashsvc.client import Client
from hashsvc.domain.items import Item
from hashsvc.domain.queries import KeyQuery
from hashsvc.server import Server, Tokens, boundary, new_token, serve
from hashsvc.server.methods import RULES, Lane, Need
from tests.server.memory import MemoryStore
from tests.server.test_serving import SERVING, health

CROWD = 20
WATCHERS = 40
PATIENCE = 0.2


@pytest.fixture
def guarded(store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Server, str]]:
    """The smallest server, and a token that lets one do everything."""
    monkeypatch.setattr(boundary, "PATIENCE_SECONDS", PATIENCE)
    token, row = new_token("known", {"*": Need.ADMIN})
    (tmp_path / "tokens.json").write_text(json.dumps([row]))
    store.create_collection("codes", bits=16)
    store.upsert("codes", [Item(f"k{n}", code=bytes([n, n])) for n in range(3)])
    with serve(store, "127.0.0.1:0", threads=1, tokens=Tokens.read(tmp_path / "tokens.json")) as running:
        yield running, token


class Strangers:
    """Calls whose request never comes."""

    def __init__(self, address: str) -> None:
        self._done = threading.Event()
        self._channel = grpc.insecure_channel(address)
        self.calls: list[Any] = []

    def call(self, method: str, times: int) -> None:
        made: Any = self._channel.stream_stream(method)
        self.calls += [made(self._nothing(), timeout=10) for _ in range(times)]

    def _nothing(self) -> Iterator[bytes]:
        self._done.wait(20)
        yield from ()

    def close(self) -> None:
        self._done.set()
        self._channel.close()


@pytest.fixture
def strangers(guarded: tuple[Server, str]) -> Iterator[Strangers]:
    made = Strangers(guarded[0].address)
    yield made
    made.close()


def test_requests_that_never_come_keep_nobody_waiting(guarded: tuple[Server, str], strangers: Strangers) -> None:
    server, token = guarded
    for method in ("Search/Search", "Items/Count", "Items/Upsert", "Search/SearchStream", "Jobs/Watch"):
        strangers.call(f"/hashsvc.v1.{method}", CROWD)
    with Client(server.address, token=token, timeout=5) as client:
        [answer] = client.search("codes", [KeyQuery("k0")], k=1)
        assert len(answer.keys) == 1
        assert client.count_items("codes") == 3
        assert client.upsert("codes", [Item("k3", code=b"aa")]).watermark == 4
        assert next(client.within_pieces("codes", KeyQuery("k0"), radius=16)).total == 3
    assert {call.code() for call in strangers.calls} == {grpc.StatusCode.UNAUTHENTICATED}


@pytest.mark.parametrize("method", sorted(name for name, rule in RULES.items() if rule.need is not Need.NOTHING))
def test_a_stranger_is_refused_before_the_request(strangers: Strangers, method: str) -> None:
    strangers.call(method, 1)
    assert strangers.calls[0].code() is grpc.StatusCode.UNAUTHENTICATED


def test_watchers_of_health_hold_up_no_stream(guarded: tuple[Server, str]) -> None:
    server, token = guarded
    with grpc.insecure_channel(server.address) as channel, Client(server.address, token=token) as client:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watchers = [stub.Watch(health_pb2.HealthCheckRequest(), timeout=20) for _ in range(WATCHERS)]
        while server.pool(Lane.OPEN).held < server.pool(Lane.OPEN).size.threads:
            threading.Event().wait(0.01)
        assert next(client.within_pieces("codes", KeyQuery("k0"), radius=16)).total == 2
        assert health(channel) == SERVING
        for call in watchers:
            call.cancel()


@pytest.mark.parametrize("method", ["Check", "List", "Watch"])
def test_a_request_of_anybody_must_come_soon(guarded: tuple[Server, str], strangers: Strangers, method: str) -> None:
    server, _ = guarded
    lane = RULES[f"/grpc.health.v1.Health/{method}"].lane
    strangers.call(f"/grpc.health.v1.Health/{method}", server.pool(lane).size.threads)
    while server.pool(lane).held < len(strangers.calls):
        threading.Event().wait(0.01)
    with grpc.insecure_channel(server.address) as channel:
        assert health(channel) == SERVING
    assert {call.code() for call in strangers.calls} == {grpc.StatusCode.CANCELLED}
    while server.pool(lane).held:
        threading.Event().wait(0.01)


def test_a_health_check_without_a_request_is_malformed(guarded: tuple[Server, str]) -> None:
    with grpc.insecure_channel(guarded[0].address) as channel, pytest.raises(grpc.RpcError) as caught:
        list(channel.stream_stream("/grpc.health.v1.Health/Check")(iter([]), timeout=5))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
