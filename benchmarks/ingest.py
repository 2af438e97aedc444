"""The claim: ready codes with metadata reach catalog and index at half the speed of the bare driver or better.

The bare driver does the very statements that the catalog did: a first run records them with their parameters, and
they are replayed through sqlite3 or psycopg alone into a database of its own. The timed run starts from items as rows
and ends when the catalog has committed and the live index holds every item. Example:

    python benchmarks/ingest.py --rows 200000 --json
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, Table, event

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hashsvc.catalog import Catalog, bulk, migrate, open_catalog
from hashsvc.domain.collections import Collection
from hashsvc.domain.items import Row
from hashsvc.domain.kinds import ContentMode, FieldType, Kind
from hashsvc.index import LiveIndex
from tests.postgresql import Cluster, binaries

BITS = 128
BATCH = 5_000
WRITERS = {"sqlite": 1, "postgresql": 2}
LANGUAGES = ("de", "en", "es", "fr", "ja", "zh")
FIELDS = {"language": FieldType.STRING, "year": FieldType.INTEGER}


@dataclass
class Recording:
    """What the driver was asked to do, transaction by transaction."""

    steps: list[tuple[str, str, Any]] = field(default_factory=list)

    def listen(self, catalog: Catalog) -> None:
        engine = catalog.database.engine

        @event.listens_for(engine, "before_cursor_execute")
        def statement(_: Connection, __: Any, text: str, values: Any, *rest: Any) -> None:
            self.steps.append(("many" if rest[-1] else "one", text, values))

        @event.listens_for(engine, "commit")
        def commit(_: Connection) -> None:
            self.steps.append(("commit", "", None))

    @contextmanager
    def copies(self) -> Iterator[None]:
        """Record what goes through COPY, which the engine does not see."""
        plain = bulk.copy_rows

        def copied(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
            self.steps.append(("copy", table.name, (bulk.types_of(table), rows)))
            plain(connection, table, rows)

        bulk.copy_rows = copied
        try:
            yield
        finally:
            bulk.copy_rows = plain


def rows_of(count: int) -> list[Row]:
    """Items as a reader gives them."""
    chance = np.random.default_rng(1)
    codes = chance.integers(0, 256, (count, BITS // 8), np.uint8)
    years = chance.integers(1950, 2026, count).tolist()
    scores = chance.random(count).tolist()
    return [
        Row(
            f"documents/{i:08d}.txt",
            hashlib.sha256(code.tobytes()).digest(),
            code.tobytes(),
            {"language": LANGUAGES[i % len(LANGUAGES)], "year": years[i], "score": scores[i]},
        )
        for i, code in enumerate(codes)
    ]


def ingest(
    url: str, rows: list[Row], *, declared: bool = False, writers: int = 1, recording: Recording | None = None
) -> float:
    """Seconds until catalog and index hold every row."""
    migrate(url)
    catalog = open_catalog(url)
    collection = catalog.collections.create(
        Collection("bench", Kind.CODE, BITS, content=ContentMode.NONE, fields=FIELDS if declared else {})
    )
    live = LiveIndex(BITS)
    if recording is not None:
        recording.listen(catalog)
    turn = threading.Condition()

    def store(start: int) -> None:
        batch = rows[start : start + BATCH]
        codes = np.frombuffer(b"".join([row.code for row in batch]), np.uint8).reshape(len(batch), -1)
        commit = catalog.items.write(collection, batch)
        with turn:
            turn.wait_for(lambda: live.watermark == commit.before)
            live.apply(commit.ids, codes, np.empty(0, np.int64), commit.watermark)
            turn.notify_all()

    started = time.perf_counter()
    with ThreadPoolExecutor(writers) as pool:
        for _ in pool.map(store, range(0, len(rows), BATCH)):
            pass
    seconds = time.perf_counter() - started
    assert catalog.items.count(collection) == live.view().items == len(rows)
    catalog.close()
    return seconds


def replay_sqlite(url: str, recording: Recording, _: list[Row]) -> float:
    """Seconds the bare driver takes for the recorded statements."""
    import sqlite3

    connection = sqlite3.connect(url.partition("///")[2], isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")
    started = time.perf_counter()
    for kind, text, values in recording.steps:
        if kind == "commit":
            connection.execute("COMMIT")
        elif kind == "many":
            connection.executemany(text, values)
        else:
            connection.execute(text, values).fetchall()
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


def replay_postgresql(url: str, recording: Recording, _: list[Row]) -> float:
    """Seconds the bare driver takes for the recorded statements."""
    import psycopg
    from psycopg import sql

    connection = psycopg.connect(url.replace("+psycopg", "", 1))
    cursor = connection.cursor()
    started = time.perf_counter()
    for kind, text, values in recording.steps:
        if kind == "commit":
            connection.commit()
        elif kind == "copy":
            types, rows = values
            into = sql.SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(sql.Identifier(f"staged_{text}"))
            with cursor.copy(into) as copy:
                copy.set_types(types)
                for row in rows:
                    copy.write_row(row)
        elif kind == "many":
            cursor.executemany(text, values)
        else:
            cursor.execute(text, values)
            if cursor.description:
                cursor.fetchall()
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


Replay = Callable[[str, Recording, list[Row]], float]


def measure(
    rows: list[Row], fresh: Callable[[], str], replay: Replay, rounds: int, *, declared: bool
) -> dict[str, float]:
    """Rows a second of both, medians over rounds in turn."""
    recording = Recording()
    with recording.copies():
        ingest(fresh(), rows, declared=declared, recording=recording)
    ours, driver = [], []
    for _ in range(rounds):
        url = fresh()
        migrate(url)
        catalog = open_catalog(url)
        fields = FIELDS if declared else {}
        catalog.collections.create(Collection("bench", Kind.CODE, BITS, content=ContentMode.NONE, fields=fields))
        catalog.close()
        driver.append(len(rows) / replay(url, recording, rows))
        url = fresh()
        writers = WRITERS[url.partition(":")[0].partition("+")[0]]
        ours.append(len(rows) / ingest(url, rows, declared=declared, writers=writers))
    mine, bare = statistics.median(ours), statistics.median(driver)
    return {"rows_per_s": round(mine), "driver_rows_per_s": round(bare), "ratio": round(mine / bare, 3)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--declared", action="store_true", help="with two declared (indexed) metadata fields")
    parser.add_argument("--json", action="store_true", help="only the JSON line on standard output")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    rows = rows_of(options.rows)
    folder = Path(tempfile.mkdtemp(prefix="hashsvc-ingest-"))
    numbers = iter(range(1_000))
    report: dict[str, Any] = {}
    try:
        report["sqlite"] = measure(
            rows,
            lambda: f"sqlite:///{folder}/{next(numbers)}.sqlite3",
            replay_sqlite,
            options.rounds,
            declared=options.declared,
        )
        if binaries() is None:
            print("PostgreSQL is not installed: left out", file=sys.stderr)
        else:
            cluster = Cluster(durable=True)
            try:
                report["postgresql"] = measure(
                    rows, cluster.create, replay_postgresql, options.rounds, declared=options.declared
                )
            finally:
                cluster.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps({**report, "rows": options.rows, "bits": BITS, "declared_fields": 2 * options.declared}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
