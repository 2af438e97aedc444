"""A running server over a store in memory, and the plain channel of a stranger."""

from collections.abc import Iterator

import grpc
import pytest

from hashsvc.server import Server, serve
from hashsvc.settings import Limits
from tests.server.memory import MemoryStore

LIMITS = Limits(max_k=100, max_queries=16, max_items=50, max_page=20, max_message_bytes=2**20)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(LIMITS)


@pytest.fixture
def server(store: MemoryStore) -> Iterator[Server]:
    with serve(store, "127.0.0.1:0", threads=4, limits=LIMITS) as running:
        yield running


@pytest.fixture
def channel(server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.address) as opened:
        yield opened
