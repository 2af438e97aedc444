"""The verbs on dedup runs that a store in this process and a client of a server both offer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hashsvc.domain.dedup import Applied, Decision, Pair, Run


class DedupService(Protocol):
    """What a caller can do with runs; a run is made by a job of kind DEDUP and has its number."""

    def run(self, job: int) -> Run:
        """One run; NotFound."""
        ...

    def runs(self, collection: str = "", *, before: int | None = None, limit: int | None = None) -> list[Run]:
        """The runs of a collection, or of all, newest first; those of older jobs than ``before``, at most ``limit``."""
        ...

    def why(self, collection: str, key: str) -> list[Decision]:
        """Every decision to drop this item, newest first; NotFound when there is none and no such item."""
        ...

    def decisions(self, job: int, *, after: int = -1, limit: int = 1_000) -> list[Decision]:
        """At most ``limit`` decisions of a run in order of id, behind ``after``."""
        ...

    def pairs(self, job: int, *, low: float | None = None, high: float | None = None, limit: int = 100) -> list[Pair]:
        """Pairs within the radius whose score lies in ``low`` to ``high``, the best first.

        By default those within .1 of the threshold, on either side: the borderline. Where there are more than
        ``limit``, those whose score lies nearest to the threshold.
        """
        ...

    def mark(self, collection: str, one: str, other: str, *, remove: bool = False) -> bool:
        """Remember that two keys are no duplicates, or forget it again; whether that changed anything.

        Raises:
            NotFound: a key that the collection does not hold and no run of it names.
        """
        ...

    def apply(self, job: int, *, tag: str = "", accept: bool = False) -> Applied:
        """Delete the dropped items of a run, or write the key of the witness into their metadata field ``tag``.

        An item stays when it changed since, or when its witness is no longer what it was. Called again it goes on
        where it stopped.

        Args:
            job: the run.
            tag: "" deletes.
            accept: also for a run that stopped at a limit.

        Raises:
            FailedPrecondition: the run stopped at a limit, was undone, or is applied already.
        """
        ...

    def undo(self, job: int) -> Applied:
        """Bring back what applying a run took away, and let its decisions count no more."""
        ...
