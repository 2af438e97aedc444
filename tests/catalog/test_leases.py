"""Jobs and units in the hands of workers: claimed by one, lost to another, put back, settled."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from hashsvc.catalog import LEASE_LOST, UNIT_TAKEN, Catalog, UnitProgress
from hashsvc.domain.collections import Collection
from hashsvc.domain.jobs import Counts, DeadLetter, Job, JobKind, JobState
from hashsvc.errors import Aborted, Cancelled
from tests.catalog.samples import row


@pytest.mark.parametrize("done", [True, False], ids=["done", "in hand"])
def test_who_lost_a_unit_writes_nothing(catalog: Catalog, held: Collection, done: bool) -> None:
    job = catalog.jobs.plan(catalog.jobs.create(JobKind.INGEST, "things", {}), [{}])
    catalog.items.write(held, [row("old"), row("gone")])
    lost, ours = (catalog.leases.claim_unit(job, worker, 0) for worker in ("slow", "quick"))
    assert lost is not None
    assert ours is not None
    assert (lost.worker, ours.worker) == ("slow", "quick")
    if done:
        catalog.items.write(held, [row("a")], progress=UnitProgress(job.id, 0, Counts(1, 1), worker=ours.worker))
    catalog.items.write(held, [row("old", version=2)], ["gone"])
    before = catalog.items.digest(held), catalog.jobs.get(job)
    letters = [DeadLetter("a.jsonl", 7, "empty text", "k")]
    stale = UnitProgress(job.id, 0, Counts(3, 2, 0, 1), letters, lost.worker)
    with pytest.raises(Aborted) as taken:
        catalog.items.write(held, [row("old"), row("gone")], progress=stale)
    assert taken.value.reason == UNIT_TAKEN
    assert (catalog.items.digest(held), catalog.jobs.get(job)) == before
    assert catalog.jobs.dead_letters(job) == []
    if not done:
        catalog.items.write(held, [row("a")], progress=UnitProgress(job.id, 0, Counts(1, 1), worker=ours.worker))
    assert catalog.jobs.get(job).counts == Counts(1, 1)


def test_every_unit_is_claimed_by_one_worker(catalog: Catalog) -> None:
    job = catalog.jobs.plan(catalog.jobs.create(JobKind.INGEST, "things", {}), [{"n": n} for n in range(40)])

    def claim(number: int) -> list[int]:
        mine = []
        while unit := catalog.leases.claim_unit(job, f"w{number}", 60):
            mine.append(unit.number)
        return mine

    with ThreadPoolExecutor(6) as pool:
        claims = [unit for mine in pool.map(claim, range(6)) for unit in mine]
    assert sorted(claims) == list(range(40))


def test_a_lease_that_ran_out_goes_to_another(catalog: Catalog) -> None:
    job = catalog.jobs.plan(catalog.jobs.create(JobKind.INGEST, "things", {}), [{}])
    assert catalog.leases.claim("w1", 0) is not None
    assert catalog.leases.claim_unit(job, "w1", 0) is not None
    taken = catalog.leases.claim("w2", 60)
    assert taken is not None
    assert taken.id == job.id
    assert catalog.leases.claim_unit(job, "w2", 60) is not None
    with pytest.raises(Aborted):
        catalog.leases.heartbeat(job, "w1", 60)
    assert catalog.leases.heartbeat(job, "w2", 60).state is JobState.RUNNING
    assert catalog.leases.claim("w3", 60) is None
    assert catalog.leases.claim_unit(job, "w3", 60) is None


def test_who_lost_a_job_settles_nothing(catalog: Catalog) -> None:
    job = catalog.jobs.plan(catalog.jobs.create(JobKind.INGEST, "things", {}), [])
    assert catalog.leases.claim("slow", 0) is not None
    assert catalog.leases.claim("quick", 60) is not None
    attempts: list[Callable[[], Job]] = [
        lambda: catalog.leases.finish(job, "slow", {}),
        lambda: catalog.leases.fail(job, "slow", "a defect"),
        lambda: catalog.leases.cancelled(job, "slow"),
        lambda: catalog.leases.put_back(job, "slow", "the source is away", 0),
    ]
    for settle in attempts:
        with pytest.raises(Aborted) as lost:
            settle()
        assert lost.value.reason == LEASE_LOST
        assert catalog.leases.heartbeat(job, "quick", 60).state is JobState.RUNNING
    assert catalog.leases.finish(job, "quick", {"n": 1}).state is JobState.DONE
    with pytest.raises(Aborted):
        catalog.leases.finish(job, "slow", {})
    assert catalog.leases.fail(job, "slow", "late").state is JobState.DONE


def test_a_job_put_back_waits_and_says_for_what(catalog: Catalog) -> None:
    job = catalog.jobs.plan(catalog.jobs.create(JobKind.INGEST, "things", {}), [{}])
    catalog.leases.claim("w1", 60)
    assert catalog.leases.claim_unit(job, "w1", 60) is not None
    left = catalog.leases.put_back(job, "w1", "the source\nis away", 60)
    assert (left.state, left.error) == (JobState.RUNNING, "the source is away")
    assert catalog.leases.claim("w2", 60) is None, "not before the pause is over"
    assert catalog.leases.claim_unit(job, "w2", 60) is not None, "its units are anybody's"
    catalog.leases.renew_units(job, "w2", 0)
    with pytest.raises(Aborted):
        catalog.leases.heartbeat(job, "w1", 60)
    other = catalog.jobs.plan(catalog.jobs.create(JobKind.INGEST, "things", {}), [{}])
    catalog.leases.claim("w1", 60, other)
    catalog.leases.put_back(other, "w1", "away", 0)
    taken = catalog.leases.claim("w2", 60)
    assert taken is not None
    assert (taken.id, taken.error) == (other.id, "")


def test_jobs_are_claimed_oldest_first_or_by_number(catalog: Catalog) -> None:
    numbers = [catalog.jobs.create(JobKind.TRAIN, "", {"n": n}).id for n in range(3)]
    second = catalog.leases.claim("w", 60, numbers[1])
    first, third, none = (catalog.leases.claim("w", 60) for _ in range(3))
    assert [job.id for job in (first, second, third) if job] == numbers
    assert none is None
    assert catalog.leases.claim("w", 60, numbers[0]) is None
    assert [job.id for job in catalog.jobs.list()] == numbers[::-1]


def test_cancelling_ends_a_waiting_job_at_once_and_a_running_one_after_its_unit(catalog: Catalog) -> None:
    waiting = catalog.jobs.create(JobKind.TRAIN, "", {})
    assert catalog.jobs.cancel(waiting).state is JobState.CANCELLED
    running = catalog.jobs.create(JobKind.TRAIN, "", {})
    catalog.leases.claim("w", 60)
    assert catalog.jobs.cancel(running).state is JobState.CANCELLING
    with pytest.raises(Cancelled):
        catalog.leases.claim_unit(running, "w", 60)
    assert catalog.leases.finish(running, "w", {}).state is JobState.CANCELLED
    assert catalog.leases.fail(running, "w", "late").state is JobState.CANCELLED
    left = catalog.jobs.create(JobKind.TRAIN, "", {})
    catalog.leases.claim("w", 0)
    catalog.jobs.cancel(left)
    assert catalog.leases.claim("w", 60) is None
    assert catalog.jobs.get(left).state is JobState.CANCELLED
    assert catalog.leases.cancelled(left, "w").state is JobState.CANCELLED
