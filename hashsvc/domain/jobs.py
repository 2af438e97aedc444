"""Jobs: one piece of long work as a row; units: its resumable parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

READS_ON = "; a retry reads on from here"

TWICE = "occurs twice"


class JobKind(StrEnum):
    """What a job does."""

    TRAIN = "train"
    INGEST = "ingest"
    REENCODE = "reencode"
    DEDUP = "dedup"


class JobState(StrEnum):
    """Where a job stands; the last three are final."""

    PLANNED = "planned"
    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing will change any more."""
        return self in {JobState.DONE, JobState.FAILED, JobState.CANCELLED}


class Runner(StrEnum):
    """Who runs the units of a job: this process, spawned ones on this machine, or actors of a Ray cluster."""

    INLINE = "inline"
    PROCESSES = "processes"
    RAY = "ray"


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened to the rows of a job: ``read == stored + unchanged + dead``."""

    read: int = 0
    stored: int = 0
    unchanged: int = 0
    dead: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.read + other.read,
            self.stored + other.stored,
            self.unchanged + other.unchanged,
            self.dead + other.dead,
        )


@dataclass(frozen=True, slots=True)
class Unit:
    """One resumable part of a job; ``spec`` says which files or rows it covers, ``worker`` who claimed it last."""

    job: int
    number: int
    spec: Mapping[str, Any]
    done: bool = False
    counts: Counts = field(default_factory=Counts)
    worker: str = ""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One row that could not be stored: where it stands and why.

    Args:
        id: larger than that of every letter stored before it; 0 for one that is not stored.
    """

    source: str
    row: int
    reason: str
    key: str | None = None
    unit: int = 0
    id: int = field(default=0, compare=False)

    @property
    def rest(self) -> bool:
        """Whether its file could be read up to this row only: a retry takes this row and all behind it."""
        return self.reason.endswith(READS_ON)


def twice(key: str) -> str:
    """Why the later of two rows with one key is not stored."""
    return f"key {key!r} {TWICE}: give each item its own"


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of long work.

    Args:
        spec: what to do, JSON; its shape depends on the kind.
        result: what came of it, JSON; empty until DONE.
        error: why it FAILED, one line.
        units: number of units planned; ``units_done`` of them are finished.
    """

    id: int
    kind: JobKind
    collection: str
    spec: Mapping[str, Any]
    state: JobState
    created_at: datetime
    finished_at: datetime | None = None
    counts: Counts = field(default_factory=Counts)
    units: int = 0
    units_done: int = 0
    result: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
