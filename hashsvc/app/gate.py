"""A gate that writers of this process pass, and that a switch holds closed for a moment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_WAIT_S = 5.0


class Gate:
    """Any number of writers pass at once while it is open. Safe to use from several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._passing = 0
        self._closed = False

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Go through, after a wait while it is closed; no wait is longer than five seconds."""
        with self._changed:
            self._changed.wait_for(lambda: not self._closed, LONGEST_WAIT_S)
            self._passing += 1
        try:
            yield
        finally:
            with self._changed:
                self._passing -= 1
                self._changed.notify_all()

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Hold it closed, once those who pass are through, or five seconds later; one holder at a time."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._passing, LONGEST_WAIT_S)
        try:
            yield
        finally:
            with self._changed:
                self._closed = False
                self._changed.notify_all()
