"""What is traced: commits, blobs, packs, publishes, a new store and its backup.

Each is acknowledged by a line in a file of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from hashsvc.app import open_store
from hashsvc.app.backup import backup
from hashsvc.catalog import Catalog, open_catalog
from hashsvc.content import Blobs
from hashsvc.domain.collections import Collection
from hashsvc.domain.items import Row
from hashsvc.domain.kinds import ContentMode, Kind
from hashsvc.index import LiveIndex, publish
from tests.catalog.samples import BITS, row

WRITES = 5
PUBLISHES = 3
TAIL_ROWS = 150
BLOBS = 3
PACKS = 2
STORED = 20


def keys_after(writes: int) -> set[str]:
    """Keys the catalog holds after so many writes: each adds some and takes one of the write before."""
    keys: set[str] = set()
    for number in range(writes):
        keys |= {f"w{number}-{i}" for i in range(size(number))}
        keys.discard(f"w{number - 1}-0")
    return keys


def size(number: int) -> int:
    """Rows of a write; one is large enough to take many pages."""
    return 120 if number == 2 else 4


def write(catalog: Catalog, held: Collection, number: int) -> None:
    rows = [row(f"w{number}-{i}") for i in range(size(number))]
    catalog.items.write(held, rows, [f"w{number - 1}-0"], request_id=f"r{number}")


def blob(number: int) -> bytes:
    return f"blob {number} ".encode() * (1 + 700 * number)


def pack(number: int) -> list[bytes]:
    return [f"blob {number} {place} ".encode() * (1 + 50 * place) for place in range(20)]


def codes_after(publishes: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (200 * publishes, BITS // 8), np.uint8)


def make_store(folder: Path) -> None:
    """A new store whose items have bytes."""
    with open_store(str(folder)) as store:
        kept = Collection("kept", Kind.CODE, BITS, content=ContentMode.BYTES)
        held = store.catalog.collections.create(kept)
        names = store.blobs.put_all(pack(9)[:STORED])
        rows = [Row(f"k{n}", bytes.fromhex(name), bytes.fromhex(name)[: BITS // 8]) for n, name in enumerate(names)]
        store.catalog.items.write(held, rows)


@contextmanager
def acknowledged(acks: int, area: str) -> Iterator[None]:
    os.write(acks, f"begin {area}\n".encode())
    yield
    os.write(acks, f"done {area}\n".encode())


def main() -> None:
    folder = Path(sys.argv[1])
    acks = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    catalog = open_catalog(f"sqlite:///{folder}/catalog/catalog.sqlite3")
    held = catalog.collections.get("things")
    for number in range(WRITES):
        with acknowledged(acks, "catalog"):
            write(catalog, held, number)
        if number == 3:
            catalog.purge()
    catalog.close()
    blobs = Blobs(str(folder / "blobs"))
    for number in range(BLOBS):
        with acknowledged(acks, "blobs"):
            blobs.put(blob(number))
    packs = Blobs(str(folder / "packs"))
    for number in range(PACKS):
        with acknowledged(acks, "packs"):
            packs.put_all(pack(number))
    live = LiveIndex(BITS, tail_rows=TAIL_ROWS)
    for number in range(1, PUBLISHES + 1):
        before, codes = len(codes_after(number - 1)), codes_after(number)
        live.apply(np.arange(before, len(codes)), codes[before:], np.empty(0, np.int64), number)
        with acknowledged(acks, "snapshots"):
            publish(live.view(), folder / "snapshots")
    with acknowledged(acks, "created"):
        make_store(folder / "created")
    with open_store(str(folder / "created"), role="worker") as store, acknowledged(acks, "backup"):
        backup(store, folder / "backup")


if __name__ == "__main__":
    main()
