"""Two collections exchange their names in one step, which is how a collection changes its encoder, and changes it back.

A switch brings the second up to the first's last write and exchanges their names in one transaction. The old collection
stays as it was under the other name: switching again is the way back, and it too brings along what was written since.
"""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING

from hashsvc.app.copying import Copy
from hashsvc.domain.jobs import Job, JobKind, JobState
from hashsvc.errors import Aborted, FailedPrecondition, InvalidArgument

if TYPE_CHECKING:
    from hashsvc.app.gate import Gate
    from hashsvc.app.live import LiveIndexes
    from hashsvc.app.store import Store
    from hashsvc.domain.collections import Collection

ATTEMPTS = 50
UNHINDERED = 5


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
