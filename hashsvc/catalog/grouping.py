"""Group commit: many small writes share one durable commit.

A durable commit costs one sync of the disk, some milliseconds. While one is under way, the writes that arrive wait in
line; the first of them then commits all of them together. A lone write never waits for company, and no thread of our
own is needed: the first in line does the work of the others.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hashsvc.catalog.database import SQLITE
from hashsvc.catalog.write import Write
from hashsvc.catalog.writing import perform
from hashsvc.errors import Aborted, HashsvcError, Internal, ResourceExhausted, Unavailable
from hashsvc.failpoints import reach

if TYPE_CHECKING:
    from hashsvc.catalog.commit import Commit
    from hashsvc.catalog.database import Database

GROUP_WRITES = 256
GROUP_ROWS = 5_000
EVERY = 0


@dataclass(slots=True, eq=False)
class _Ticket:
    """A write in line: ``turn`` is set when it is done or when it is its turn to lead."""

    write: Write
    turn: threading.Event = field(default_factory=threading.Event)
    commit: Commit | None = None
    error: BaseException | None = None

    @property
    def done(self) -> bool:
        return self.commit is not None or self.error is not None


@dataclass(slots=True, eq=False)
class _Lane:
    """A line of writes that commit one group after another."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    waiting: deque[_Ticket] = field(default_factory=deque)
    led: bool = False


class Writers:
    """The writers of one process: on SQLite, which has one writer, one lane for all; elsewhere one a collection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._lanes: dict[int, _Lane] = {}

    def submit(self, write: Write) -> Commit:
        """Do a write and wait until it is durable; raises what :func:`perform` raises, or the database's error."""
        lane = self._lane(write)
        ticket = _Ticket(write)
        with lane.lock:
            lane.waiting.append(ticket)
            if not lane.led:
                lane.led = True
                ticket.turn.set()
        try:
            ticket.turn.wait()
        except BaseException:
            self._leave(lane, ticket)
            raise
        if not ticket.done:
            self._lead(lane)
        if ticket.commit is None:
            raise ticket.error or Internal("a write was neither done nor refused")
        return ticket.commit

    def _leave(self, lane: _Lane, ticket: _Ticket) -> None:
        """Give up waiting: nobody may be handed the lane who has gone."""
        with lane.lock:
            if ticket not in lane.waiting:
                return
            lane.waiting.remove(ticket)
            if ticket.turn.is_set():
                lane.led = bool(lane.waiting)
                if lane.waiting:
                    lane.waiting[0].turn.set()

    def _lane(self, write: Write) -> _Lane:
        number = EVERY if self._database.dialect == SQLITE else write.collection.id
        with self._lock:
            return self._lanes.setdefault(number, _Lane())

    def _lead(self, lane: _Lane) -> None:
        """Commit a group whose first write is the caller's, then hand the lane on."""
        with lane.lock:
            group = _group(lane.waiting)
        try:
            self._commit(group)
        finally:
            with lane.lock:
                following = lane.waiting[0] if lane.waiting else None
                lane.led = following is not None
            for ticket in group:
                ticket.turn.set()
            if following is not None:
                following.turn.set()

    def _commit(self, group: list[_Ticket]) -> None:
        try:
            self._together(group)
        except (Unavailable, ResourceExhausted, Aborted) as error:
            for ticket in group:
                ticket.error = error
        except Exception as error:
            # One of them upsets the database and undid them all: each on its own, so that it fails alone.
            if len(group) == 1:
                group[0].error = error
                return
            for ticket in group:
                ticket.error = None
                self._commit([ticket])
        except BaseException as error:
            for ticket in group:
                ticket.error = error
            raise

    def _together(self, group: list[_Ticket]) -> None:
        with self._database.writing() as connection:
            reach("write.begun")
            answers = perform(self._database, connection, [ticket.write for ticket in group])
            reach("write.before_commit")
        reach("write.after_commit")
        for ticket, answer in zip(group, answers, strict=True):
            if isinstance(answer, HashsvcError):  # a write that is wrong by itself changed nothing
                ticket.error = answer
            else:
                ticket.commit = answer


def _group(waiting: deque[_Ticket]) -> list[_Ticket]:
    """Take writes from the front of the line: the first, and more as long as they stay few and small."""
    group = [waiting.popleft()]
    rows = group[0].write.size
    while waiting and len(group) < GROUP_WRITES and rows + waiting[0].write.size <= GROUP_ROWS:
        group.append(waiting.popleft())
        rows += group[-1].write.size
    return group
