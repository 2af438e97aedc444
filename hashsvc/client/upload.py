"""Streaming upload: batches with a bounded number in flight, sent again when the server went away in between."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import grpc

from hashsvc.client.channel import server_is_away
from hashsvc.domain.items import Outcome, Written
from hashsvc.errors import HashsvcError, Internal
from hashsvc.v1 import items_pb2
from hashsvc.wire.items import read_written, write_item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from hashsvc.domain.items import Item
    from hashsvc.domain.kinds import Kind

    Method = Callable[[Iterator[items_pb2.UpsertStreamRequest]], "Acknowledgements"]

BATCH_ITEMS = 1_000
BATCH_BYTES = 4 * 2**20
IN_FLIGHT = 4
ATTEMPTS = 6
BACKOFF_SECONDS = 0.2


class Acknowledgements(Protocol):
    """A call under way."""

    def __iter__(self) -> Iterator[items_pb2.UpsertStreamResponse]: ...

    def cancel(self) -> bool:
        """Give the call up."""
        ...


@dataclass
class Batch:
    """Items on their way: one message, and the items that no message could carry.

    Args:
        sent: position in the batch of each item of the message.
        refused: the error of each other position.
    """

    message: items_pb2.UpsertStreamRequest
    sent: list[int] = field(default_factory=list)
    refused: dict[int, HashsvcError] = field(default_factory=dict)
    bytes: int = 0

    def __len__(self) -> int:
        return len(self.sent) + len(self.refused)

    def add(self, item: Item, kind: Kind) -> None:
        """Take one item in."""
        position = len(self)
        try:
            message = write_item(item, kind, f"items[{position}]")
        except HashsvcError as error:
            self.refused[position] = error
            return
        self.sent.append(position)
        self.message.items.append(message)
        self.bytes += message.ByteSize()

    def written(self, acknowledgement: items_pb2.UpsertStreamResponse) -> Written:
        """The acknowledgement in terms of the items as they were given."""
        if acknowledgement.batch != self.message.batch or len(acknowledgement.outcomes) != len(self.sent):
            raise Internal("the server acknowledged another batch than it was sent")
        told = read_written(acknowledgement)
        if not self.refused:
            return told
        outcomes = [Outcome.REFUSED] * len(self)
        for position, outcome in zip(self.sent, told.outcomes, strict=True):
            outcomes[position] = outcome
        errors = {self.sent[position]: error for position, error in told.errors.items()} | self.refused
        witnesses = {self.sent[position]: witness for position, witness in told.witnesses.items()}
        return Written(tuple(outcomes), told.watermark, errors, witnesses)


def batches(
    head: items_pb2.UpsertStreamRequest, kind: Kind, items: Iterable[Item], batch_items: int, batch_bytes: int
) -> Iterator[Batch]:
    """The items in numbered batches of at most ``batch_items``, closed once they hold ``batch_bytes``.

    Each message starts as a copy of ``head``, so that any of them can be the first of a call.
    """
    batch = Batch(_numbered(head, 0))
    for item in items:
        batch.add(item, kind)
        if len(batch) >= batch_items or batch.bytes >= batch_bytes:
            yield batch
            batch = Batch(_numbered(head, batch.message.batch + 1))
    if len(batch):
        yield batch


def _numbered(head: items_pb2.UpsertStreamRequest, number: int) -> items_pb2.UpsertStreamRequest:
    message = items_pb2.UpsertStreamRequest(batch=number)
    message.MergeFrom(head)
    return message


class Upload:
    """One upload over as many calls as it takes.

    gRPC pulls requests on a thread of its own, for each call another; acknowledgements are read on the caller's. What
    was pulled and not acknowledged stays in ``_open``, from which a later call sends it again.
    """

    def __init__(self, source: Iterator[Batch]) -> None:
        self._source = source
        self._open: dict[int, Batch] = {}
        self._changed = threading.Condition()
        self._pulling = threading.Lock()
        self._call = 0
        self._failure: Exception | None = None

    def run(self, method: Method) -> Iterator[Written]:
        """Send everything; yield what is acknowledged.

        Raises:
            grpc.RpcError: the server refused the call, or stayed away.
            Exception: whatever the source of the items raised; what was sent before is stored.
        """
        failures = 0
        while True:
            call = method(self._messages(self._call))
            try:
                for acknowledgement in call:
                    failures = 0
                    yield self._acknowledged(acknowledgement)
                break
            except grpc.RpcError as failure:
                failures += 1
                if not server_is_away(failure) or failures == ATTEMPTS:
                    raise
                time.sleep(BACKOFF_SECONDS * 2 ** (failures - 1))
            finally:
                call.cancel()
                self._end_call()
        if self._failure is not None:
            raise self._failure

    def _acknowledged(self, acknowledgement: items_pb2.UpsertStreamResponse) -> Written:
        with self._changed:
            batch = self._open.pop(acknowledgement.batch, None)
            self._changed.notify_all()
        if batch is None:
            raise Internal("the server acknowledged a batch that it was not sent")
        return batch.written(acknowledgement)

    def _end_call(self) -> None:
        with self._changed:
            self._call += 1
            self._changed.notify_all()

    def _messages(self, call: int) -> Iterator[items_pb2.UpsertStreamRequest]:
        sent = -1
        while True:
            batch = self._ready(call, sent)
            if call != self._call:
                return
            if batch is not None:
                sent = batch.message.batch
                yield batch.message
            elif not self._pull() and self._next(sent) is None:
                return

    def _ready(self, call: int, sent: int) -> Batch | None:
        """Wait until there is something to send, or room to pull more (None)."""
        with self._changed:
            self._changed.wait_for(lambda: self._next(sent) is not None or self._may_pull(call))
            return self._next(sent)

    def _next(self, sent: int) -> Batch | None:
        return next((batch for number, batch in sorted(self._open.items()) if number > sent), None)

    def _may_pull(self, call: int) -> bool:
        return call != self._call or len(self._open) < IN_FLIGHT

    def _pull(self) -> bool:
        with self._pulling:
            try:
                batch = next(self._source, None)
            except Exception as error:
                self._failure = error
                return False
            if batch is None:
                return False
            with self._changed:
                self._open[batch.message.batch] = batch
                self._changed.notify_all()
            return True
