"""Replicas answer as the owner does and only read; shards of one store answer together as its one index does."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from hashsvc.app import Store, open_store
from hashsvc.client.router import Router
from hashsvc.domain.filters import Comparison, Operator
from hashsvc.domain.items import Item
from hashsvc.domain.kinds import FieldType
from hashsvc.domain.queries import CodeQuery, KeyQuery, Query
from hashsvc.domain.shards import Placement, Shard
from hashsvc.errors import FailedPrecondition, InvalidArgument, NotFound, Owned

ITEMS, BITS = 500, 64


def items(first: int = 0, count: int = ITEMS) -> list[Item]:
    rng = np.random.default_rng(first)
    centres = rng.integers(0, 256, (30, BITS // 8), dtype=np.uint8)
    codes = centres[rng.integers(0, 30, count)] ^ np.packbits(rng.random((count, BITS)) < 0.05, axis=1)
    return [Item(f"k{first + i}", None, code.tobytes(), {"part": i % 4}) for i, code in enumerate(codes)]


QUERIES: list[Query] = [*(CodeQuery(item.code or b"") for item in items()[::50]), KeyQuery("k7")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with open_store(str(tmp_path / "store")) as store:
        store.create_collection("codes", bits=BITS, fields={"part": FieldType.INTEGER})
        store.upsert("codes", items())
        store.publish()
    return tmp_path / "store"


def replica(folder: Path, shard: str = "") -> Store:
    return open_store(str(folder), role="replica", shard=Shard.parse(shard) if shard else None)


def test_a_replica_starts_from_the_owners_snapshot_and_follows_its_log(folder: Path) -> None:
    with open_store(str(folder)) as owner, replica(folder) as first, replica(folder) as second:
        for copy in (first, second):
            assert copy.search("codes", QUERIES, k=20) == owner.search("codes", QUERIES, k=20)
        snapshots = sorted(folder.glob("snapshots/*/*"))
        owner.upsert("codes", items(1000, 200))
        owner.delete_items("codes", keys=["k3", "k1003"])
        for copy in (first, second):
            assert copy.search("codes", QUERIES, k=20) == owner.search("codes", QUERIES, k=20)
        assert first.publish() == 0, "the owner's snapshots are its own"
        assert sorted(folder.glob("snapshots/*/*")) == snapshots


def test_a_replica_only_reads(folder: Path) -> None:
    with replica(folder) as copy:
        for write in (
            lambda: copy.upsert("codes", items()),
            lambda: copy.delete_items("codes", keys=["k1"]),
            lambda: copy.create_collection("other", bits=64),
            lambda: copy.delete_collection("codes"),
        ):
            with pytest.raises(FailedPrecondition, match="only reads"):
                write()
        assert copy.count_items("codes") == ITEMS


def test_a_replica_lets_go_of_what_the_owner_deletes_or_makes_anew(folder: Path) -> None:
    settled = open_store(str(folder), role="replica", eager=False)
    with open_store(str(folder)) as owner, settled as copy:
        copy.upkeep()
        assert len(copy.search("codes", QUERIES[:1], k=5)[0].matches) == 5
        owner.delete_collection("codes")
        copy.upkeep()
        with pytest.raises(NotFound):
            copy.search("codes", QUERIES[:1])
        owner.create_collection("codes", bits=BITS)
        owner.upsert("codes", items(0, 3))
        copy.upkeep()
        assert len(copy.search("codes", QUERIES[:1], k=5)[0].matches) == 3


@pytest.mark.parametrize("count", [1, 3])
def test_shards_answer_together_as_the_one_index_does(folder: Path, count: int) -> None:
    with ExitStack() as stack:
        owner = stack.enter_context(open_store(str(folder)))
        parts = [stack.enter_context(replica(folder, f"{number}/{count}")) for number in range(count)]
        router = stack.enter_context(Router(parts))
        for _ in range(2):
            passing = Comparison("part", Operator.EQ, (2,))
            for chosen in (None, passing):
                found = router.search("codes", QUERIES, k=30, filter=chosen)
                expected = owner.search("codes", QUERIES, k=30, filter=chosen)
                assert [one.matches for one in found.answers] == [one.matches for one in expected]
            sizes = [len(part.within("codes", QUERIES[0], radius=BITS).matches) for part in parts]
            assert sum(sizes) == router.count_items("codes") == owner.count_items("codes")
            assert [part.count_items("codes") for part in parts] == sizes
            assert router.count_items("codes", filter=passing) == owner.count_items("codes", filter=passing)
            assert min(sizes) > 0
            owner.upsert("codes", items(2000, 100))
            owner.delete_items("codes", keys=["k9"])


def test_a_shard_publishes_snapshots_of_its_own_and_starts_from_them(folder: Path) -> None:
    with replica(folder, "1/2") as part:
        before = part.search("codes", QUERIES, k=9)
        assert part.publish(least=0) == 1
        with pytest.raises(Owned):
            replica(folder, "1/2")
    assert [path.name for path in sorted((folder / "snapshots").iterdir())] == ["1", "1.shard-1-of-2"]
    with replica(folder, "1/2") as part:
        assert part.search("codes", QUERIES, k=9) == before


def test_the_map_says_where_each_shard_was_last_started(folder: Path) -> None:
    with open_store(str(folder), role="worker") as store:
        for address in ("a:1", "a:2"):
            store.catalog.shards.place(Shard(1, 2), address, "host", 7)
        store.catalog.shards.place(Shard(0, 2), "b:1", "host", 8)
        placed = store.catalog.shards.list()
        assert [(str(one.shard), one.address, one.process) for one in placed] == [("0/2", "b:1", 8), ("1/2", "a:2", 7)]
        assert all(isinstance(one, Placement) for one in placed)
        assert store.catalog.shards.clear() == 2


@pytest.mark.parametrize("text", ["", "1", "2/2", "-1/2", "a/b", "0/0", "0/5000", "1/2/3"])
def test_what_is_no_shard_is_told(text: str) -> None:
    with pytest.raises(InvalidArgument, match="shard"):
        Shard.parse(text)
