"""Answers that come piece by piece, from a call that another thread may give up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from inspect import GEN_RUNNING, getgeneratorstate
from typing import Any, Protocol, TypeVar

P = TypeVar("P")


class Cancellable(Protocol):
    """A call under way."""

    def cancel(self) -> bool:
        """Give the call up."""
        ...


C = TypeVar("C", bound=Cancellable)


class Underway:
    """The call that a stream reads at the moment: an upload makes another one when its server went away."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._call: Cancellable | None = None
        self._given_up = False

    def began(self, call: C) -> C:
        """Note a call; given up at once where the stream already was."""
        with self._lock:
            self._call, given_up = call, self._given_up
        if given_up:
            call.cancel()
        return call

    def give_up(self) -> None:
        """Cancel the call, and those that would follow it."""
        with self._lock:
            self._given_up, call = True, self._call
        if call is not None:
            call.cancel()


class Stream(Generator[P, None, None]):
    """The pieces of an answer, as a generator that can be ended while another thread waits for its next piece.

    Args:
        pieces: makes the pieces, and tells of each call that it begins.
    """

    def __init__(self, pieces: Callable[[Underway], Generator[P, None, None]]) -> None:
        self._underway = Underway()
        self._pieces = pieces(self._underway)

    def send(self, value: None) -> P:
        """As a generator."""
        return self._pieces.send(value)

    def throw(self, error: Any, *rest: Any) -> P:
        """As a generator."""
        return self._pieces.throw(error, *rest)

    def give_up(self) -> None:
        """End the call, from any thread: whoever waits for its next piece gets an error."""
        self._underway.give_up()

    def close(self) -> None:
        """End the call."""
        self.give_up()
        if getgeneratorstate(self._pieces) != GEN_RUNNING:  # else a thread waits in it, and is just being told
            self._pieces.close()
