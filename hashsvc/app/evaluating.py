"""Evaluating a collection: some of its items ask the rest, under its own encoder and the floors beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from hashsvc.domain.kinds import ContentMode
from hashsvc.errors import FailedPrecondition, InvalidArgument

if TYPE_CHECKING:
    from hashsvc.app.store import Store
    from hashsvc.domain.collections import Collection
    from hashsvc.domain.items import StoredItem
    from hashsvc.domain.quality import Evaluation
    from hashsvc.encoders import Encoder
    from hashsvc.evaluate import Material

    OnStage = Callable[[str], None]

PAGE = 1_000
FLOOR = "itq"  # fits the other floors beside it


def evaluate_collection(
    store: Store,
    name: str,
    *,
    label: str | None = None,
    items: int = 20_000,
    queries: int = 1_000,
    k: int = 100,
    oversample: int = 4,
    lengths: Sequence[int] = (),
    pictures: bool = False,
    on_stage: OnStage = lambda _stage: None,
) -> Evaluation:
    """Measure how well a collection's codes find what belongs together, beside floors fitted on the same items.

    Args:
        store: the store, in any role.
        name: the collection; it must keep its items' bytes.
        label: metadata field that says what belongs together; without labels, float neighbours do.
        items: evaluate on at most this many items: ids are hashes of keys, so the first are a random sample.
        queries: hold at most this many of them back as queries.
        k: the k of P@k.
        oversample: length of the short-list that is re-ranked, in multiples of the items wanted.
        lengths: further code lengths of the floors; the collection's own is always among them.
        pictures: whether to make the 2-D picture and the galleries of a report.
        on_stage: told what is being measured.

    Raises:
        FailedPrecondition: the collection has no encoder or keeps no bytes.
        InvalidArgument: an item lacks the label, or there are fewer than two items.
    """
    from hashsvc.evaluate import evaluate, held_back

    collection = store.collection(name)
    if collection.content is not ContentMode.BYTES or collection.encoder is None:
        raise FailedPrecondition(
            f"collection {name!r} keeps {collection.content} of its items, an evaluation needs bytes and an encoder",
            reason="CONTENT_NOT_KEPT",
        )
    on_stage("reading items")
    held = _sample(store, collection, items)
    contents = [store.blobs.get(item.content_hash.hex()) for item in held]
    labels = None if label is None else [_label(item, label) for item in held]
    title = f"Collection {name} under {collection.encoder}"
    material = held_back(title, collection.kind, contents, [item.key for item in held], labels, queries=queries)
    return evaluate(
        store.loaded.get(collection.fingerprint),
        material,
        floors=_floors(material, sorted({collection.bits, *lengths}), on_stage),
        k=k,
        oversample=oversample,
        pictures=pictures,
        on_stage=on_stage,
    )


def _sample(store: Store, collection: Collection, most: int) -> Sequence[StoredItem]:
    found = store.catalog.items.list(collection, limit=min(PAGE, most))
    while found and len(found) < most:
        page = store.catalog.items.list(collection, limit=min(PAGE, most - len(found)), after_id=found[-1].id)
        if not page:
            break
        found.extend(page)
    return found


def _label(item: StoredItem, field: str) -> str:
    value = item.metadata.get(field)
    if value is None:
        raise InvalidArgument(
            f"item {item.key!r} has no metadata field {field!r} to take its label from", field="label"
        )
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _floors(material: Material, lengths: Sequence[int], on_stage: OnStage) -> list[Encoder]:
    """The linear floors at each length, fitted on the items that are asked, never on the queries."""
    from hashsvc.encoders import fit

    found: list[Encoder] = []
    for bits in lengths:
        on_stage(f"fitting the floors at {bits} bits")
        found.extend(fit(material.contents, kind=material.kind, bits=bits, model=FLOOR).candidates.values())
    return found
