"""Sequence numbers follow commit order: a reader that remembers the highest one it saw misses nothing."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

import numpy as np
import psycopg
import pytest
from sqlalchemy import event

from hashsvc.catalog import Catalog, open_catalog
from hashsvc.domain.collections import Collection
from hashsvc.index import LiveIndex
from tests.catalog.samples import BITS, row
from tests.long import rounds

WRITERS = 8
BATCH = 25
ROWS = rounds(4_000, 20_000)
PAUSE_S = 0.004

Write = Callable[[int, int], None]


def race(write: Write, follow: Callable[[], bool]) -> None:
    """Eight writers in turn with a reader; the reader looks once more when they are done."""
    over = threading.Event()

    def work(worker: int) -> None:
        for batch in range(ROWS // WRITERS // BATCH):
            write(worker, batch)

    def read() -> None:
        while not over.is_set():
            follow()
        while follow():
            pass

    crowd = [threading.Thread(target=work, args=(worker,)) for worker in range(WRITERS)]
    reader = threading.Thread(target=read)
    for thread in (reader, *crowd):
        thread.start()
    for thread in crowd:
        thread.join()
    over.set()
    reader.join()


def test_the_index_holds_every_row_of_racing_writers(catalog_url: str, catalog: Catalog, held: Collection) -> None:
    writers = [open_catalog(catalog_url) for _ in range(WRITERS)]
    live = LiveIndex(BITS)
    for number, writer in enumerate(writers):
        chance = random.Random(number)
        event.listen(writer.database.engine, "commit", lambda _, chance=chance: time.sleep(chance.random() * PAUSE_S))

    def write(worker: int, batch: int) -> None:
        writers[worker].items.write(held, [row(f"{worker}-{batch}-{i}") for i in range(BATCH)])

    def follow() -> bool:
        part = catalog.items.changes(held, live.watermark, 500)
        live.apply(part.upsert_ids, part.upsert_codes, part.deleted_ids, part.watermark)
        return part.more

    race(write, follow)
    view = live.view()
    found = view.within(np.zeros((1, BITS // 8), np.uint8), BITS)
    assert sorted(found.ids.tolist()) == catalog.items.ids(held).tolist()
    assert view.items == catalog.items.count(held) == ROWS
    for writer in writers:
        writer.close()


@pytest.mark.postgresql
def test_a_naive_reader_of_a_database_sequence_misses_rows(postgresql_url: str) -> None:
    """The same race shows what the counter row is for: numbers from a sequence are not in commit order."""
    address = postgresql_url.replace("+psycopg", "", 1)
    seen: set[int] = set()
    chances = [random.Random(number) for number in range(WRITERS)]
    with psycopg.connect(address, autocommit=True) as reader:
        reader.execute("CREATE TABLE naive (sequence bigserial PRIMARY KEY, key text)")
        connections = [psycopg.connect(address) for _ in range(WRITERS)]

        def write(worker: int, batch: int) -> None:
            rows = [(f"{worker}-{batch}-{i}",) for i in range(BATCH)]
            with connections[worker].cursor() as cursor:
                cursor.executemany("INSERT INTO naive (key) VALUES (%s)", rows)
            time.sleep(chances[worker].random() * PAUSE_S)
            connections[worker].commit()

        def follow() -> bool:
            query = "SELECT sequence FROM naive WHERE sequence > %s ORDER BY sequence"
            found = [number for (number,) in reader.execute(query, (max(seen, default=0),))]
            seen.update(found)
            return bool(found)

        race(write, follow)
        [stored] = reader.execute("SELECT count(*) FROM naive").fetchone() or (0,)
        for connection in connections:
            connection.close()
    assert stored == ROWS
    assert len(seen) < ROWS
