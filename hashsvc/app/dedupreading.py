"""What is made from a dedup run besides its decisions: the report, radius advice, and agreement with the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hashsvc.codes import hamming
from hashsvc.dedup.advice import advised, labelled, sample, sketched
from hashsvc.dedup.edits import Strength
from hashsvc.dedup.listing import paged
from hashsvc.dedup.measures import agreement, from_pairs
from hashsvc.dedup.sketches import THRESHOLDS, Look, look_of
from hashsvc.domain.dedup import Decision, Pair, RunState, Stage, Verify
from hashsvc.domain.dedupreport import DedupReport, ShownPair
from hashsvc.domain.kinds import ContentMode
from hashsvc.errors import FailedPrecondition, HashsvcError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hashsvc.app.store import Store
    from hashsvc.domain.collections import Collection
    from hashsvc.domain.dedup import Advised, Agreement, Run
    from hashsvc.domain.dedupservice import DedupService

SHOWN = 24
PAGE = 1_000


def every_decision(verbs: DedupService, job: int) -> Iterator[Decision]:
    """All decisions of a run, in order of id."""
    page = verbs.decisions(job, limit=PAGE)
    while page:
        yield from page
        page = verbs.decisions(job, after=page[-1].id, limit=PAGE)


def decided(verbs: DedupService, job: int) -> Run:
    """A run with its decisions; NotFound, or FailedPrecondition where it was dry and wrote none."""
    run = verbs.run(job)
    if run.state is RunState.DRY:
        raise FailedPrecondition(
            f"run {job} was dry and wrote no decisions: run again without --dry-run, which deletes nothing either",
            reason="RUN_STATE",
            field="job",
        )
    return run


def evaluated(
    verbs: DedupService, job: int, *, pairs: Sequence[tuple[str, str]] = (), clusters: Mapping[str, str] | None = None
) -> Agreement:
    """How the clusters of a run agree with labelled pairs, or with labelled clusters.

    Raises:
        NotFound: no such run.
        FailedPrecondition: it was dry.
    """
    run = decided(verbs, job)
    found: dict[str, str] = {}
    for one in every_decision(verbs, job):
        found[one.key] = found[one.witness] = one.witness
    return agreement(found, from_pairs(pairs) if clusters is None else clusters, run.items)


def advise(
    store: Store,
    name: str,
    *,
    target: float,
    items: int = 1_000,
    strength: Strength = Strength.MEDIUM,
    verify: Verify = Verify.CONTENT,
    threshold: float | None = None,
    pairs: Sequence[tuple[str, str, bool]] = (),
) -> Advised:
    """A table of radius against recall and precision, from planted edits or from labelled pairs (left, right, same).

    Raises:
        NotFound: the collection, or a labelled key.
        FailedPrecondition: there are no bytes to plant edits in, or too few items.
    """
    collection = store.collection(name)
    look = look_of(collection, verify)
    least = THRESHOLDS[look] if threshold is None else threshold
    if pairs:
        return _from_pairs(store, collection, pairs, look=look, threshold=least, target=target)
    held = [item for item, _ in zip(paged(store.catalog, collection), range(items), strict=False)]
    contents = sample(collection, held, store.blobs, items)
    encoder = store.loaded.get(collection.fingerprint)
    return advised(contents, encoder, look=look, threshold=least, target=target, strength=strength)


def _from_pairs(
    store: Store,
    collection: Collection,
    pairs: Sequence[tuple[str, str, bool]],
    *,
    look: Look,
    threshold: float,
    target: float,
) -> Advised:
    keys = list(dict.fromkeys(key for one, other, _ in pairs for key in (one, other)))
    held = store.catalog.items.get(collection, keys)
    codes = np.frombuffer(b"".join(item.code for item in held), np.uint8).reshape(len(held), -1)
    place = {key: number for number, key in enumerate(keys)}
    left = np.array([place[one] for one, _, _ in pairs], np.int64)
    right = np.array([place[other] for _, other, _ in pairs], np.int64)
    passes = np.ones(len(pairs), bool)
    if look is Look.FEATURES:
        raise FailedPrecondition("labelled pairs are verified by bytes: this collection keeps features", field="pairs")
    if look is not Look.NONE:
        sketches = sketched(look, [store.blobs.get(item.content_hash.hex()) for item in held])
        assert sketches is not None
        passes = sketches.scores(left, right) >= threshold
    same = np.array([pair[2] for pair in pairs], bool)
    return labelled(hamming(codes[left], codes[right]).astype(np.int64), passes, same, collection.bits, target)


def reported(store: Store, job: int, shown: int = SHOWN) -> DedupReport:
    """The report of a run, with pairs to look at."""
    run = store.dedup.run(job)
    collection = store.collection(run.collection)
    near = [one for one in every_decision(store.dedup, job) if one.stage is not Stage.EXACT]
    step = max(1, len(near) // shown)
    hashes = {key: held for one in near for key, held in ((one.key, one.content_hash), (one.witness, one.witness_hash))}
    sample = [Pair(one.key, one.witness, one.distance, one.score, True) for one in near[::step][:shown]]
    border = store.dedup.pairs(job, limit=shown)
    missing = {key for pair in border for key in (pair.left, pair.right)} - hashes.keys()
    hashes |= {key: item.content_hash for key, item in store.catalog.items.held(collection, missing).items()}
    kept = collection.content is ContentMode.BYTES
    return DedupReport(
        run,
        collection.kind,
        [_shown(store, pair, hashes if kept else {}) for pair in sample],
        [_shown(store, pair, hashes if kept else {}) for pair in border],
    )


def _shown(store: Store, pair: Pair, hashes: Mapping[str, bytes]) -> ShownPair:
    return ShownPair(pair, _content(store, hashes.get(pair.left)), _content(store, hashes.get(pair.right)))


def _content(store: Store, held: bytes | None) -> bytes | None:
    if held is None:
        return None
    try:
        return store.blobs.get(held.hex())
    except HashsvcError:
        return None
