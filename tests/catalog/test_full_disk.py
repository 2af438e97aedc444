"""A full disk costs the write that met it one error; reads go on, and writes when there is room again."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest

from hashsvc.catalog import Catalog, migrate, open_catalog
from hashsvc.content import Blobs
from hashsvc.domain.collections import Collection
from hashsvc.domain.items import Row
from hashsvc.domain.jobs import JobKind
from hashsvc.errors import ResourceExhausted
from hashsvc.index import LiveIndex, publish
from tests.catalog.samples import collection, row
from tests.postgresql import Cluster

SIZE_MB = 24


@pytest.fixture
def small() -> Iterator[Path]:
    """A file system of a few megabytes, where the user of the database can reach it (pytest's folders are closed)."""
    folder = Path(tempfile.mkdtemp(prefix="hashsvc-small-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=777", "tmpfs", str(folder)]
    if (
        os.geteuid()
        or shutil.which("mount") is None
        or subprocess.run(mount, check=False, stderr=subprocess.DEVNULL).returncode
    ):
        pytest.skip("no small file system can be mounted here (it takes root)")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
    folder.rmdir()


def fill(folder: Path) -> Path:
    """Take all the room that is left."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return ballast


def big(key: str) -> Row:
    return row(key, metadata={"text": key * 20_000})


def survives(catalog: Catalog, held: Collection, folder: Path) -> None:
    """Every write site of the catalog meets the full disk in turn."""
    catalog.items.write(held, [row(f"k{i}") for i in range(50)])
    job = catalog.jobs.plan(catalog.jobs.create(JobKind.INGEST, "things", {}), [{}])
    digest = catalog.items.digest(held)
    sites: dict[str, Callable[[], object]] = {
        "many rows": lambda: catalog.items.write(held, [big(f"many{i}") for i in range(300)]),
        "one row": lambda: [catalog.items.write(held, [big(f"one{i}")]) for i in range(300)],
        "deletes": lambda: [catalog.items.write(held, [big("gone")], ["gone"]) for _ in range(300)],
        "jobs": lambda: catalog.jobs.plan(
            catalog.jobs.create(JobKind.TRAIN, "", {}), ({"n": "x" * 9_000} for _ in range(3_000))
        ),
        "fail": lambda: [catalog.jobs.create(JobKind.TRAIN, "", {"n": "x" * 90_000}) for _ in range(300)],
    }
    for site, write in sites.items():
        ballast = fill(folder)
        with pytest.raises(ResourceExhausted) as full:
            write()
        assert full.value.reason == "DISK_FULL", site
        keys = [f"k{i}" for i in range(50)]
        assert [item.key for item in catalog.items.get(held, keys)] == keys, site
        assert catalog.jobs.get(job).units == 1, site
        ballast.unlink()
        gone = [item.key for item in catalog.items.list(held, limit=1_000) if item.key not in set(keys)]
        catalog.items.write(held, [row("after")], [*gone, "after"])
        assert catalog.items.digest(held) == digest, site


def test_sqlite_on_a_full_disk(small: Path) -> None:
    url = f"sqlite:///{small}/catalog.sqlite3"
    migrate(url)
    catalog = open_catalog(url)
    survives(catalog, catalog.collections.create(collection()), small)
    catalog.close()


@pytest.mark.postgresql
def test_postgresql_on_a_full_disk(small: Path, cluster: Cluster) -> None:
    shutil.chown(small, "postgres", "postgres")
    with psycopg.connect(cluster.url().replace("+psycopg", "", 1), autocommit=True) as connection:
        connection.execute(f"CREATE TABLESPACE small LOCATION '{small}'")
        connection.execute("CREATE DATABASE small TABLESPACE small STRATEGY file_copy")
    url = cluster.url("small")
    try:
        migrate(url)
        catalog = open_catalog(url)
        survives(catalog, catalog.collections.create(collection()), small)
        catalog.close()
    finally:
        cluster.drop(url)
        with psycopg.connect(cluster.url().replace("+psycopg", "", 1), autocommit=True) as connection:
            connection.execute("DROP TABLESPACE small")


def test_a_snapshot_on_a_full_disk(small: Path) -> None:
    live = LiveIndex(64)
    codes = np.random.default_rng(1).integers(0, 256, (50_000, 8), np.uint8)
    live.apply(np.arange(len(codes), dtype=np.int64), codes, np.empty(0, np.int64), 1)
    first = publish(live.view(), small / "snapshots")
    live.apply(np.array([7]), codes[:1], np.empty(0, np.int64), 2)
    ballast = fill(small)
    for folder in ("snapshots", "another"):
        with pytest.raises(ResourceExhausted):
            publish(live.view(), small / folder)
    assert [path.name for path in (small / "snapshots").iterdir()] == [first.name]
    assert LiveIndex.from_snapshot(small / "snapshots").watermark == 1
    assert live.view().search(codes[:1], 1).distances.tolist() == [0]
    ballast.unlink()
    publish(live.view(), small / "snapshots")
    assert LiveIndex.from_snapshot(small / "snapshots").watermark == 2


def test_blobs_on_a_full_disk(small: Path) -> None:
    blobs = Blobs(str(small / "blobs"))
    kept = blobs.put(b"kept")
    ballast = fill(small)
    content = os.urandom(100_000)
    with pytest.raises(ResourceExhausted):
        blobs.put(content)
    assert blobs.get(kept) == b"kept"
    assert list(blobs.names()) == [kept]
    ballast.unlink()
    assert blobs.get(blobs.put(content)) == content
