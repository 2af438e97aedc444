"""What writes change, one behind the other, in memory: the next sequence numbers and the outcome of each row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.catalog import displaced
from hashsvc.catalog.commit import Commit
from hashsvc.catalog.values import read_metadata
from hashsvc.domain import items as nouns
from hashsvc.domain.filters import Node, matches
from hashsvc.domain.items import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hashsvc.catalog.write import Held, Write
    from hashsvc.domain.kinds import FieldType


@dataclass(slots=True)
class Staged:
    """What the writes of one group change in one collection: filled by reading, then written in one go.

    Args:
        fields: the declared metadata fields.
        before: rows in the database, of the ids that the writes name.
        moved: ids of displaced keys.
        held: whether the database has a row under an id.
        watermark: sequence number so far.
        now: the same rows as they will be.
        stored: sequence number and row of what has to be written.
        deleted: sequence number of what has to be deleted.
    """

    fields: Mapping[str, FieldType]
    before: dict[int, Held]
    moved: dict[str, int]
    held: Callable[[int], bool]
    watermark: int
    now: dict[int, Held]
    newly_moved: dict[str, int] = field(default_factory=dict)
    stored: dict[int, tuple[int, Held]] = field(default_factory=dict)
    deleted: dict[int, int] = field(default_factory=dict)

    def take(self, write: Write) -> Commit:
        """Bring in one write behind those before it: the next sequence numbers are its."""
        start, one = self.watermark, _One()
        known = write.novelty.known if write.novelty else {}
        for position, (row, own) in enumerate(zip(write.upserts, write.ids, strict=True)):
            if position in known:
                one.note(known[position], Outcome.KNOWN)
            else:
                self._upsert(one, self._id(row[0], own), row)
        for key in write.deletes:
            self._delete(one, self._id(key, None), key, write.passing)
        for number, row in one.stored.items():
            self.watermark += 1
            self.deleted.pop(number, None)
            self.stored[number] = (self.watermark, row)
        for number in one.deleted:
            self.watermark += 1
            self.stored.pop(number, None)
            self.deleted[number] = self.watermark
        return Commit(tuple(one.outcomes), np.array(one.ids, np.int64), start, self.watermark)

    def _id(self, key: str, own: int | None) -> int:
        if self.newly_moved and key in self.newly_moved:
            return self.newly_moved[key]
        if self.moved and key in self.moved:
            return self.moved[key]
        return nouns.item_id(key) if own is None else own

    def _upsert(self, one: _One, number: int, new: Held) -> None:
        old = self.now.get(number)
        if old is not None:
            if old == new:
                one.note(number, Outcome.UNCHANGED)
                return
            if old[0] != new[0]:
                self._upsert(one, self._place(new[0]), new)
                return
            one.stored.pop(number, None)
        elif one.deleted:
            one.deleted.pop(number, None)
        self.now[number] = one.stored[number] = new
        one.ids.append(number)
        one.outcomes.append(Outcome.STORED)

    def _delete(self, one: _One, number: int, key: str, passing: Node | None) -> None:
        """Delete what is held under a key, unless it changed since its filter chose it."""
        old = self.now.get(number)
        if old is None or old[0] != key or (passing is not None and not matches(passing, read_metadata(old[3]))):
            one.note(number, Outcome.ABSENT)
            return
        del self.now[number]
        one.stored.pop(number, None)
        self.newly_moved.pop(key, None)
        one.deleted[number] = None
        one.note(number, Outcome.DELETED)

    def _place(self, key: str) -> int:
        """A free id for a key whose own id is another key's."""
        attempt = 1
        while (number := displaced.another_id(key, attempt)) in self.now or self.held(number):
            attempt += 1
        self.newly_moved[key] = number
        return number


@dataclass(slots=True)
class _One:
    """What one write changes."""

    outcomes: list[Outcome] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    stored: dict[int, Held] = field(default_factory=dict)
    deleted: dict[int, None] = field(default_factory=dict)

    def note(self, number: int, outcome: Outcome) -> None:
        self.ids.append(number)
        self.outcomes.append(outcome)
