"""Dedup: decisions with their witnesses, runs that bundle them, and the limits within which a run may be applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Stage(StrEnum):
    """What showed an item to be a duplicate.

    EXACT: an item before it in the order has the same bytes. NORMALISED: one has the same normal form of its text.
    NEAR: it is within the radius of its witness, and verified. Where its equal was dropped too, the witness is the kept
    item of both.
    """

    EXACT = "exact"
    NORMALISED = "normalised"
    NEAR = "near"


class Mode(StrEnum):
    """What is compared: all items with each other, all with a reference, or new items with all."""

    WITHIN = "within"
    AGAINST = "against"
    INCREMENTAL = "incremental"


class Verify(StrEnum):
    """The second look at a pair within the radius: at the items' content, or none at all."""

    CONTENT = "content"
    NONE = "none"


class RunState(StrEnum):
    """Where a run stands.

    STOPPED: a limit was passed; it is applied only by someone who looked at it and accepts it.
    APPLYING, UNDOING: begun and not ended; the same verb goes on where it stopped.
    """

    DRY = "dry"
    DECIDED = "decided"
    STOPPED = "stopped"
    APPLYING = "applying"
    APPLIED = "applied"
    UNDOING = "undoing"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may do before somebody has to look at it.

    Args:
        share: largest share of the items of one source that may be dropped, 0 to 1.
        cluster: largest number of items in one cluster: a kept item with those dropped for it.
        diameter: largest distance between two items of one cluster; None for twice the radius, which stars keep.
        source_items: sources with fewer items are looked at together, as one.
    """

    share: float = 0.5
    cluster: int = 1_000
    diameter: int | None = None
    source_items: int = 20


@dataclass(frozen=True, slots=True)
class Decision:
    """One item dropped, and why.

    Args:
        witness: key of the kept item that justifies it; an item of the reference in a run against one.
        distance: Hamming distance to the witness.
        score: how alike the two are by the second look, 0 to 1; 1 for equal content and equal normal forms, None where
            the run verified nothing.
        source: where the item came from, as the run grouped its items.
        content_hash: of the item when it was decided on, 32 bytes.
        witness_hash: of the witness then.
        applied: whether the item was deleted or tagged for it, and that was not undone.
    """

    job: int
    id: int
    key: str
    witness_id: int
    witness: str
    stage: Stage
    distance: int
    score: float | None
    source: str = ""
    content_hash: bytes = b""
    witness_hash: bytes = b""
    applied: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """Two items within the radius and how alike they are; ``dropped`` says whether the left was dropped for the right.

    Borderline pairs are those whose score lies near the threshold, on either side.
    """

    left: str
    right: str
    distance: int
    score: float | None
    dropped: bool


@dataclass(frozen=True, slots=True)
class Run:
    """One dedup run: what was asked, and what came of it.

    Args:
        job: number of its job, which is its number too.
        radius: inclusive.
        threshold: least score of a verified pair.
        keep: the keep rule.
        encoder: label of the encoder version; "" for ready codes.
        watermark: sequence number up to which the collection was looked at.
        digest: sha256 (hex) over all decisions, independent of input order, shards and runner.
        summary: counts by stage and source, cluster sizes, distance histogram; JSON.
        reason: why it was STOPPED.
        tag: metadata field that applying set; "" when it deleted.
    """

    job: int
    collection: str
    mode: Mode
    reference: str
    radius: int
    verify: Verify
    threshold: float
    keep: str
    encoder: str
    watermark: int
    items: int
    dropped: int
    digest: str
    state: RunState
    created_at: datetime
    summary: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Applied:
    """What applying or undoing a run did.

    Args:
        changed: items deleted, tagged or brought back.
        skipped: items left alone, by reason: changed since, gone, or without their witness.
    """

    job: int
    state: RunState
    changed: int
    skipped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Advice:
    """One radius and what it finds, with Wilson intervals of 95 %.

    Args:
        recall: share of planted or labelled duplicates that lie within the radius and verify.
        precision: share of true ones among what would be dropped.
        within: pairs within the radius for each item: the work of the second look.
    """

    radius: int
    recall: float
    recall_low: float
    recall_high: float
    precision: float
    precision_low: float
    precision_high: float
    within: float


@dataclass(frozen=True, slots=True)
class Advised:
    """A table of radius against recall and precision, and the radius it speaks for.

    Args:
        source: what was planted, or where labelled pairs came from.
        positives: planted or labelled duplicates.
        lost: of these, how many the second look refuses at any radius.
    """

    radius: int
    target_precision: float
    source: str
    positives: int
    lost: int
    table: tuple[Advice, ...]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a run's clusters agree with the truth.

    Args:
        precision, recall, f1: over pairs of items in one cluster.
        bcubed_precision, bcubed_recall, bcubed_f1: B-cubed, a mean over items (Bagga & Baldwin 1998).
        rand: adjusted Rand index (Hubert & Arabie 1985).
        wrong: pairs in one cluster that the truth keeps apart, the first of them.
        missed: pairs the truth joins and the run does not, the first of them.
    """

    items: int
    true_pairs: int
    found_pairs: int
    precision: float
    recall: float
    f1: float
    bcubed_precision: float
    bcubed_recall: float
    bcubed_f1: float
    rand: float
    wrong: tuple[tuple[str, str], ...] = ()
    missed: tuple[tuple[str, str], ...] = ()
