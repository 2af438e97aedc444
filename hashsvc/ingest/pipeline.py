"""Units one behind the other: while one is encoded the next is read and the last is stored.

Memory is bounded, and so is what a worker keeps from others: at most ``AHEAD`` units are claimed and not yet stored,
each of at most the job's rows and bytes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from hashsvc.catalog import LEASE_LOST, UNIT_TAKEN
from hashsvc.domain.jobs import Counts, Unit
from hashsvc.errors import Aborted, Unavailable
from hashsvc.ingest.line import Clock, Line
from hashsvc.ingest.prepare import decode_each
from hashsvc.ingest.unit import Batch, Bench, compare, encoded, kept, read, store

AHEAD = 3
TRIES = 5
PAUSE_S = 0.2
log = logging.getLogger(__name__)
In = TypeVar("In")
Out = TypeVar("Out")

if TYPE_CHECKING:
    from hashsvc.encoders.contract import Decoded
    from hashsvc.errors import InvalidContent

    Decode = Callable[[Sequence[bytes]], list[Decoded | InvalidContent]]


def run_units(
    bench: Bench,
    units: Iterable[Unit],
    *,
    decode: Decode | None = None,
    clocks: dict[str, Clock] | None = None,
    stop: threading.Event | None = None,
) -> Iterator[tuple[Unit, Counts]]:
    """Run units as they come; each is given with its counts once it is committed, in order.

    A unit that another worker took meanwhile is passed over: its rows are that worker's to store.

    Args:
        bench: what they are worked with.
        units: drawn one at a time, in a thread of its own.
        decode: decodes a batch of contents; by default in this process.
        clocks: filled with where the time of each step went.
        stop: set when the line stops; units that wait for something must look at it.

    Raises:
        See :func:`hashsvc.ingest.unit.run_unit`; what was committed before is given first.
    """
    encoder = bench.encoder
    decoder = decode or (partial(decode_each, encoder) if encoder is not None else _nothing)
    line = Line(
        {
            "read": patient(lambda unit: compare(bench, read(bench, unit))),
            "decode": partial(_decode, decoder),
            "encode": partial(encoded, bench),
            "keep": patient(partial(kept, bench)),
            "store": partial(_stored, bench),
        },
        most=AHEAD,
        clocks={} if clocks is None else clocks,
    )
    with bench.pinned():
        yield from (done for done in line.run(units, stop) if done is not None)


def patient(step: Callable[[In], Out], tries: int = TRIES) -> Callable[[In], Out]:
    """``step``, tried again after a pause while a source or the database does not answer, or another's write won.

    Both steps that use it may be repeated: nothing is stored before their last moment, and then all of it.
    """

    def trying(value: In) -> Out:
        for attempt in range(tries - 1):
            try:
                return step(value)
            except (Unavailable, Aborted) as error:
                if error.reason in {UNIT_TAKEN, LEASE_LOST}:
                    raise
                time.sleep(error.retry_after or PAUSE_S * 2**attempt)
        return step(value)

    return trying


def _decode(decode: Decode, batch: Batch) -> Batch:
    assert batch.checked is not None
    if batch.checked.contents:
        batch.decoded = decode(list(batch.checked.contents.values()))
    return batch


def _stored(bench: Bench, batch: Batch) -> tuple[Unit, Counts] | None:
    """The unit with its counts; None when it is another worker's."""
    try:
        return batch.unit, patient(partial(store, bench))(batch)
    except Aborted as error:
        if error.reason != UNIT_TAKEN:
            raise
        log.warning("%s: it is passed over", error)
        return None


def _nothing(contents: Sequence[bytes]) -> list[Decoded | InvalidContent]:
    assert not contents
    return []
