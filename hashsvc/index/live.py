"""The live index: frozen segments, a tail and tombstones behind one view that is swapped by reference.

One writer at a time changes it under a lock; readers take the newest view and never wait.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.codes import check_bits, check_codes
from hashsvc.domain.kinds import IndexKind
from hashsvc.errors import InvalidArgument
from hashsvc.failpoints import reach
from hashsvc.index.held import Held, hold
from hashsvc.index.kinds import equipped, exact_way, resident_of, way_of
from hashsvc.index.layout import to_words, word_count
from hashsvc.index.memory import Memory
from hashsvc.index.merging import chosen, fused
from hashsvc.index.segment import build_segment
from hashsvc.index.snapshot import load_snapshot, newest_snapshot
from hashsvc.index.tail import Tail
from hashsvc.index.view import View

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from hashsvc.index.audit import Audit

TAIL_ROWS = 8_192
# Where nobody else merges, writers do it themselves from here on.
MOST_SEGMENTS = 32


class LiveIndex:
    """The codes of one collection, searchable while they change.

    Args:
        bits: code length.
        kind: how views search; see :class:`hashsvc.domain.kinds.IndexKind`.
        tail_rows: how many items the tail takes before it is frozen into a segment.
        audit: samples the searches of approximate kinds.
        device: where the device kind searches: "cpu", "cuda" or "cuda:N".

    Raises:
        InvalidArgument: no legal code length; no such device here.
    """

    def __init__(
        self,
        bits: int,
        kind: IndexKind = IndexKind.AUTO,
        *,
        tail_rows: int = TAIL_ROWS,
        audit: Audit | None = None,
        device: str = "cpu",
    ) -> None:
        self.bits = check_bits(bits)
        self.kind = kind
        self._tail_rows = tail_rows
        self._audit = audit
        self._resident = resident_of(kind, bits, device)
        self._writing = threading.RLock()
        self._merging = threading.Lock()
        self._held: tuple[Held, ...] = ()
        self._tail = Tail(word_count(bits), tail_rows)
        self._watermark = 0
        self._states = 0
        self._view = self._new_view()

    @classmethod
    def from_snapshot(
        cls,
        folder: Path,
        kind: IndexKind = IndexKind.AUTO,
        *,
        audit: Audit | None = None,
        about: Mapping[str, str] | None = None,
        device: str = "cpu",
    ) -> LiveIndex:
        """The index of the newest snapshot under ``folder``, its segments mapped from the files.

        Args:
            folder: where it was published.
            kind: how views search.
            audit: see the class.
            about: what the snapshot must have been published with; one of something else counts as damaged.
            device: see the class.

        Raises:
            InvalidArgument: no such device here.
            NotFound: there is no snapshot.
            Corrupt: the newest one is damaged; it was set aside, so the next call looks at the one before.
        """
        snapshot = load_snapshot(newest_snapshot(folder), about)
        live = cls(snapshot.bits, kind, audit=audit, device=device)
        with live._writing:
            live._held = tuple(hold(equipped(one.segment, kind), one.items, one.extras) for one in snapshot.held)
            live._watermark = snapshot.watermark
            live._view = live._new_view()
        return live

    @property
    def watermark(self) -> int:
        """Sequence number of the newest applied write."""
        return self._view.watermark

    def view(self) -> View:
        """The newest view; every write applied before this call is in it."""
        return self._view

    def apply(
        self,
        upsert_ids: NDArray[np.int64],
        upsert_codes: NDArray[np.uint8],
        deleted_ids: NDArray[np.int64],
        watermark: int,
    ) -> None:
        """Bring in a write: items ``int64[n]`` with codes ``uint8[n, bits/8]``, then deletions ``int64[d]``.

        A held id gets the new code; an id given twice gets its last code; deleting an unknown id changes nothing;
        an id both upserted and deleted is gone.

        Raises:
            InvalidArgument: wrong shapes, a negative id, or a watermark behind the index.
        """
        ids, words, deleted = self._checked(upsert_ids, upsert_codes, deleted_ids)
        with self._writing:
            if watermark < self._watermark:
                raise InvalidArgument(f"watermark {watermark} lies behind the index, which is at {self._watermark}")
            self._forget(np.concatenate([ids, deleted]))
            keep = ~np.isin(ids, deleted) if len(deleted) else slice(None)
            self._add(ids[keep], words[keep])
            self._watermark = watermark
            self._view = self._new_view()
        if len(self._view.held) > MOST_SEGMENTS:
            self.merge(wait=False)

    def _checked(
        self, ids: NDArray[np.int64], codes: NDArray[np.uint8], deleted: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.int64]]:
        ids, deleted = np.asarray(ids, np.int64), np.asarray(deleted, np.int64)
        if not len(codes):
            codes = np.zeros((0, self.bits // 8), np.uint8)
        words = to_words(check_codes(codes, self.bits, "upsert_codes"))
        if len(ids) != len(words):
            raise InvalidArgument(f"{len(ids)} ids but {len(words)} codes", field="upsert_ids")
        if len(ids) and ids.min() < 0:
            raise InvalidArgument(f"item ids are 0 to 2**63 - 1, not {ids.min()}", field="upsert_ids")
        last = len(ids) - 1 - np.unique(ids[::-1], return_index=True)[1]
        if len(last) < len(ids):
            last.sort()
            ids, words = ids[last], words[last]
        return ids, words, deleted

    def _forget(self, ids: NDArray[np.int64]) -> None:
        if len(ids):
            self._tail.remove(ids)
            self._held = tuple(one for held in self._held if (one := held.less(ids)).live)

    def _add(self, ids: NDArray[np.int64], words: NDArray[np.uint64]) -> None:
        if self._tail.used + len(ids) > self._tail.room:
            self._freeze()
        if len(ids) > self._tail.room // 2:
            self._held = (*self._held, hold(equipped(build_segment(ids, words, self.bits), self.kind)))
        elif len(ids):
            self._tail.append(ids, words)

    def _freeze(self) -> None:
        """The tail becomes a segment, and a new tail begins."""
        if len(self._tail):
            ids, words = self._tail.items()
            self._held = (*self._held, hold(equipped(build_segment(ids, words, self.bits), self.kind)))
        self._tail = Tail(word_count(self.bits), self._tail_rows)

    def memory(self) -> Memory:
        """What the newest view takes in memory."""
        return self._view.memory()

    def merge(self, *, everything: bool = False, wait: bool = True) -> bool:
        """Fuse small segments, and those full of tombstones, into one; searches and writes go on meanwhile.

        Args:
            everything: fuse all segments and the tail into one.
            wait: where another thread is merging, begin when it is done; else leave it to that one.

        Returns:
            Whether this call fused any; call again until it does not.
        """
        if not self._merging.acquire(blocking=wait):
            return False
        try:
            return self._merge(everything=everything)
        finally:
            self._merging.release()

    def _merge(self, *, everything: bool) -> bool:
        with self._writing:
            if everything:
                self._freeze()
            before = chosen(self._held, self.kind, everything=everything)
        if not before:
            return False
        reach("merge.begun")
        fresh = fused(before, self.bits, self.kind)
        reach("merge.built")
        with self._writing:
            self._swap(before, fresh)
        return True

    def _swap(self, before: tuple[Held, ...], fresh: Held | None) -> None:
        """Put ``fresh`` in the place of ``before``, less what was deleted while it was being made."""
        now = {id(held.segment): held for held in self._held}
        for old in before:
            kept = now.pop(id(old.segment), None)
            if fresh is not None:
                fresh = fresh.less(_gone(old, kept))
        rest = tuple(held for held in self._held if id(held.segment) in now)
        self._held = (*rest, fresh) if fresh is not None and fresh.live else rest
        self._view = self._new_view()

    def _new_view(self) -> View:
        self._states += 1
        return View(
            self.bits,
            self.kind,
            self._watermark,
            self._held,
            self._tail.part(),
            way_of(self.kind, self.bits, self._resident),
            exact_way(self.bits),
            self._audit,
            self._states,
        )


def _gone(old: Held, now: Held | None) -> NDArray[np.int64]:
    """Ids that lived in ``old`` and do not in ``now``."""
    items, extras = old.items, old.extras
    if now is not None:
        if now.live == old.live:
            return np.zeros(0, np.int64)
        items, extras = items & ~now.items, extras & ~now.extras
    return old.segment.item_ids(old.segment.places(items, extras))
