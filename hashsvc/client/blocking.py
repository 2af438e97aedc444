"""The client whose calls wait for their answer."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache, partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np

from hashsvc.client import requests
from hashsvc.client.begun import Beginner, Begun
from hashsvc.client.channel import MAX_MESSAGE, Tls, bearer, error_of, open_channel
from hashsvc.client.dedup import DedupClient
from hashsvc.client.stream import Stream, Underway
from hashsvc.client.upload import BATCH_BYTES, BATCH_ITEMS, Upload, batches
from hashsvc.domain.kinds import ContentMode, IndexKind, Kind
from hashsvc.domain.service import PIECE, STEPS, Page
from hashsvc.errors import InvalidArgument
from hashsvc.v1 import (
    collections_pb2,
    collections_pb2_grpc,
    encoders_pb2,
    encoders_pb2_grpc,
    encoding_pb2_grpc,
    items_pb2,
    items_pb2_grpc,
    jobs_pb2,
    jobs_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
)
from hashsvc.wire.answers import read_answers
from hashsvc.wire.collections import read_collection
from hashsvc.wire.encoders import read_encoder, read_made
from hashsvc.wire.items import read_stored, read_written
from hashsvc.wire.jobs import read_dead_letter, read_job

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from numpy.typing import NDArray

    from hashsvc.client.upload import Batch
    from hashsvc.domain.collections import Collection
    from hashsvc.domain.encoders import EncoderVersion, Made
    from hashsvc.domain.filters import Node
    from hashsvc.domain.items import Item, StoredItem, Written
    from hashsvc.domain.jobs import DeadLetter, Job, JobKind
    from hashsvc.domain.kinds import FieldType
    from hashsvc.domain.neighbours import Answer, Neighbours
    from hashsvc.domain.queries import Query, Rerank

TIMEOUT = 30.0


class Client:
    """A store behind a server: the methods of :class:`hashsvc.domain.service.Service` over gRPC.

    Safe to use from several threads. Use as a context manager, or call :meth:`close`. Calls that found no server are
    repeated a few times; every other failure raises the kind of :mod:`hashsvc.errors` that the server raised.

    Args:
        target: HOST:PORT.
        timeout: seconds that one call may take; streams (uploads, watching a job) take what they need.
        max_message: bytes that one message may have.
        token: presented with every call, where the server asks for one.
        tls: None speaks plain text.
    """

    def __init__(
        self,
        target: str,
        *,
        timeout: float = TIMEOUT,
        max_message: int = MAX_MESSAGE,
        token: str = "",
        tls: Tls | None = None,
    ) -> None:
        self.target = target
        self.timeout = timeout
        self._channel = open_channel(target, max_message, tls)
        self._metadata = bearer(token)
        self._beginner = lru_cache(1)(partial(Beginner, target, max_message, tls, self._metadata))
        self._collections = collections_pb2_grpc.CollectionsStub(self._channel)
        self._items = items_pb2_grpc.ItemsStub(self._channel)
        self._search = search_pb2_grpc.SearchStub(self._channel)
        self._encoding = encoding_pb2_grpc.EncodingStub(self._channel)
        self._encoders = encoders_pb2_grpc.EncodersStub(self._channel)
        self._jobs = jobs_pb2_grpc.JobsStub(self._channel)
        self.dedup = DedupClient(self._channel, self._call, self._pages)
        self._kinds: dict[str, Kind] = {}

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the channel; calls under way are cancelled."""
        self._channel.close()
        if self._beginner.cache_info().currsize:
            self._beginner().close()

    def begin_search(self, request: bytes) -> Begun:
        """Begin a search without waiting for it, as a router does with many servers.

        Args:
            request: a serialised ``SearchRequest``, the same for all of them.
        """
        return self._beginner().begin(request, self.timeout)

    @contextmanager
    def _raising(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as failure:
            raise error_of(failure, self.target) from None

    def _call(self, method: Any, request: Any) -> Any:
        with self._raising():
            return method(request, timeout=self.timeout, metadata=self._metadata)

    # collections

    def create_collection(
        self,
        name: str,
        *,
        encoder: str | None = None,
        bits: int | None = None,
        content: ContentMode = ContentMode.BYTES,
        fields: Mapping[str, FieldType] | None = None,
        index: IndexKind = IndexKind.AUTO,
    ) -> Collection:
        """See :meth:`Service.create_collection`."""
        request = requests.create_collection(
            name, encoder=encoder, bits=bits, content=content, fields=fields or {}, index=index
        )
        return read_collection(self._call(self._collections.Create, request))

    def collection(self, name: str) -> Collection:
        """See :meth:`Service.collection`."""
        collection = read_collection(self._call(self._collections.Get, collections_pb2.GetCollectionRequest(name=name)))
        self._kinds[name] = collection.kind
        return collection

    def collections(self) -> list[Collection]:
        """See :meth:`Service.collections`."""
        pages = self._pages(self._collections.List, collections_pb2.ListCollectionsRequest())
        return [read_collection(collection) for page in pages for collection in page.collections]

    def update_collection(
        self, name: str, *, fields: Mapping[str, FieldType] | None = None, index: IndexKind | None = None
    ) -> Collection:
        """See :meth:`Service.update_collection`."""
        if fields is None and index is None:
            return self.collection(name)
        return read_collection(self._call(self._collections.Update, requests.update_collection(name, fields, index)))

    def delete_collection(self, name: str) -> None:
        """See :meth:`Service.delete_collection`."""
        self._kinds.pop(name, None)
        self._call(self._collections.Delete, collections_pb2.DeleteCollectionRequest(name=name))

    def switch_collection(self, name: str, other: str) -> Collection:
        """See :meth:`Service.switch_collection`; it takes what it takes, and is never repeated by itself."""
        request = collections_pb2.SwitchCollectionRequest(name=name, other=other)
        with self._raising():
            return read_collection(self._collections.Switch(request, metadata=self._metadata))

    def _pages(self, method: Any, request: Any) -> Iterator[Any]:
        while True:
            page = self._call(method, request)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def _kind(self, collection: str) -> Kind:
        """What the collection holds; it never changes, but another collection may take the name."""
        return self._kinds.get(collection) or self.collection(collection).kind

    # items

    def upsert(
        self, collection: str, items: Sequence[Item], *, request_id: str = "", novelty: int | None = None
    ) -> Written:
        """See :meth:`Service.upsert`; without a request id it makes its own, so that a repeated try writes once."""
        request = requests.upsert(collection, self._kind(collection), items, request_id or _new_id(), novelty)
        return read_written(self._call(self._items.Upsert, request))

    def upsert_stream(
        self,
        collection: str,
        items: Iterable[Item],
        *,
        novelty: int | None = None,
        batch_items: int = BATCH_ITEMS,
        batch_bytes: int = BATCH_BYTES,
    ) -> Stream[Written]:
        """See :meth:`Service.upsert_stream`; positions in ``errors`` count within the acknowledged batch.

        Items are taken from ``items`` only as fast as the server stores them. When the server goes away, what it has
        not acknowledged is sent again: that is harmless, it is then UNCHANGED. A batch is closed after ``batch_items``
        items or ``batch_bytes`` bytes.
        """

        def batched() -> Iterator[Batch]:
            head = self._first(collection, novelty)
            return batches(head, self._kind(collection), items, batch_items, batch_bytes)

        return Stream(partial(self._uploaded, batched))

    def _uploaded(self, batched: Callable[[], Iterator[Batch]], underway: Underway) -> Generator[Written, None, None]:
        def begin(messages: Iterator[items_pb2.UpsertStreamRequest]) -> Any:
            return underway.began(self._items.UpsertStream(messages, metadata=self._metadata))

        upload = Upload(batched())
        with self._raising():
            yield from upload.run(begin)

    @staticmethod
    def _first(collection: str, novelty: int | None) -> items_pb2.UpsertStreamRequest:
        return items_pb2.UpsertStreamRequest(collection=collection, novelty=requests.write_novelty(novelty))

    def get_items(self, collection: str, keys: Sequence[str]) -> list[StoredItem]:
        """See :meth:`Service.get_items`."""
        response = self._call(self._items.Get, items_pb2.GetItemsRequest(collection=collection, keys=keys))
        return [read_stored(item) for item in response.items]

    def content(self, collection: str, key: str) -> bytes:
        """See :meth:`Service.content`."""
        request = items_pb2.GetContentRequest(collection=collection, key=key)
        content: bytes = self._call(self._items.GetContent, request).content
        return content

    def list_items(
        self, collection: str, *, filter: Node | None = None, page_size: int = 100, page_token: str = ""
    ) -> Page:
        """See :meth:`Service.list_items`."""
        if page_size < 1:
            raise InvalidArgument(f"page_size must be positive, not {page_size}", field="page_size")
        response = self._call(self._items.List, requests.list_items(collection, filter, page_size, page_token))
        return Page(tuple(read_stored(item) for item in response.items), response.next_page_token)

    def delete_items(
        self, collection: str, *, keys: Sequence[str] = (), filter: Node | None = None, request_id: str = ""
    ) -> Written:
        """See :meth:`Service.delete_items`."""
        request = requests.delete_items(collection, keys, filter, request_id or _new_id())
        return read_written(self._call(self._items.Delete, request))

    def count_items(self, collection: str, *, filter: Node | None = None) -> int:
        """See :meth:`Service.count_items`."""
        count: int = self._call(self._items.Count, requests.count_items(collection, filter)).count
        return count

    # search

    def search(
        self,
        collection: str,
        queries: Sequence[Query],
        *,
        k: int = 10,
        filter: Node | None = None,
        keys: bool = True,
        metadata: bool = True,
        rerank: Rerank | None = None,
        effort: int = 0,
        exact: bool = False,
    ) -> list[Answer]:
        """See :meth:`Service.search`."""
        request = requests.search(
            collection, queries, k, filter, keys=keys, metadata=metadata, rerank=rerank, effort=effort, exact=exact
        )
        return read_answers(self._call(self._search.Search, request))

    def neighbours(
        self, collection: str, queries: NDArray[Any], *, k: int = 10, filter: Node | None = None
    ) -> Neighbours:
        """The k nearest of each row of ``queries``, without keys and metadata: arrays in and out.

        The rows are codes ``uint8[m, bits/8]``, or vectors ``float32[m, d]`` (other floats are converted).
        """
        request = requests.search_arrays(collection, queries, k, filter)
        return requests.read_neighbours(self._call(self._search.Search, request))

    def within(
        self, collection: str, query: Query, *, radius: int, filter: Node | None = None, metadata: bool = True
    ) -> Answer:
        """See :meth:`Service.within`."""
        request = requests.within(collection, query, radius, filter, metadata=metadata)
        with self._raising():
            return requests.read_within(self._search.Within(request, timeout=self.timeout, metadata=self._metadata))

    def within_pieces(
        self,
        collection: str,
        query: Query,
        *,
        radius: int,
        filter: Node | None = None,
        metadata: bool = True,
        size: int = PIECE,
    ) -> Stream[Answer]:
        """See :meth:`Service.within_pieces`; closing the iterator ends the call."""
        request = requests.within(collection, query, radius, filter, metadata=metadata)
        return Stream(partial(self._read_within, request, size))

    def _read_within(
        self, request: search_pb2.WithinRequest, size: int, underway: Underway
    ) -> Generator[Answer, None, None]:
        with self._raising():
            for piece in requests.read_pieces(underway.began(self._search.Within(request, metadata=self._metadata))):
                for start in range(0, max(1, len(piece.matches)), size):
                    yield replace(piece, matches=piece.matches[start : start + size])

    def encode(self, encoder: str, contents: Sequence[bytes]) -> NDArray[np.uint8]:
        """See :meth:`Service.encode`."""
        version = self.encoder(encoder)
        response = self._call(self._encoding.Encode, requests.encode(version, contents))
        return np.frombuffer(response.codes, np.uint8).reshape(len(contents), response.bits // 8)

    def reconstruct(self, encoder: str, contents: Sequence[bytes]) -> list[Made]:
        """See :meth:`Service.reconstruct`."""
        request = requests.reconstruct(self.encoder(encoder), contents)
        return read_made(self._call(self._encoders.Reconstruct, request))

    def generate(self, encoder: str, count: int, *, seed: int = 0) -> list[Made]:
        """See :meth:`Service.generate`."""
        return read_made(self._call(self._encoders.Generate, requests.generate(encoder, count, seed)))

    def interpolate(self, encoder: str, first: bytes, last: bytes, *, steps: int = STEPS) -> list[Made]:
        """See :meth:`Service.interpolate`."""
        request = requests.interpolate(self.encoder(encoder), first, last, steps)
        return read_made(self._call(self._encoders.Interpolate, request))

    # encoders

    def encoders(self) -> list[EncoderVersion]:
        """See :meth:`Service.encoders`; where a folder lies is the server's own affair."""
        pages = self._pages(self._encoders.List, encoders_pb2.ListEncodersRequest())
        return [read_encoder(encoder) for page in pages for encoder in page.encoders]

    def encoder(self, label: str) -> EncoderVersion:
        """See :meth:`Service.encoder`."""
        return read_encoder(self._call(self._encoders.Get, encoders_pb2.GetEncoderRequest(encoder=label)))

    # jobs

    def create_job(self, kind: JobKind, spec: Mapping[str, Any], *, request_id: str = "") -> Job:
        """See :meth:`Service.create_job`."""
        return read_job(self._call(self._jobs.Create, requests.create_job(kind, spec, request_id or _new_id())))

    def job(self, number: int) -> Job:
        """See :meth:`Service.job`."""
        return read_job(self._call(self._jobs.Get, jobs_pb2.GetJobRequest(id=number)))

    def jobs(self, *, before: int | None = None, limit: int | None = None) -> list[Job]:
        """See :meth:`Service.jobs`; no more pages are asked for than ``limit`` takes."""
        pages = self._pages(self._jobs.List, jobs_pb2.ListJobsRequest())
        older = (job for page in pages for job in page.jobs if before is None or job.id < before)
        return [read_job(job) for job in islice(older, limit)]

    def cancel_job(self, number: int) -> Job:
        """See :meth:`Service.cancel_job`."""
        return read_job(self._call(self._jobs.Cancel, jobs_pb2.CancelJobRequest(id=number)))

    def watch_job(self, number: int) -> Stream[Job]:
        """See :meth:`Service.watch_job`; closing the iterator ends the call."""
        return Stream(partial(self._read_watch, jobs_pb2.WatchJobRequest(id=number)))

    def _read_watch(self, request: jobs_pb2.WatchJobRequest, underway: Underway) -> Generator[Job, None, None]:
        with self._raising():
            for job in underway.began(self._jobs.Watch(request, metadata=self._metadata)):
                yield read_job(job)

    def dead_letters(self, number: int, *, after: int = 0, limit: int | None = None) -> list[DeadLetter]:
        """See :meth:`Service.dead_letters`; as :meth:`jobs`."""
        pages = self._pages(self._jobs.ListDeadLetters, jobs_pb2.ListDeadLettersRequest(id=number))
        behind = (letter for page in pages for letter in page.dead_letters if letter.id > after or not after)
        return [read_dead_letter(letter) for letter in islice(behind, limit)]


def _new_id() -> str:
    return uuid.uuid4().hex
