"""From one encoder version to another: re-encode a collection beside itself, switch in one step, switch back.

A re-encode job copies the items of a collection, from the bytes it keeps, into a second collection under the other
encoder, while the first is searched and written to as ever. A switch brings the second up to the first's last write and
exchanges their names in one transaction. The old collection stays as it was under the other name: switching again is
the way back, and it too brings along what was written since.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from hashsvc import ingest
from hashsvc.app.running import run_now
from hashsvc.catalog import UNIT_TAKEN, UnitProgress
from hashsvc.domain.encoders import check_name
from hashsvc.domain.items import Item
from hashsvc.domain.jobs import Counts, DeadLetter, Job, JobKind, JobState, Unit
from hashsvc.domain.kinds import ContentMode
from hashsvc.errors import Aborted, AlreadyExists, FailedPrecondition, HashsvcError, InvalidArgument, NotFound
from hashsvc.runners import inline

if TYPE_CHECKING:
    from hashsvc.app.gate import Gate
    from hashsvc.app.live import LiveIndexes
    from hashsvc.app.store import Store
    from hashsvc.domain.collections import Collection
    from hashsvc.domain.items import StoredItem
    from hashsvc.runners.lease import Lease
    from hashsvc.runners.progress import OnProgress

UNIT_CHANGES = 500
ATTEMPTS = 50
UNHINDERED = 5
FIELDS = {"collection", "encoder", "into"}


@dataclass(frozen=True, slots=True)
class ReencodeSpec:
    """What a re-encode job was asked to do.

    Args:
        collection: what is copied.
        encoder: label of the version that computes the new codes.
        into: name of the collection that takes them; it is created if need be.
    """

    collection: str
    encoder: str
    into: str

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> ReencodeSpec:
        """The spec of a job row; InvalidArgument names the field that is unknown, missing or of another type."""
        for name in sorted(set(spec) - FIELDS):
            raise InvalidArgument(
                f"a reencode job has no field {name!r}: it has {', '.join(sorted(FIELDS))}", field=name
            )
        for name in ("collection", "encoder"):
            if not isinstance(spec.get(name), str) or not spec[name]:
                raise InvalidArgument(f"a reencode job needs its {name}", field=name)
        into = spec.get("into") or f"{spec['collection']}.{str(spec['encoder']).replace('@', '-')}"
        return cls(check_name(spec["collection"], "collection"), spec["encoder"], check_name(str(into), "into"))


def plan(store: Store, asked: ReencodeSpec, *, request_id: str = "") -> Job:
    """Create the second collection and the job that fills it.

    Raises:
        NotFound: no such collection or encoder.
        FailedPrecondition: the collection does not keep the bytes of its items, or the encoder takes another kind.
        AlreadyExists: the second collection exists under another encoder.
    """
    source, version = store.collection(asked.collection), store.encoder(asked.encoder)
    if source.content is not ContentMode.BYTES:
        raise FailedPrecondition(
            f"collection {source.name!r} keeps {source.content} of its items, not their bytes: ingest it anew",
            field="collection",
            reason="CONTENT_NOT_KEPT",
        )
    if version.spec.kind is not source.kind:
        raise FailedPrecondition(
            f"encoder {version.label} takes {version.spec.kind}, collection {source.name!r} holds {source.kind}",
            field="encoder",
        )
    _target(store, source, version.label, asked.into)
    spec = {**asdict(asked), "encoder": version.label}
    return store.catalog.jobs.create(JobKind.REENCODE, source.name, spec, request_id)


def _target(store: Store, source: Collection, encoder: str, name: str) -> Collection:
    try:
        held = store.collection(name)
    except NotFound:
        return store.create_collection(
            name, encoder=encoder, content=source.content, fields=source.fields, index=source.index
        )
    if held.encoder != encoder:
        raise AlreadyExists(
            f"collection {name!r} exists already, under {held.encoder}: give another name", field="into"
        )
    return held


def work(store: Store, job: Job, lease: Lease, progress: OnProgress | None = None) -> Mapping[str, Any]:
    """Run what is left of a claimed job; its result says up to which write the second collection holds everything."""
    asked = ReencodeSpec.of(job.spec)
    source, target = store.collection(asked.collection), store.collection(asked.into)
    copy = Copy(store, source, target)
    if not job.units:
        job = store.catalog.jobs.plan(job, _cut(source.watermark), lease.worker)
    done = inline.drive(job, store.catalog, lease, copy.run_units, progress)
    return {
        "collection": target.name,
        "from": source.id,
        "to": target.id,
        "watermark": max((int(unit.spec["until"]) for unit in store.catalog.jobs.units(job)), default=0),
        **asdict(done.counts),
    }


def _cut(watermark: int) -> list[dict[str, int]]:
    """Units that cover the sequence numbers up to a watermark."""
    starts = range(0, watermark, UNIT_CHANGES)
    return [{"after": at, "until": min(at + UNIT_CHANGES, watermark)} for at in starts]


def run(store: Store, job: Job, progress: OnProgress | None = None) -> Job:
    """Run a planned job now, in this process; returns it as it ended, and raises what stopped it."""
    return run_now(store.catalog, job, lambda lease: work(store, job, lease, progress))


class Copy:
    """Brings what changed in one collection into another, its codes computed anew. Doing it again is harmless."""

    def __init__(self, store: Store, source: Collection, target: Collection) -> None:
        self._store = store
        self._source = source
        self._target = target
        self._encoder = store.writing_encoder(target)

    def run_units(self, units: Iterable[Unit], *, stop: threading.Event) -> Iterator[Counts]:
        """Copy unit by unit, each with its own transaction."""
        for unit in units:
            if stop.is_set():
                return
            try:
                yield self._part(int(unit.spec["after"]), unit)[0]
            except Aborted as error:
                if error.reason != UNIT_TAKEN:
                    raise

    def catch_up(self, after: int) -> int:
        """Copy every change behind sequence number ``after``; up to which one everything is copied now."""
        more = True
        while more:
            _, after, more = self._part(after, None)
        return after

    def _part(self, after: int, unit: Unit | None) -> tuple[Counts, int, bool]:
        with self._store.blobs.pinned():
            return self._copied(after, unit)

    def _copied(self, after: int, unit: Unit | None) -> tuple[Counts, int, bool]:
        catalog = self._store.catalog
        changes = catalog.items.changes(self._source, after, UNIT_CHANGES)
        last = int(unit.spec["until"]) if unit else changes.watermark
        found = catalog.items.by_ids(self._source, changes.upsert_ids)
        held = sorted((item for item in found.values() if item.sequence <= last), key=lambda item: item.sequence)
        items, letters = self._read(held)
        prepared = ingest.prepare(
            self._target,
            items,
            catalog.items.held(self._target, [item.key for item in items]),
            encoder=self._encoder,
            blobs=self._store.blobs,
        )
        places = {item.key: item for item in held}
        letters += [self._letter(places[items[i].key], error) for i, error in prepared.errors.items()]
        counts = Counts(len(held), len(prepared.rows), len(prepared.unchanged), len(letters))
        gone = [item.key for item in catalog.items.by_ids(self._target, changes.deleted_ids).values()]
        progress = UnitProgress(unit.job, unit.number, counts, letters, unit.worker) if unit else None
        catalog.items.write(self._target, list(prepared.rows.values()), gone, progress=progress)
        return counts, changes.watermark, changes.more

    def _read(self, held: Iterable[StoredItem]) -> tuple[list[Item], list[DeadLetter]]:
        items, letters = [], []
        for item in held:
            try:
                content = self._store.blobs.get(item.content_hash.hex())
            except HashsvcError as error:
                letters.append(self._letter(item, error))
                continue
            items.append(Item(item.key, content, metadata=item.metadata, reference=item.reference))
        return items, letters

    def _letter(self, item: StoredItem, error: HashsvcError) -> DeadLetter:
        return DeadLetter(self._source.name, item.sequence, error.message, item.key)


class Switch:
    """The exchange of two collections' names by the owner of the store, one at a time.

    Args:
        live: the indexes, which answer under the names.
        gate: what every writer of this process passes.
    """

    def __init__(self, store: Store, live: LiveIndexes, gate: Gate) -> None:
        self._store = store
        self._live = live
        self._gate = gate
        self._lock = threading.Lock()

    def exchange(self, name: str, other: str) -> Collection:
        """See :meth:`Service.switch_collection`."""
        with self._lock:
            one, two = self._store.collection(name), self._store.collection(other)
            self._check(one, two)
            after = self._start(one, two)
            copy = None if after is None else Copy(self._store, one, two)
            for attempt in range(ATTEMPTS):
                after = None if copy is None or after is None else copy.catch_up(after)
                # At first writes go on. Where they leave no moment without one, those of this process wait.
                with self._gate.closed() if attempt >= UNHINDERED else nullcontext():
                    after = None if copy is None or after is None else copy.catch_up(after)
                    if self._exchanged(one, two, after):
                        return self._store.collection(name)
        raise Aborted(f"writes to collection {name!r} kept coming between: try again", retry_after=1.0)

    def _exchanged(self, one: Collection, two: Collection, after: int | None) -> bool:
        """Whether the names were exchanged: not when ``one`` is beyond ``after`` by now."""
        self._live.follower(two).catch_up()  # the first search after the switch finds it ready
        try:
            self._store.catalog.collections.exchange(one, two, after)
        except Aborted:
            return False
        self._live.renamed(one.name, two.name)
        return True

    def _check(self, one: Collection, two: Collection) -> None:
        if one.id == two.id:
            raise InvalidArgument("a collection cannot be switched with itself: name another", field="other")
        if one.kind is not two.kind:
            raise FailedPrecondition(
                f"collection {one.name!r} holds {one.kind}, {two.name!r} {two.kind}: they cannot stand for each other",
                field="other",
            )
        for job in self._tied(one, two):
            if not job.state.final:
                raise FailedPrecondition(
                    f"job {job.id} still copies one into the other: wait for it, or cancel it", field="other"
                )

    def _start(self, one: Collection, two: Collection) -> int | None:
        """The write of ``one`` up to which ``two`` holds everything; None where no job ever tied them."""
        marks = [0 for job in self._tied(one, two) if job.state is JobState.DONE]
        marks += [
            int(job.result["watermark"])
            for job in self._tied(one, two)
            if job.state is JobState.DONE and job.result.get("from") == one.id
        ]
        return max(marks, default=None)

    def _tied(self, one: Collection, two: Collection) -> list[Job]:
        pair = {one.id, two.id}
        names = {one.name, two.name}
        return [
            job
            for job in self._store.jobs()
            if job.kind is JobKind.REENCODE
            and (
                {job.result.get("from"), job.result.get("to")} == pair
                if job.state.final
                else {job.collection, job.spec.get("into")} == names
            )
        ]
