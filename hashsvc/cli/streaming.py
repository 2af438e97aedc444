"""Files streamed to a server: read here, stored there, every refused row reported with its place."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from hashsvc.cli.screen import Advance
from hashsvc.domain.items import Item, Outcome
from hashsvc.domain.jobs import Counts, DeadLetter

if TYPE_CHECKING:
    from hashsvc.domain.items import Written
    from hashsvc.domain.service import Service
    from hashsvc.readers import Source


@dataclass(slots=True)
class Stream:
    """What went out and what came back so far; ``underway`` are items not acknowledged yet, in order."""

    underway: deque[DeadLetter] = field(default_factory=deque)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)

    def items(self, rows: Iterable[tuple[Source, Item | DeadLetter]]) -> Iterator[Item]:
        """The rows that can be sent; what could not be read is a dead letter at once."""
        for source, row in rows:
            if isinstance(row, DeadLetter):
                self._dead(row)
                continue
            where, number = source.place(row)
            self.underway.append(DeadLetter(where, number, "", row.key))
            yield row

    def acknowledged(self, written: Written) -> None:
        """Count one acknowledgement: it answers for the oldest items underway."""
        for position, outcome in enumerate(written.outcomes):
            place = self.underway.popleft()
            if outcome is Outcome.REFUSED:
                self._dead(DeadLetter(place.source, place.row, str(written.errors[position]), place.key))
        stored, unchanged = written.count(Outcome.STORED), written.count(Outcome.UNCHANGED)
        self.counts += Counts(stored + unchanged, stored, unchanged, 0)

    def _dead(self, letter: DeadLetter) -> None:
        self.dead_letters.append(letter)
        self.counts += Counts(1, 0, 0, 1)


def stream_sources(
    service: Service, collection: str, sources: Sequence[Source], limit: int | None, advance: Advance
) -> Stream:
    """Send the rows of the sources, ``limit`` of them at most, and wait until all of it is durable."""
    stream = Stream()
    try:
        for source in sources:
            source.check()
        rows = islice(
            ((source, row) for source in sources for spec in source.units() for row in source.read(spec)), limit
        )
        for written in service.upsert_stream(collection, stream.items(rows)):
            stream.acknowledged(written)
            advance(stream.counts.read, 0, f"{stream.counts.dead:,} set aside" if stream.counts.dead else "")
    finally:
        for source in sources:
            source.close()
    return stream
