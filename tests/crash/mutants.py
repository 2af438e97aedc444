"""Servers with one promise broken: the harness has to notice each of them."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from sqlalchemy import select, update

from hashsvc.catalog import Commit, grouping
from hashsvc.catalog.tables import collections
from hashsvc.catalog.write import Write
from hashsvc.catalog.writing import perform
from hashsvc.index import snapshot

HESITATE_S = 0.03


def acknowledge_before_commit() -> None:
    """The answer goes out while the transaction is still open."""

    def together(self: Any, group: list[Any]) -> None:
        def later() -> None:
            with self._database.writing() as connection:
                answers = perform(self._database, connection, [ticket.write for ticket in group])
                for ticket, answer in zip(group, answers, strict=True):
                    ticket.commit = answer
                answered.set()
                time.sleep(HESITATE_S)

        answered = threading.Event()
        threading.Thread(target=later).start()
        answered.wait()

    grouping.Writers._together = together  # type: ignore[method-assign]


def sequence_out_of_commit_order() -> None:
    """Sequence numbers are handed out before the transaction begins, as a database sequence does."""
    lock = threading.Lock()
    handed: dict[int, int] = defaultdict(int)

    def submit(self: Any, write: Write) -> Any:
        number = write.collection.id
        row = collections.c.id == number
        with lock, self._database.reading() as connection:
            held = connection.execute(select(collections.c.watermark).where(row)).scalar_one()
            start = max(handed[number], held)
            handed[number] = start + write.size
        time.sleep(random.random() * HESITATE_S)
        with self._database.writing() as connection:
            held = connection.execute(select(collections.c.watermark).where(row)).scalar_one()
            connection.execute(update(collections).where(row).values(watermark=start))
            [commit] = perform(self._database, connection, [write])
            assert isinstance(commit, Commit)
            highest = max(held, commit.watermark)
            connection.execute(update(collections).where(row).values(watermark=highest))
        return commit

    grouping.Writers.submit = submit  # type: ignore[method-assign]


def checksum_ignored() -> None:
    """Snapshots are used without looking at their checksums."""
    vars(snapshot)["verify_files"] = lambda *_: None


MUTANTS: dict[str, Callable[[], None]] = {
    "acknowledge-before-commit": acknowledge_before_commit,
    "sequence-out-of-commit-order": sequence_out_of_commit_order,
    "checksum-ignored": checksum_ignored,
}
