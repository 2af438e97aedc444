"""A ledger of dedup without a run, for servers over a store in memory."""

from __future__ import annotations

from typing import NoReturn

from hashsvc.domain.dedup import Applied, Decision, Pair, Run
from hashsvc.errors import NotFound


class EmptyLedger:
    """Knows no run and no mark."""

    def run(self, job: int) -> Run:
        return self._none(job)

    def runs(self, collection: str = "", *, before: int | None = None, limit: int | None = None) -> list[Run]:
        return []

    def why(self, collection: str, key: str) -> list[Decision]:
        return []

    def decisions(self, job: int, *, after: int = -1, limit: int = 1_000) -> list[Decision]:
        return self._none(job)

    def pairs(self, job: int, *, low: float | None = None, high: float | None = None, limit: int = 100) -> list[Pair]:
        return self._none(job)

    def mark(self, collection: str, one: str, other: str, *, remove: bool = False) -> bool:
        return not remove

    def apply(self, job: int, *, tag: str = "", accept: bool = False) -> Applied:
        return self._none(job)

    def undo(self, job: int) -> Applied:
        return self._none(job)

    def _none(self, job: int) -> NoReturn:
        raise NotFound(f"no dedup run {job}", field="job")
