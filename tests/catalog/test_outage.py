"""PostgreSQL goes away under load and comes back: nothing acknowledged is lost, and nothing is stored twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hashsvc.app import Store, open_store
from hashsvc.catalog import Catalog, Commit, migrate, open_catalog
from hashsvc.domain.collections import Collection
from hashsvc.domain.items import Item, Outcome, Row
from hashsvc.domain.queries import CodeQuery
from hashsvc.errors import Aborted, Fenced, Owned, Unavailable
from hashsvc.settings import Settings
from tests.catalog.samples import collection, row
from tests.long import rounds
from tests.postgresql import ABSENT, Cluster, binaries

OUTAGES = rounds(3, 20)
WRITERS = 6
HEALTHY_S = 5.0

pytestmark = pytest.mark.postgresql


@pytest.fixture
def server() -> Iterator[Cluster]:
    if binaries() is None:
        pytest.skip(ABSENT)
    cluster = Cluster(durable=True)
    yield cluster
    cluster.close()


@dataclass
class Load:
    """Writers that repeat a write under its request_id until it is acknowledged."""

    catalog: Catalog
    held: Collection
    over: threading.Event = field(default_factory=threading.Event)
    acknowledged: dict[str, int] = field(default_factory=dict)
    failures: list[BaseException] = field(default_factory=list)
    retried: int = 0

    def write(self, worker: int) -> None:
        number = 0
        while not self.over.is_set() and not self.failures:
            keys = [f"{worker}-{number}-{i}" for i in range(3)]
            commit = self.insist([row(key) for key in keys], f"{worker}-{number}")
            if commit is not None:
                self.acknowledged |= dict(zip(keys, range(commit.before + 1, commit.watermark + 1), strict=True))
            number += 1

    def insist(self, rows: list[Row], request_id: str) -> Commit | None:
        while True:
            try:
                commit = self.catalog.items.write(self.held, rows, request_id=request_id)
                assert commit.outcomes == (Outcome.STORED,) * 3
                assert commit.watermark - commit.before == 3
            except (Unavailable, Aborted):
                self.retried += 1
                time.sleep(0.02)
            except BaseException as error:
                self.failures.append(error)
                return None
            else:
                return commit

    def recovery_s(self) -> float:
        """Seconds until a write is acknowledged."""
        started, before = time.monotonic(), len(self.acknowledged)
        while len(self.acknowledged) == before and time.monotonic() - started < 60:
            time.sleep(0.01)
        return time.monotonic() - started


@pytest.mark.timeout(600)
def test_outages_lose_nothing_and_store_nothing_twice(server: Cluster) -> None:
    url = server.create()
    migrate(url)
    catalog = open_catalog(url)
    load = Load(catalog, catalog.collections.create(collection()))
    crowd = [threading.Thread(target=load.write, args=(worker,)) for worker in range(WRITERS)]
    for thread in crowd:
        thread.start()
    slowest = 0.0
    for _ in range(OUTAGES):
        time.sleep(0.4)
        server.stop("immediate")
        time.sleep(0.1)
        server.start()
        slowest = max(slowest, load.recovery_s())
    load.over.set()
    for thread in crowd:
        thread.join()
    assert load.failures == []
    assert slowest < HEALTHY_S
    assert load.retried >= OUTAGES
    stored = {item.key: item.sequence for item in catalog.items.list(load.held, limit=1_000_000)}
    assert stored == load.acknowledged
    assert sorted(stored.values()) == list(range(1, len(stored) + 1))
    print(f"{OUTAGES} outages, {len(stored)} items, {load.retried} writes tried again, healthy in {slowest:.2f} s")
    catalog.close()


def held_rows(store: Store) -> int:
    return len(store.within("c", CodeQuery(bytes(8)), radius=64).keys)


def test_an_owner_goes_on_after_its_database_restarted(server: Cluster, tmp_path: Path) -> None:
    url = server.create()
    migrate(url)
    location = url.replace("postgresql+psycopg", "postgresql")
    settings = Settings(store=location, folder=str(tmp_path))
    with open_store(location, settings=settings, address="first:1", eager=False) as store:
        store.create_collection("c", bits=64)
        for number in range(3):
            server.stop()
            with pytest.raises(Unavailable):
                store.upkeep()
            server.start()
            store.upsert("c", [Item(f"k{number}", code=bytes([number]) * 8)])
            store.upkeep()
            assert store.publish() == 1
            assert held_rows(store) == number + 1
            with pytest.raises(Owned, match="first:1"):
                open_store(location, settings=settings)


def test_an_owner_that_was_succeeded_while_its_database_was_away_says_so(server: Cluster, tmp_path: Path) -> None:
    url = server.create()
    migrate(url)
    location = url.replace("postgresql+psycopg", "postgresql")
    settings = Settings(store=location, folder=str(tmp_path))
    first = open_store(location, settings=settings, eager=False)
    server.stop()
    server.start()
    with open_store(location, settings=settings), pytest.raises(Fenced, match="restart it"):
        first.upkeep()
    first.close()
