"""The processes runner on PostgreSQL: processes die, and the collection is the one that SQLite holds undisturbed."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from hashsvc import ingest
from hashsvc.catalog import Catalog, open_catalog
from hashsvc.content import Blobs
from hashsvc.domain.collections import Collection
from hashsvc.domain.jobs import Counts, Job
from hashsvc.domain.kinds import ContentMode, Kind
from hashsvc.ingest import Bench, IngestSpec
from hashsvc.runners import processes
from hashsvc.runners.lease import Lease
from tests.runners.openers import open_codes_at

pytestmark = [pytest.mark.postgresql, pytest.mark.slow]
ROWS = 2000


def planned(url: str, spec: IngestSpec) -> tuple[Catalog, Collection, Job]:
    catalog = open_catalog(url)
    catalog.collections.create(Collection("codes", Kind.CODE, 64, content=ContentMode.NONE))
    held = catalog.collections.get("codes")
    ingest.plan(catalog, held, spec)
    job = catalog.leases.claim("me", 60)
    assert job is not None
    return catalog, held, job


def kill_three(catalog: Catalog, job: Job, over: threading.Event) -> None:
    rng, due, kills = random.Random(1), 5, 0
    while not over.wait(0.02) and kills < 3:
        alive = [one.pid for one in multiprocessing.active_children() if "#" in one.name and one.pid]
        if alive and catalog.jobs.get(job).units_done >= due:
            os.kill(rng.choice(alive), signal.SIGKILL)
            kills += 1
            due = catalog.jobs.get(job).units_done + rng.randint(1, 30)


def disturbed(url: str, folder: Path, spec: IngestSpec) -> str:
    catalog, held, job = planned(url, spec)
    over = threading.Event()
    killer = threading.Thread(target=kill_three, args=(catalog, job, over))
    killer.start()
    with Lease(catalog, job.id, "me") as lease:
        done = processes.run(job, catalog, partial(open_codes_at, url, folder, spec.as_json()), lease, count=2)
    assert not killer.is_alive(), "three were killed before the end"
    over.set()
    killer.join()
    assert done.counts == Counts(ROWS, ROWS, 0, 0)
    assert catalog.collections.get("codes").watermark == ROWS, "no row was written twice"
    digest = catalog.items.digest(held)
    catalog.close()
    return digest


def undisturbed(url: str, folder: Path, spec: IngestSpec) -> str:
    catalog, held, job = planned(url, spec)
    bench = Bench(catalog, Blobs(str(folder / "blobs")), held, None, spec.open(held))
    for unit in catalog.jobs.units(job):
        ingest.run_unit(bench, unit)
    digest = catalog.items.digest(held)
    catalog.close()
    return digest


def test_killed_processes_on_postgresql(postgresql_url: str, sqlite_url: str, tmp_path: Path) -> None:
    np.save(tmp_path / "codes.npy", np.random.default_rng(3).integers(0, 256, (ROWS, 8), dtype=np.uint8))
    spec = IngestSpec((str(tmp_path / "codes.npy"),), rows=10)
    assert disturbed(postgresql_url, tmp_path, spec) == undisturbed(sqlite_url, tmp_path, spec)
