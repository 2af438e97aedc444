"""Kills: whoever dies in whichever stage, going on ends with the same decisions, each written once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from hashsvc.app import dedup, open_store
from hashsvc.domain.dedup import Run, RunState
from hashsvc.failpoints import arm
from tests.dedup.conftest import planted
from tests.dedup.test_runs import SPEC

STAGES = ("dedup.list", "dedup.sketch", "dedup.decide", "dedup.settle")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run_and_die(folder: str, place: str, after: int) -> None:
    """Run, and be killed the ``after``-th time that the place is reached."""
    left = [after]

    def count() -> None:
        left[0] -= 1
        if not left[0]:
            die()

    arm(place, count)
    with open_store(folder, role="worker") as store:
        dedup.run(store, SPEC)


def killed(folder: str, place: str, after: int) -> None:
    process = multiprocessing.get_context("spawn").Process(target=run_and_die, args=(folder, place, after))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL


def go_on(folder: str) -> Run:
    """Go on with the job as if its worker's lease had run out."""
    with open_store(folder) as store:
        [job] = [job for job in store.jobs() if not job.state.final]
        for unit in store.catalog.jobs.units(job):
            assert unit.job == job.id
        store.catalog.leases.renew_units(job, "", 0.0)
        release(store.layout.database, job.id)
        found = dedup.run(store, SPEC)
        assert found.job == job.id, "the same job went on"
        assert len(store.dedup.decisions(found.job, limit=10_000)) == found.dropped
        assert not (store.layout.folder / "dedup" / str(job.id)).exists()
        return found


def release(url: str, job: int) -> None:
    """Let the leases of the dead run out."""
    from hashsvc.catalog.database import Database
    from hashsvc.catalog.tables import jobs, units

    database = Database(url)
    with database.writing() as connection:
        connection.execute(jobs.update().where(jobs.c.id == job).values(lease_until=0.0))
        connection.execute(units.update().where(units.c.job == job).values(lease_until=0.0))
    database.close()


@pytest.mark.slow
def test_killed_in_any_stage_it_goes_on_to_the_same_decisions(trained: Path) -> None:
    with open_store(str(trained)) as store:
        store.create_collection("texts", encoder="toy")
        store.upsert("texts", planted())
        plain = dedup.run(store, SPEC)
    try:
        for place, after in [(place, 1) for place in STAGES] + [("dedup.sketch", 4), ("dedup.decide", 2)]:
            killed(str(trained), place, after)
            found = go_on(str(trained))
            assert (found.digest, found.state) == (plain.digest, RunState.DECIDED), place
    finally:
        with open_store(str(trained)) as store:
            store.delete_collection("texts")


@pytest.mark.slow
def test_killed_while_applying_or_undoing_it_goes_on(trained: Path) -> None:
    with open_store(str(trained)) as store:
        store.create_collection("texts", encoder="toy")
        store.upsert("texts", planted())
        before = store.catalog.items.digest(store.collection("texts"))
        run = dedup.run(store, SPEC)
    try:
        for target in (apply_forever, undo_forever):
            for pause in (0.02, 0.1):
                process = multiprocessing.get_context("spawn").Process(target=target, args=(str(trained), run.job))
                process.start()
                wait_for_work(str(trained), process, pause)
                process.kill()
                process.join()
            with open_store(str(trained)) as store:
                verb = store.dedup.apply if target is apply_forever else store.dedup.undo
                state = store.dedup.run(run.job).state
                if state not in {RunState.APPLIED, RunState.UNDONE}:
                    verb(run.job)
                if target is apply_forever:
                    assert store.count_items("texts") == 440 - run.dropped
                    assert sum(one.applied for one in store.dedup.decisions(run.job, limit=10_000)) == run.dropped
        with open_store(str(trained)) as store:
            assert store.catalog.items.digest(store.collection("texts")) == before
    finally:
        with open_store(str(trained)) as store:
            store.delete_collection("texts")


def wait_for_work(folder: str, process: multiprocessing.process.BaseProcess, pause: float) -> None:
    deadline = time.monotonic() + 60
    while process.is_alive() and time.monotonic() < deadline:
        with open_store(folder, role="worker") as store:
            if store.dedup.runs("texts")[0].state in {RunState.APPLYING, RunState.UNDOING}:
                break
        time.sleep(0.01)
    time.sleep(pause)


def apply_forever(folder: str, job: int) -> None:
    from hashsvc.catalog import dedupapply

    dedupapply.BATCH = 7
    with open_store(folder, role="worker") as store:
        store.dedup.apply(job)


def undo_forever(folder: str, job: int) -> None:
    from hashsvc.catalog import dedupapply

    dedupapply.BATCH = 7
    with open_store(folder, role="worker") as store:
        store.dedup.undo(job)
