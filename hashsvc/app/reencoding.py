"""Re-encode jobs: the items of a collection, from the bytes it keeps, copied into a second one under another encoder.

Meanwhile the first is searched and written to as ever; :mod:`hashsvc.app.switching` puts the second in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from hashsvc.app.copying import UNIT_CHANGES, Copy
from hashsvc.app.running import run_now
from hashsvc.domain.encoders import check_name
from hashsvc.domain.jobs import Job, JobKind
from hashsvc.domain.kinds import ContentMode
from hashsvc.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from hashsvc.runners import inline

if TYPE_CHECKING:
    from hashsvc.app.store import Store
    from hashsvc.domain.collections import Collection
    from hashsvc.runners.lease import Lease
    from hashsvc.runners.progress import OnProgress

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
