"""What is traced: commits, blobs and publishes, each acknowledged by a line in a file of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from hashsvc.catalog import Catalog, open_catalog
from hashsvc.content import Blobs
from hashsvc.domain.collections import Collection
from hashsvc.index import LiveIndex, publish
from tests.catalog.samples import BITS, row

WRITES = 5
PUBLISHES = 3
BLOBS = 3


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


def codes_after(publishes: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (200 * publishes, BITS // 8), np.uint8)


def main() -> None:
    folder = Path(sys.argv[1])
    acks = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    catalog = open_catalog(f"sqlite:///{folder}/catalog/catalog.sqlite3")
    held = catalog.collections.get("things")
    for number in range(WRITES):
        os.write(acks, b"begin catalog\n")
        write(catalog, held, number)
        os.write(acks, b"done catalog\n")
        if number == 3:
            catalog.purge()
    catalog.close()
    blobs = Blobs(str(folder / "blobs"))
    for number in range(BLOBS):
        os.write(acks, b"begin blobs\n")
        blobs.put(blob(number))
        os.write(acks, b"done blobs\n")
    live = LiveIndex(BITS)
    for number in range(1, PUBLISHES + 1):
        codes = codes_after(number)
        live.apply(np.arange(len(codes), dtype=np.int64), codes, np.empty(0, np.int64), number)
        os.write(acks, b"begin snapshots\n")
        publish(live.view(), folder / "snapshots")
        os.write(acks, b"done snapshots\n")


if __name__ == "__main__":
    main()
