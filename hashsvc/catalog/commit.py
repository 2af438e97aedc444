"""What a write is told, and what a reader of the sequence log gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hashsvc.domain.items import Outcome
from hashsvc.domain.jobs import Counts, DeadLetter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hashsvc.domain.items import Row

UNIT_TAKEN = "UNIT_TAKEN"
"""Reason of the refusal of a write whose unit is done already, or was claimed by another worker."""


@dataclass(frozen=True, slots=True)
class Commit:
    """Acknowledgement of one write: it is durable.

    Args:
        outcomes: one for each upsert, then one for each delete.
        ids: ``int64[n]``, ids of the same (for an absent key the id it would have).
        before: the collection's sequence number just before this write.
        watermark: the collection's sequence number after it; ``watermark - before`` rows changed.
        replayed: the request_id was known: this is the acknowledgement of the first time.
    """

    outcomes: tuple[Outcome, ...]
    ids: NDArray[np.int64]
    before: int
    watermark: int
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Novelty:
    """Which rows of a write are not to be stored, decided outside the transaction.

    Args:
        radius: what the caller asked for.
        known: id of the witness, by the position of the row it stands against.
        watermark: the state that was looked at: the write is Aborted when the collection moved on.
    """

    radius: int
    known: Mapping[int, int]
    watermark: int


@dataclass(frozen=True, slots=True)
class Changes:
    """One part of the sequence log.

    Args:
        upsert_ids: ``int64[n]``.
        upsert_codes: ``uint8[n, bits/8]``.
        deleted_ids: ``int64[m]``; none of them is among the upserts.
        watermark: the log is covered up to here.
        more: there is more behind it.
    """

    upsert_ids: NDArray[np.int64]
    upsert_codes: NDArray[np.uint8]
    deleted_ids: NDArray[np.int64]
    watermark: int
    more: bool


@dataclass(frozen=True, slots=True)
class UnitKeys:
    """Keys that the rows of a unit brought, which rows of other units of the job may bring again.

    Args:
        file: what the unit read, as its dead letters name it.
        rows: row in the file by key, of every row that is to be stored or is unchanged.
        unchanged: the rows that are held already as they are, by key.
    """

    file: str
    rows: Mapping[str, int]
    unchanged: Mapping[str, Row]


@dataclass(frozen=True, slots=True)
class UnitProgress:
    """A unit finished by a write: its counts and dead letters become durable with the rows.

    Args:
        worker: who claimed it; the write of anybody else is refused.
        keys: those that its rows brought; None where keys cannot occur twice in a job.
    """

    job: int
    unit: int
    counts: Counts
    dead_letters: Sequence[DeadLetter] = field(default=())
    worker: str = ""
    keys: UnitKeys | None = None
