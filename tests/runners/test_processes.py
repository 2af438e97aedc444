"""The processes runner: what it stores is what the inline runner stores, whoever dies on the way."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from hashsvc import ingest
from hashsvc.domain.collections import Collection
from hashsvc.domain.jobs import Counts, Job
from hashsvc.domain.kinds import ContentMode, Kind
from hashsvc.errors import Cancelled, FailedPrecondition, HashsvcError, Unavailable
from hashsvc.ingest import Bench, IngestSpec
from hashsvc.runners import inline, processes
from hashsvc.runners.lease import Lease
from hashsvc.runners.progress import Progress
from tests.ingest.workplace import Workplace, open_bench, workplace, write_rows
from tests.long import rounds
from tests.runners.openers import die_at_once, open_codes, open_with_helper


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    with workplace(tmp_path) as made:
        made.catalog.collections.create(Collection("codes", Kind.CODE, 64, content=ContentMode.NONE))
        yield made


def plan_codes(place: Workplace, count: int, rows: int) -> tuple[Collection, IngestSpec, Job]:
    codes = np.random.default_rng(1).integers(0, 256, (count, 8), dtype=np.uint8)
    np.save(place.folder / "codes.npy", codes)
    held = place.catalog.collections.get("codes")
    spec = IngestSpec((str(place.folder / "codes.npy"),), rows=rows)
    ingest.plan(place.catalog, held, spec)
    job = place.catalog.leases.claim("me", 60)
    assert job is not None
    return held, spec, job


def digest_inline(folder: Path, place: Workplace, spec: IngestSpec) -> str:
    with workplace(folder) as other:
        other.catalog.collections.create(Collection("codes", Kind.CODE, 64, content=ContentMode.NONE))
        held = other.catalog.collections.get("codes")
        ingest.plan(other.catalog, held, spec)
        job = other.catalog.leases.claim("me", 60)
        assert job is not None
        with Lease(other.catalog, job.id, "me") as lease:
            inline.run(job, Bench(other.catalog, other.blobs, held, None, spec.open(held)), lease)
        return other.catalog.items.digest(held)


@pytest.mark.slow
def test_two_processes_store_what_one_stores(place: Workplace, tmp_path: Path) -> None:
    spec = IngestSpec((str(write_rows(place.folder / "rows.jsonl", 300, bad=[9, 70])),), rows=30)
    ingest.plan(place.catalog, place.collection, spec)
    job = place.catalog.leases.claim("me", 60)
    assert job is not None
    seen: list[Progress] = []
    with Lease(place.catalog, job.id, "me") as lease:
        opened = partial(open_bench, place.folder, spec.as_json())
        job = processes.run(job, place.catalog, opened, lease, count=2, progress=seen.append)
    assert job.counts == Counts(300, 298, 0, 2)
    assert place.counts_add_up(job)
    assert seen[-1].done == 10
    with workplace(tmp_path / "other") as other:
        plain = ingest.plan(other.catalog, other.collection, spec)
        for unit in other.catalog.jobs.units(plain):
            ingest.run_unit(other.bench(spec), unit)
        assert other.digest() == place.digest()


@pytest.mark.slow
def test_killed_processes_lose_nothing_and_double_nothing(place: Workplace, tmp_path: Path) -> None:
    rows, least = rounds(3000, 20_000), rounds(3, 20)
    held, spec, job = plan_codes(place, rows, rows=10)
    over = threading.Event()
    kills = 0

    def kill() -> None:
        nonlocal kills
        rng = random.Random(5)
        due = rng.randint(1, 20)
        while not over.wait(0.02):
            victims = [child for child in multiprocessing.active_children() if "#" in child.name and child.pid]
            if victims and place.catalog.jobs.get(job).units_done >= due:
                os.kill(rng.choice(victims).pid or 0, signal.SIGKILL)
                kills += 1
                due = place.catalog.jobs.get(job).units_done + rng.randint(1, 60)

    killer = threading.Thread(target=kill)
    killer.start()
    with Lease(place.catalog, job.id, "me") as lease:
        done = processes.run(job, place.catalog, partial(open_codes, place.folder, spec.as_json()), lease, count=2)
    over.set()
    killer.join()
    assert kills >= least
    assert done.counts == Counts(rows, rows, 0, 0)
    assert place.counts_add_up(done)
    assert place.catalog.items.digest(held) == digest_inline(tmp_path / "other", place, spec)
    assert len({item.sequence for item in place.catalog.items.list(held, limit=50_000)}) == rows
    assert place.catalog.collections.get("codes").watermark == rows, "no row was written twice"
    with Lease(place.catalog, job.id, "me") as lease:
        again = processes.run(done, place.catalog, partial(open_codes, place.folder, spec.as_json()), lease, count=1)
    assert again.units_done == done.units_done, "a second run does no unit"


def test_processes_that_never_work_are_not_started_for_ever(place: Workplace) -> None:
    _, _, job = plan_codes(place, 30, rows=10)
    with Lease(place.catalog, job.id, "me") as lease, pytest.raises(Unavailable, match="died in a row"):
        processes.run(job, place.catalog, die_at_once, lease, count=1)


@pytest.mark.slow
def test_content_that_kills_its_decoder_costs_its_row(place: Workplace) -> None:
    path = write_rows(place.folder / "rows.jsonl", 60)
    lines = path.read_text().splitlines()
    lines[25] = '{"id": "row-25", "text": "POISON", "part": 1}'
    path.write_text("\n".join(lines) + "\n")
    spec = IngestSpec((str(path),), rows=10)
    ingest.plan(place.catalog, place.collection, spec)
    job = place.catalog.leases.claim("me", 60)
    assert job is not None
    with Lease(place.catalog, job.id, "me") as lease:
        opened = partial(open_with_helper, place.folder, spec.as_json())
        job = processes.run(job, place.catalog, opened, lease, count=1)
    assert job.counts == Counts(60, 59, 0, 1)
    [letter] = place.catalog.jobs.dead_letters(job)
    assert (letter.row, letter.key) == (25, "row-25")
    assert "crashed the decoder" in letter.reason


def test_errors_and_cancelling_reach_the_caller(place: Workplace) -> None:
    _, spec, job = plan_codes(place, 4000, rows=5)
    opened = partial(open_codes, place.folder, spec.as_json())

    def cancel(progress: Progress) -> None:
        place.catalog.jobs.cancel(job)

    with Lease(place.catalog, job.id, "me") as lease, pytest.raises(Cancelled):
        processes.run(job, place.catalog, opened, lease, count=1, progress=cancel)
    assert place.catalog.jobs.get(job).units_done < 800
    _, spec, job = plan_codes(place, 50, rows=10)
    np.save(place.folder / "codes.npy", np.zeros((7, 8), np.uint8))
    error: type[HashsvcError] = FailedPrecondition
    with Lease(place.catalog, job.id, "me") as lease, pytest.raises(error, match="changed since"):
        processes.run(job, place.catalog, opened, lease, count=1)
