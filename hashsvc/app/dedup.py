"""Dedup over a store: jobs that decide, and the verbs that look at, apply and undo what they decided."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

from hashsvc.app.running import Hands, run_now, share_out
from hashsvc.dedup.bench import Bench
from hashsvc.dedup.scratch import Scratch
from hashsvc.dedup.sketches import look_of
from hashsvc.dedup.spec import DedupSpec
from hashsvc.dedup.unit import LIST
from hashsvc.domain.dedup import Applied, RunState
from hashsvc.domain.items import check_key
from hashsvc.domain.jobs import Job, JobKind, JobState, Runner
from hashsvc.domain.metadata import check_field_name
from hashsvc.errors import FailedPrecondition, InvalidArgument
from hashsvc.index.selfjoin import join, self_join
from hashsvc.runners import inline

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from hashsvc.app.layout import Layout
    from hashsvc.app.store import Store
    from hashsvc.dedup.candidates import Pairs
    from hashsvc.domain.collections import Collection
    from hashsvc.domain.dedup import Decision, Pair, Run
    from hashsvc.runners.lease import Lease
    from hashsvc.runners.progress import OnProgress
    from hashsvc.settings import Settings

THREADS = 2
LOOK = (
    "Look at it with `hashsvc dedup report {0} FILE`; then accept it with `hashsvc dedup apply {0} --accept`, or run "
    "again with other limits"
)
PAIRS = 100
NEAR = 0.1


def plan(store: Store, spec: DedupSpec, *, request_id: str = "", resume: bool = False) -> Job:
    """Create a dedup job, or with ``resume`` find the unfinished one that was asked the same.

    Raises:
        NotFound: the collection or the reference.
        InvalidArgument: the radius is beyond the bits of a code.
        FailedPrecondition: the collection keeps nothing to verify pairs by.
    """
    collection = store.collection(spec.collection)
    look_of(collection, spec.verify)
    if spec.radius is not None and spec.radius > collection.bits:
        raise InvalidArgument(f"radius must be 0 to {collection.bits}, not {spec.radius}", field="radius")
    if spec.reference:
        store.collection(spec.reference)
    if resume and (held := _unfinished(store, spec)) is not None:
        return held
    job = store.catalog.jobs.create(JobKind.DEDUP, spec.collection, spec.as_json(), request_id)
    return store.catalog.jobs.plan(job, [LIST])


def _unfinished(store: Store, spec: DedupSpec) -> Job | None:
    asked = spec.as_json()
    for job in store.jobs():
        same = job.kind is JobKind.DEDUP and dict(job.spec) == asked
        if same and job.state in {JobState.PLANNED, JobState.RUNNING}:
            return job
    return None


def run(store: Store, spec: DedupSpec, hands: Hands | None = None, progress: OnProgress | None = None) -> Run:
    """Decide now, as a job of this process; an unfinished job that was asked the same is gone on with.

    Raises:
        FailedPrecondition: a limit is passed (LIMIT_EXCEEDED; the run can be looked at), or another worker has the job.
        HashsvcError: what stopped the job, which is then settled as failed.
    """
    job = plan(store, spec, resume=True)
    run_now(store.catalog, job, lambda lease: work(store, store.job(job.id), lease, hands, progress))
    return store.catalog.dedup.run(job.id)


def work(
    store: Store, job: Job, lease: Lease, hands: Hands | None = None, progress: OnProgress | None = None
) -> Mapping[str, Any]:
    """Run what is left of a claimed job; its result.

    Raises:
        FailedPrecondition: a limit is passed (LIMIT_EXCEEDED): the run is kept to be looked at, nothing is applied.
    """
    hands = hands or Hands()
    if not job.units:
        job = store.catalog.jobs.plan(job, [LIST], lease.worker)
    if hands.runner is Runner.INLINE:
        inline.drive(job, store.catalog, lease, bench_of(store, job).run_units, progress)
    else:
        opened = partial(open_bench, store.layout, store.settings, job.id)
        share_out(job, store.catalog, opened, lease, hands=hands, progress=progress)
    if not lease.going():
        return {}
    decided = store.catalog.dedup.run(job.id)
    scratch(store.layout, job.id).remove()
    if decided.state is RunState.STOPPED:
        raise FailedPrecondition(
            f"run {job.id} stopped before anything was applied: {decided.reason}. {LOOK.format(job.id)}",
            reason="LIMIT_EXCEEDED",
            field="limits",
        )
    return {
        "run": decided.job,
        "items": decided.items,
        "dropped": decided.dropped,
        "radius": decided.radius,
        "digest": decided.digest,
        "state": str(decided.state),
    }


def scratch(layout: Layout, job: int) -> Scratch:
    """Where the units of a job hand things to each other."""
    return Scratch(layout.folder / "dedup" / str(job))


def bench_of(store: Store, job: Job) -> Bench:
    """What the units of a dedup job are worked with."""
    spec = DedupSpec.of(job.spec)
    collection = store.collection(job.collection)
    reference = store.collection(spec.reference) if spec.reference else None
    return Bench(
        store.catalog,
        store.blobs,
        collection,
        reference,
        partial(store.loaded.get, collection.fingerprint),
        spec,
        job.id,
        scratch(store.layout, job.id),
        partial(_join, store.settings),
        partial(_self_join, store.settings),
    )


def _join(settings: Settings, codes: NDArray[np.uint8], others: NDArray[np.uint8], radius: int) -> Pairs:
    return join(codes, others, radius, THREADS, settings.kernel_cache, device=_device(settings))


def _self_join(settings: Settings, codes: NDArray[np.uint8], radius: int) -> Pairs:
    return self_join(codes, radius, THREADS, settings.kernel_cache, device=_device(settings))


def _device(settings: Settings) -> str:
    """A device besides the processor, which the joins use anyway."""
    return "" if settings.device == "cpu" else settings.device


def open_bench(layout: Layout, settings: Settings, number: int) -> Bench:
    """The bench of a job in a process of its own, which stands beside the owner of the store as a worker."""
    from hashsvc.app.store import Store

    store = Store(layout, settings, role="worker", address="", eager=False)
    return bench_of(store, store.job(number))


class DedupVerbs:
    """The verbs of :class:`hashsvc.domain.dedupservice.DedupService` over a store.

    Args:
        store: in any role.
        changed: told of a collection after its items were changed, for the live index.
    """

    def __init__(self, store: Store, changed: Callable[[Collection], None]) -> None:
        self._store = store
        self._changed = changed
        self._ledger = store.catalog.dedup

    def run(self, job: int) -> Run:
        """See :meth:`DedupService.run`."""
        return self._ledger.run(job)

    def runs(self, collection: str = "", *, before: int | None = None, limit: int | None = None) -> list[Run]:
        """See :meth:`DedupService.runs`."""
        held = self._store.collection(collection) if collection else None
        return self._ledger.runs(held, before=before, limit=limit)

    def why(self, collection: str, key: str) -> list[Decision]:
        """See :meth:`DedupService.why`."""
        held = self._store.collection(collection)
        found = self._ledger.why(held, check_key(key))
        if not found:
            self._store.catalog.items.get(held, [key])  # NotFound where there is no such item either
        return found

    def decisions(self, job: int, *, after: int = -1, limit: int = 1_000) -> list[Decision]:
        """See :meth:`DedupService.decisions`."""
        self._ledger.run(job)
        if limit < 1:
            raise InvalidArgument(f"limit must be positive, not {limit}", field="limit")
        return self._ledger.decisions(job, after=after, limit=limit)

    def pairs(self, job: int, *, low: float | None = None, high: float | None = None, limit: int = PAIRS) -> list[Pair]:
        """See :meth:`DedupService.pairs`."""
        threshold = self._ledger.run(job).threshold
        if limit < 1:
            raise InvalidArgument(f"limit must be positive, not {limit}", field="limit")
        if low is None and high is None:
            low, high = threshold - NEAR, threshold + NEAR
        low, high = 0.0 if low is None else low, 1.0 if high is None else high
        if not low <= high:
            raise InvalidArgument(f"no score lies in {low:g} to {high:g}: the least comes first", field="low")
        return self._ledger.pairs(job, low=low, high=high, threshold=threshold, limit=limit)

    def mark(self, collection: str, one: str, other: str, *, remove: bool = False) -> bool:
        """See :meth:`DedupService.mark`."""
        held = self._store.collection(collection)
        keys = (check_key(one, "one"), check_key(other, "other"))
        if remove:
            return self._ledger.unmark(held, *keys)
        for key in keys:
            if not self._ledger.mentions(held, key):
                self._store.catalog.items.get(held, [key])  # NotFound: a slip of the pen would be remembered in vain
        return self._ledger.mark(held, *keys)

    def apply(self, job: int, *, tag: str = "", accept: bool = False) -> Applied:
        """See :meth:`DedupService.apply`."""
        if tag:
            check_field_name(tag, "tag")
        ledger = self._store.catalog.ledger
        collection = self._store.collection(self._ledger.run(job).collection)
        ledger.begin(job, RunState.APPLYING, tag=tag, accept=accept)
        return self._walk(job, collection, ledger.apply, RunState.APPLIED)

    def undo(self, job: int) -> Applied:
        """See :meth:`DedupService.undo`."""
        ledger = self._store.catalog.ledger
        collection = self._store.collection(self._ledger.run(job).collection)
        ledger.begin(job, RunState.UNDOING)
        return self._walk(job, collection, ledger.undo, RunState.UNDONE)

    def _walk(self, job: int, collection: Collection, step: Callable[..., Any], end: RunState) -> Applied:
        after, changed, skipped = -1, 0, Counter[str]()
        try:
            while (done := step(collection, job, after)).last is not None:
                after, changed = done.last, changed + done.changed
                skipped += done.skipped
        finally:
            if changed:
                self._changed(collection)
        self._store.catalog.ledger.end(job, end)
        return Applied(job, end, changed, dict(skipped))
