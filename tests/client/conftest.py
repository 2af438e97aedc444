"""A client of a running server over a store in memory."""

from collections.abc import Iterator

import pytest

from hashsvc.client import Client
from hashsvc.server import Server
from tests.server.conftest import server, store

__all__ = ["server", "store"]


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.address) as opened:
        yield opened
