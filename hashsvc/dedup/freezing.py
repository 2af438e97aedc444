"""The first stage of a run: freeze what the collection holds, and settle the radius."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.dedup.advice import advised, sample
from hashsvc.dedup.listing import Listing, listed, paged
from hashsvc.dedup.order import field_of
from hashsvc.dedup.sketches import THRESHOLDS, Look, look_of
from hashsvc.errors import FailedPrecondition

if TYPE_CHECKING:
    from hashsvc.dedup.bench import Bench
    from hashsvc.domain.dedup import Advised
    from hashsvc.domain.items import StoredItem


def frozen(bench: Bench) -> Listing:
    """The items of a run as they stand now, with what is to be done with them: its facts.

    Raises:
        FailedPrecondition: there is nothing to verify pairs by, to take an advice from, or to order items by.
    """
    spec = bench.spec
    _check_pair(bench)
    look = look_of(bench.collection, spec.verify)
    threshold = THRESHOLDS[look] if spec.threshold is None else spec.threshold
    now = bench.catalog.collections.get(bench.collection.name).watermark
    own = _own(bench, now)
    _check_fields(bench, own)
    listing = _listed(bench, own)
    advice = _advice(bench, own, look, threshold)
    radius = spec.radius if advice is None else advice.radius
    assert radius is not None
    listing.facts.update(
        look=str(look),
        radius=radius,
        threshold=threshold,
        watermark=now,
        advice=None if advice is None else advice.document(),
    )
    return _near(bench, listing, radius)


def _own(bench: Bench, now: int) -> list[StoredItem]:
    """Items written up to now; in an incremental run without those that an earlier one dropped."""
    gone = bench.catalog.dedup.dropped(bench.collection) if bench.spec.incremental else {}
    return [
        item
        for item in paged(bench.catalog, bench.collection)
        if item.sequence <= now and gone.get(item.id) != item.content_hash
    ]


def _check_fields(bench: Bench, own: Sequence[StoredItem]) -> None:
    """A field that no item has is a slip of the pen: nobody means to order or group by it."""
    for option, name in (("keep", field_of(bench.spec.keep)), ("source", bench.spec.source)):
        if name and own and not any(name in item.metadata for item in own):
            raise FailedPrecondition(
                f"no item of {bench.collection.name!r} has a metadata field {name!r}, which {option} names",
                reason="NO_SUCH_FIELD",
                field=option,
            )


def _listed(bench: Bench, own: Sequence[StoredItem]) -> Listing:
    covered = bench.catalog.dedup.covered(bench.collection) if bench.spec.incremental else 0
    reference: Iterable[StoredItem] = () if bench.reference is None else paged(bench.catalog, bench.reference)
    return listed(bench.spec, own, reference, bench.collection.bits // 8, lambda item: item.sequence <= covered)


def _advice(bench: Bench, own: Sequence[StoredItem], look: Look, threshold: float) -> Advised | None:
    spec = bench.spec
    if spec.radius is not None:
        return None
    contents = sample(bench.collection, own, bench.blobs, spec.sample)
    return advised(contents, bench.encoder(), look=look, threshold=threshold, target=spec.target_precision)


def _check_pair(bench: Bench) -> None:
    other = bench.reference
    if other is None:
        return
    if (other.fingerprint, other.bits, other.kind) != (
        bench.collection.fingerprint,
        bench.collection.bits,
        bench.collection.kind,
    ):
        raise FailedPrecondition(
            f"collections {bench.collection.name!r} and {other.name!r} are under different encoders: their codes "
            "cannot be compared",
            reason="ENCODER_DIFFERS",
            field="reference",
        )
    if other.content is not bench.collection.content:
        raise FailedPrecondition(
            f"{bench.collection.name!r} keeps {bench.collection.content}, {other.name!r} {other.content}: pairs of the "
            "two cannot be verified",
            reason="CONTENT_NOT_KEPT",
            field="reference",
        )


def _near(bench: Bench, listing: Listing, radius: int) -> Listing:
    """Without the given items that no other lies near: nothing depends on them."""
    given, fresh = np.flatnonzero(listing.given), np.flatnonzero(~listing.given)
    if not len(given):
        return listing
    wanted = ~listing.given
    for _, right, _ in bench.join(listing.codes[fresh], listing.codes[given], radius):
        wanted[given[right]] = True
    return listing.take(np.flatnonzero(wanted))
