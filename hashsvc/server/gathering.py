"""Calls that wait at the same moment are answered together: one scan, one pass of the encoder, one SQL query for all.

A lone call never waits: it is worked on at once, on its own thread. While as many batches as there are cores are worked
on, calls gather, and the next free place takes all that ask the same kind of thing.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from hashsvc.errors import HashsvcError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

PATIENCE = 0.002  # seconds a batch waits at most for calls whose requests are being read
STALE = 0.001  # seconds after which a call that waited is asked whether anybody still wants the answer


class Arrivals(Protocol):
    """Calls on their way to a gathering."""

    @property
    def coming(self) -> int:
        """How many have a thread and are still being read."""
        ...

    def arrived(self) -> None:
        """The call of this thread is here."""
        ...


class Ticket:
    """One call's questions and, in the end, their answers or the error."""

    __slots__ = ("alive", "answers", "done", "error", "key", "leads", "questions", "ready", "since")

    def __init__(self, key: Hashable, questions: Sequence[Any], alive: Callable[[], None]) -> None:
        self.key = key
        self.questions = questions
        self.alive = alive
        self.since = time.perf_counter()
        self.leads = self.done = False
        self.ready = threading.Lock()
        self.ready.acquire()
        self.answers: list[Any] = []
        self.error: Exception | None = None

    def settle(self, work: Callable[[Sequence[Any]], list[Any]]) -> None:
        """Answer this call alone."""
        try:
            self.alive()
            self.answers = work(self.questions)
        except Exception as error:
            self.error = error

    def wanted(self) -> bool:
        """Whether somebody still waits; the reason why not is this ticket's error."""
        if time.perf_counter() - self.since > STALE:
            try:
                self.alive()
            except HashsvcError as error:
                self.error = error
                return False
        return True


class Gathering:
    """Batches of calls.

    Args:
        places: batches worked on at once; as many as there are cores.
        most: questions that one batch may hold; a call that asks more is a batch of its own.
        arrivals: the pool whose calls come here; a batch waits for those that are on their way.
        told: told the number of questions of each batch.
    """

    def __init__(self, places: int, most: int, arrivals: Arrivals, told: Callable[[int], None]) -> None:
        self._free = places
        self._most = most
        self._arrivals = arrivals
        self._told = told
        self._waiting: list[Ticket] = []
        self._listening = False
        self._lock = threading.Lock()
        self._company = threading.Condition(self._lock)

    def answer(
        self,
        key: Hashable,
        questions: Sequence[Any],
        work: Callable[[Sequence[Any]], list[Any]],
        alive: Callable[[], None],
    ) -> list[Any]:
        """The answers to ``questions``, in order.

        Args:
            key: calls with equal keys may be answered together.
            questions: what this call asks.
            work: answers the questions of one batch; where it fails for a batch, each call is tried alone.
            alive: raises when nobody waits for the answer any more.

        Raises:
            Exception: what ``work`` or ``alive`` raised for this call.
        """
        ticket = Ticket(key, questions, alive)
        self._arrivals.arrived()
        with self._lock:
            self._waiting.append(ticket)
            if self._listening:
                # The last of those on their way ends the wait: waking the leader for each costs more than it gives.
                if not self._arrivals.coming:
                    self._company.notify()
            elif self._free:
                self._free -= 1
                ticket.leads = True
        if not ticket.leads:
            ticket.ready.acquire()
        if not ticket.done:
            self._lead(ticket, work)
        if ticket.error is not None:
            raise ticket.error
        return ticket.answers

    def _lead(self, ticket: Ticket, work: Callable[[Sequence[Any]], list[Any]]) -> None:
        """Answer a batch on this thread and hand the place on."""
        try:
            batch = self._gathered(ticket)
            _settle(batch, work)
            self._told(sum(len(one.questions) for one in batch))
        finally:
            self._hand_on()
        for one in batch:
            one.done = True
            if one is not ticket:
                one.ready.release()

    def _gathered(self, ticket: Ticket) -> list[Ticket]:
        """The tickets of the next batch, the leader's first."""
        with self._lock:
            if self._arrivals.coming and not self._listening:
                self._listening = True
                self._company.wait_for(lambda: not self._arrivals.coming, PATIENCE)
                self._listening = False
            self._waiting.remove(ticket)
            batch, room = [ticket], self._most - len(ticket.questions)
            for one in self._waiting:
                if one.key == ticket.key and not one.leads and len(one.questions) <= room:
                    batch.append(one)
                    room -= len(one.questions)
            taken = set(map(id, batch))
            self._waiting = [one for one in self._waiting if id(one) not in taken]
            self._share_places()
        return batch

    def _hand_on(self) -> None:
        with self._lock:
            self._free += 1
            self._share_places()

    def _share_places(self) -> None:
        """Let calls that wait lead, as long as there are places; the lock is held."""
        for one in self._waiting:
            if not self._free:
                return
            if not one.leads:
                self._free -= 1
                one.leads = True
                one.ready.release()


def _settle(batch: list[Ticket], work: Callable[[Sequence[Any]], list[Any]]) -> None:
    wanted = [one for one in batch if one.wanted()]
    if len(wanted) == 1:
        wanted[0].settle(work)
        return
    try:
        answers = iter(work([question for one in wanted for question in one.questions]) if wanted else [])
    except HashsvcError:
        for one in wanted:
            one.settle(work)
        return
    except Exception as error:
        for one in wanted:
            one.error = error
        return
    for one in wanted:
        one.answers = [next(answers) for _ in one.questions]
