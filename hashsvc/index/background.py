"""Merging in the background: one thread that a door starts and stops."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from hashsvc.index.live import LiveIndex

LOG = logging.getLogger(__name__)


class Merging:
    """Keeps indexes in shape while it is entered: ``with Merging(lambda: indexes): ...``.

    Args:
        indexes: the indexes to look after; asked anew each time round.
        every: seconds between rounds in which there was nothing to do.
    """

    def __init__(self, indexes: Callable[[], Iterable[LiveIndex]], *, every: float = 0.5) -> None:
        self._indexes = indexes
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="index-merging", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            if not self._round():
                self._stop.wait(self._every)

    def _round(self) -> bool:
        """One merge in each index; whether any had one to do."""
        worked = False
        for index in self._indexes():
            try:
                worked |= index.merge()
            except Exception:
                # The index goes on as it was; the next round tries again.
                LOG.exception("merging an index of %d bits failed", index.bits)
        return worked
