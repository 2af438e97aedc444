from __future__ import annotations

import random
import threading
import time

import pytest

from hashsvc.catalog import Catalog, open_catalog
from hashsvc.domain.collections import Collection
from hashsvc.errors import InvalidArgument
from tests.catalog.samples import everything, row


def test_the_log_leads_to_the_same_state_from_anywhere(catalog: Catalog, held: Collection) -> None:
    random.seed(5)
    states = [(dict[int, bytes](), 0)]
    for _ in range(60):
        keys = [f"k{random.randrange(40)}" for _ in range(random.randrange(1, 6))]
        gone = [f"k{random.randrange(40)}" for _ in range(random.randrange(3))]
        catalog.items.write(held, [row(key, random.randrange(5)) for key in keys], gone)
        states.append(everything(catalog, held))
    last, watermark = states[-1]
    assert set(last) == set(catalog.items.ids(held).tolist())
    assert {item.id: item.code for item in catalog.items.list(held, limit=100)} == last
    for known, after in states:
        for limit in (1, 3, 1000):
            reached = dict(known)
            position, more = after, True
            while more:
                part = catalog.items.changes(held, position, limit)
                assert len(part.upsert_ids) + len(part.deleted_ids) <= limit
                for number in part.deleted_ids.tolist():
                    reached.pop(number, None)
                reached |= dict(zip(part.upsert_ids.tolist(), map(bytes, part.upsert_codes), strict=True))
                position, more = part.watermark, part.more
            assert (reached, position) == (last, watermark)


def test_an_empty_part_of_the_log_has_its_shape(catalog: Catalog, held: Collection) -> None:
    part = catalog.items.changes(held, 0, 10)
    assert part.upsert_codes.shape == (0, 8)
    assert (part.watermark, part.more) == (0, False)
    with pytest.raises(InvalidArgument):
        catalog.items.changes(held, 0, 0)


def test_readers_never_miss_a_row_of_racing_writers(
    catalog_url: str, catalog: Catalog, held: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writers in catalogs of their own, as processes have, pause before they commit; a reader follows meanwhile."""
    writers, batches, rows = 4, 12, 10
    over = threading.Event()
    seen: dict[int, bytes] = {}

    def write(worker: int) -> None:
        mine = open_catalog(catalog_url)
        chance = random.Random(worker)
        for batch in range(batches):
            time.sleep(chance.random() / 200)
            mine.items.write(held, [row(f"{worker}-{batch}-{i}") for i in range(rows)])
        mine.close()

    def follow() -> None:
        after = 0
        while True:
            last = over.is_set()
            part = catalog.items.changes(held, after, 25)
            seen.update(zip(part.upsert_ids.tolist(), map(bytes, part.upsert_codes), strict=True))
            after = part.watermark
            if last and not part.more:
                return

    reader = threading.Thread(target=follow)
    crowd = [threading.Thread(target=write, args=(worker,)) for worker in range(writers)]
    for thread in (reader, *crowd):
        thread.start()
    for thread in crowd:
        thread.join()
    over.set()
    reader.join()
    assert len(seen) == writers * batches * rows
    assert sorted(seen) == catalog.items.ids(held).tolist()
    sequences = sorted(item.sequence for item in catalog.items.list(held, limit=10_000))
    assert sequences == list(range(1, writers * batches * rows + 1))
