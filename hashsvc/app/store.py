"""A store in this process: the verbs of the service over catalog, blobs, encoders and live indexes."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hashsvc import ingest
from hashsvc.app import bulk, work
from hashsvc.app.encoding import LoadedEncoders
from hashsvc.app.following import SNAPSHOT_CHANGES, Follower
from hashsvc.app.layout import Layout
from hashsvc.app.paging import read_token, write_token
from hashsvc.catalog import Catalog, migrate, open_catalog
from hashsvc.codes import check_bits
from hashsvc.content import Blobs
from hashsvc.domain.collections import Collection
from hashsvc.domain.encoders import check_name
from hashsvc.domain.filters import Node, check_filter
from hashsvc.domain.items import Item, Outcome, Row, StoredItem, Written, check_key
from hashsvc.domain.jobs import JobKind
from hashsvc.domain.kinds import ContentMode, FieldType, IndexKind, Kind
from hashsvc.domain.metadata import check_field_name
from hashsvc.domain.queries import CodeQuery, ContentQuery, KeyQuery
from hashsvc.domain.service import Page
from hashsvc.errors import FailedPrecondition, HashsvcError, InvalidArgument, NotFound
from hashsvc.readers import Columns
from hashsvc.search import Searcher
from hashsvc.settings import Limits, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from numpy.typing import NDArray

    from hashsvc.catalog import Commit
    from hashsvc.domain.encoders import EncoderVersion
    from hashsvc.domain.jobs import DeadLetter, Job
    from hashsvc.domain.neighbours import Answer
    from hashsvc.domain.queries import Query, Rerank
    from hashsvc.encoders import Encoder, OnProgress
    from hashsvc.errors import Corrupt
    from hashsvc.runners.progress import OnProgress as OnUnit

Role = Literal["owner", "worker"]
log = logging.getLogger(__name__)

STREAM_ITEMS = 1_000
WATCH_S = 0.2


def open_store(
    location: str,
    *,
    settings: Settings | None = None,
    role: Role = "owner",
    address: str = "",
    eager: bool = True,
) -> Store:
    """Open the store at a folder or a PostgreSQL URL; a new embedded store is created.

    Args:
        location: a folder, or ``postgresql://...`` with its files under ``settings.folder``.
        settings: limits and folders; the defaults when None.
        role: "owner" holds the live indexes and may search and publish; "worker" only writes through SQL.
        address: how other processes reach this one, told to those who find the store owned.
        eager: each search first looks for what workers committed; False leaves that to :meth:`Store.upkeep`, as a
            server does. Writes of this process are seen at once either way.

    Raises:
        Owned: another process owns the store; the message says how to reach it.
        FailedPrecondition: the schema is older or newer than this version.
        Unavailable: the database does not answer.
    """
    settings = settings or Settings(store=location)
    layout = Layout.of(location, settings.folder)
    layout.folder.mkdir(parents=True, exist_ok=True)
    if layout.embedded and not (layout.folder / "catalog.sqlite3").exists():
        migrate(layout.database)
    return Store(layout, settings, role=role, address=address, eager=eager)


class Store:
    """The verbs of :class:`hashsvc.domain.service.Service` over one database and one folder.

    Safe to use from several threads. Use as a context manager, or call :meth:`close`.
    """

    def __init__(self, layout: Layout, settings: Settings, *, role: Role, address: str, eager: bool) -> None:
        self.layout = layout
        self.settings = settings
        self.catalog: Catalog = open_catalog(layout.database)
        self.role = role
        if role == "owner":
            try:
                self.catalog.owners.acquire("store", address)
            except BaseException:
                self.catalog.close()
                raise
        self.blobs = Blobs(str(layout.blobs))
        self.loaded = LoadedEncoders(layout.encoders, settings.limits)
        self._followers: dict[int, Follower] = {}
        self._searchers: dict[str, Searcher] = {}
        self._eager = eager
        self._lock = threading.Lock()

    @property
    def limits(self) -> Limits:
        """What one request may ask for."""
        return self.settings.limits

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Publish what is new, let go of the ownership and the database."""
        if self.role == "owner":
            self.publish(least=SNAPSHOT_CHANGES)
            self.catalog.owners.release("store")
        self.catalog.close()

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
        check_name(name)
        _check_fields(fields)
        if encoder is None:
            if bits is None:
                raise InvalidArgument("name an encoder, or give bits for a collection of ready codes", field="encoder")
            collection = Collection(
                name, Kind.CODE, check_bits(bits), content=ContentMode.NONE, fields=dict(fields or {}), index=index
            )
        else:
            version = self.catalog.encoders.get(encoder)
            if bits not in {None, version.spec.bits}:
                raise InvalidArgument(
                    f"encoder {version.label} makes {version.spec.bits} bits, not {bits}", field="bits"
                )
            collection = Collection(
                name,
                version.spec.kind,
                version.spec.bits,
                encoder=version.label,
                fingerprint=version.spec.fingerprint,
                content=content,
                fields=dict(fields or {}),
                index=index,
            )
        return self.catalog.collections.create(collection)

    def collection(self, name: str) -> Collection:
        """See :meth:`Service.collection`."""
        return self.catalog.collections.get(name)

    def collections(self) -> list[Collection]:
        """See :meth:`Service.collections`."""
        return self.catalog.collections.list()

    def update_collection(
        self, name: str, *, fields: Mapping[str, FieldType] | None = None, index: IndexKind | None = None
    ) -> Collection:
        """See :meth:`Service.update_collection`."""
        self._check_owner()
        _check_fields(fields)
        collection = self.catalog.collections.update(name, fields=fields, index=index)
        self._forget(collection)
        return collection

    def delete_collection(self, name: str) -> None:
        """See :meth:`Service.delete_collection`."""
        self._check_owner()
        collection = self.collection(name)
        self.catalog.collections.delete(name)
        self._forget(collection)

    def _forget(self, collection: Collection) -> None:
        with self._lock:
            self._followers.pop(collection.id, None)
            self._searchers.pop(collection.name, None)

    # items

    def upsert(self, collection: str, items: Sequence[Item], *, request_id: str = "") -> Written:
        """See :meth:`Service.upsert`."""
        self._check_count(len(items), "items", self.limits.max_items)
        held = self.collection(collection)
        prepared = self._prepare(held, items, whole=bool(request_id))
        for position, error in prepared.errors.items():
            raise error.at(f"items[{position}]")
        return self._write(held, items, prepared, request_id)

    def upsert_stream(self, collection: str, items: Iterable[Item]) -> Iterator[Written]:
        """See :meth:`Service.upsert_stream`."""
        held = self.collection(collection)
        stream = iter(items)
        while batch := list(islice(stream, STREAM_ITEMS)):
            yield self._write(held, batch, self._prepare(held, batch), "")

    def _prepare(self, collection: Collection, items: Sequence[Item], *, whole: bool = False) -> ingest.Prepared:
        """Rows to write; ``whole``: unchanged ones go along, so that the catalog knows a repeated request again."""
        held = self.catalog.items.held(collection, [item.key for item in items])
        encoder = self.writing_encoder(collection)
        prepared = ingest.prepare(collection, items, held, encoder=encoder, blobs=self.blobs)
        if whole:
            prepared.rows |= {position: _as_row(held[items[position].key]) for position in prepared.unchanged}
            prepared.rows = dict(sorted(prepared.rows.items()))
        return prepared

    def writing_encoder(self, collection: Collection) -> Encoder | None:
        """The encoder that computes codes for a collection; None for ready codes. The first use is recorded (law 1)."""
        if collection.encoder is None:
            return None
        encoder = self.loaded.get(collection.fingerprint)
        if not collection.path:
            from hashsvc.encoders.path import encoding_path

            self.catalog.collections.update(collection.name, path=encoding_path())
        return encoder

    def _write(
        self, collection: Collection, items: Sequence[Item], prepared: ingest.Prepared, request_id: str
    ) -> Written:
        """One transaction, then the live index; acknowledged when this returns."""
        rows = prepared.rows
        commit = self.catalog.items.write(collection, list(rows.values()), request_id=request_id)
        self._applied(collection, commit, [row.code for row in rows.values()])
        outcomes = [Outcome.UNCHANGED] * len(items)
        for position, outcome in zip(rows, commit.outcomes, strict=True):
            outcomes[position] = outcome
        for position in prepared.errors:
            outcomes[position] = Outcome.REFUSED
        return Written(tuple(outcomes), commit.watermark, prepared.errors)

    def _applied(self, collection: Collection, commit: Commit, codes: Sequence[bytes]) -> None:
        """Bring a commit into the live index: from memory when it is the next one, else by replay of the log."""
        if self.role != "owner":
            return
        upserted, deleted = commit.ids[: len(codes)], commit.ids[len(codes) :]
        packed = np.frombuffer(b"".join(codes), np.uint8).reshape(-1, collection.bits // 8)
        self._follower(collection).applied(commit, upserted, packed, deleted)

    def get_items(self, collection: str, keys: Sequence[str]) -> list[StoredItem]:
        """See :meth:`Service.get_items`."""
        self._check_count(len(keys), "keys", self.limits.max_page)
        for position, key in enumerate(keys):
            check_key(key, f"keys[{position}]")
        return self.catalog.items.get(self.collection(collection), keys)

    def content(self, collection: str, key: str) -> bytes:
        """See :meth:`Service.content`."""
        held = self.collection(collection)
        if held.content is not ContentMode.BYTES:
            raise FailedPrecondition(
                f"collection {collection!r} keeps {held.content} of its items, not their bytes",
                reason="CONTENT_NOT_KEPT",
            )
        [item] = self.catalog.items.get(held, [check_key(key)])
        return self.blobs.get(item.content_hash.hex())

    def list_items(
        self, collection: str, *, filter: Node | None = None, page_size: int = 100, page_token: str = ""
    ) -> Page:
        """See :meth:`Service.list_items`."""
        self._check_count(page_size, "page_size", self.limits.max_page)
        held = self.collection(collection)
        listing = f"{held.id} {filter!r}"
        after = read_token(listing, page_token)
        items = self.catalog.items.list(held, filter=_checked(filter), limit=page_size + 1, after_id=after)
        page = tuple(items[:page_size])
        return Page(page, write_token(listing, page[-1].id) if len(items) > page_size else "")

    def delete_items(
        self, collection: str, *, keys: Sequence[str] = (), filter: Node | None = None, request_id: str = ""
    ) -> Written:
        """See :meth:`Service.delete_items`."""
        if bool(keys) == (filter is not None):
            raise InvalidArgument("give keys or a filter, exactly one of the two", field="keys")
        held = self.collection(collection)
        if filter is not None:
            keys = self.catalog.items.keys(held, _checked(filter))
        for position, key in enumerate(keys):
            check_key(key, f"keys[{position}]")
        asked = "" if filter is None else repr(filter)
        commit = self.catalog.items.write(held, [], keys, request_id=request_id, asked=asked, passing=filter)
        self._applied(held, commit, [])
        return Written(commit.outcomes, commit.watermark)

    def count_items(self, collection: str, *, filter: Node | None = None) -> int:
        """See :meth:`Service.count_items`."""
        return self.catalog.items.count(self.collection(collection), _checked(filter))

    # search

    def search(
        self,
        collection: str,
        queries: Sequence[Query],
        *,
        k: int = 10,
        filter: Node | None = None,
        metadata: bool = True,
        rerank: Rerank | None = None,
    ) -> list[Answer]:
        """See :meth:`Service.search`."""
        self._check_count(k, "k", self.limits.max_k)
        self._check_count(len(queries), "queries", self.limits.max_queries)
        for position, query in enumerate(queries):
            _check_query(query, f"queries[{position}]")
        if rerank is not None:
            self._check_candidates(k, rerank)
        searcher = self._searcher(collection)
        return searcher.search(queries, k=k, filter=filter, metadata=metadata, rerank=rerank)

    def _check_candidates(self, k: int, rerank: Rerank) -> None:
        if rerank.oversampling < 1:
            raise InvalidArgument(
                f"oversampling must be at least 1, not {rerank.oversampling}", field="rerank.oversampling"
            )
        if k * rerank.oversampling > self.limits.max_k:
            raise InvalidArgument(
                f"{k} x {rerank.oversampling} candidates are more than the {self.limits.max_k} that one query may have",
                field="rerank.oversampling",
            )

    def within(
        self, collection: str, query: Query, *, radius: int, filter: Node | None = None, metadata: bool = True
    ) -> Answer:
        """See :meth:`Service.within`."""
        _check_query(query, "query")
        return self._searcher(collection).within(query, radius=radius, filter=filter, metadata=metadata)

    def encode(self, encoder: str, contents: Sequence[bytes]) -> NDArray[np.uint8]:
        """See :meth:`Service.encode`."""
        self._check_count(len(contents), "contents", self.limits.max_items)
        loaded = self.loaded.get(self.encoder(encoder).spec.fingerprint)
        return loaded.encode(ingest.decode_all(loaded, contents))

    def _searcher(self, name: str) -> Searcher:
        searcher = self._searchers.get(name)
        if searcher is None:
            collection = self.collection(name)
            follower = self._follower(collection)
            if follower.view().watermark < collection.watermark:
                follower.catch_up()
            encoder = partial(self.loaded.get, collection.fingerprint)
            view, newer = follower.view, follower.newest
            searcher = Searcher(collection, self.catalog, encoder, follower.rows.get, self.blobs.get, view, newer)
            with self._lock:
                # Not if the collection was changed or deleted meanwhile: nobody would forget this searcher then.
                if not self._eager and self._followers.get(collection.id) is follower:
                    self._searchers[name] = searcher
        return searcher

    def _follower(self, collection: Collection) -> Follower:
        self._check_owner()
        with self._lock:
            follower = self._followers.get(collection.id)
            if follower is None:
                folder = self.layout.snapshots / str(collection.id)
                most = self.settings.cached_rows
                follower = Follower(collection, self.catalog, folder, damaged=_set_aside, cached_rows=most)
                self._followers[collection.id] = follower
            return follower

    def _check_owner(self) -> None:
        if self.role != "owner":
            raise FailedPrecondition("a worker holds no index: search through the owner of the store")

    # encoders

    def encoders(self) -> list[EncoderVersion]:
        """See :meth:`Service.encoders`."""
        return self.catalog.encoders.list()

    def encoder(self, label: str) -> EncoderVersion:
        """See :meth:`Service.encoder`."""
        return self.catalog.encoders.get(label)

    # jobs

    def create_job(self, kind: JobKind, spec: Mapping[str, Any], *, request_id: str = "") -> Job:
        """See :meth:`Service.create_job`."""
        return work.create(self, kind, spec, request_id=request_id)

    def job(self, number: int) -> Job:
        """See :meth:`Service.job`."""
        return self.catalog.jobs.get(number)

    def jobs(self) -> list[Job]:
        """See :meth:`Service.jobs`."""
        return self.catalog.jobs.list()

    def cancel_job(self, number: int) -> Job:
        """See :meth:`Service.cancel_job`."""
        return self.catalog.jobs.cancel(number)

    def watch_job(self, number: int) -> Iterator[Job]:
        """See :meth:`Service.watch_job`."""
        before = None
        while True:
            job = self.job(number)
            if job != before:
                yield job
            if job.state.final:
                return
            before = job
            time.sleep(WATCH_S)

    def dead_letters(self, number: int) -> list[DeadLetter]:
        """See :meth:`Service.dead_letters`."""
        return self.catalog.jobs.dead_letters(number)

    # long work in this process

    def train(
        self,
        name: str,
        sources: Sequence[str],
        *,
        kind: Kind,
        bits: int = 64,
        model: str = "auto",
        seed: int = 0,
        columns: Columns | None = None,
        limit: int | None = None,
        progress: OnProgress | None = None,
    ) -> EncoderVersion:
        """Train an encoder on the rows of sources and register it; see :class:`hashsvc.app.work.TrainSpec`."""
        spec = work.TrainSpec(
            check_name(name), tuple(sources), kind, check_bits(bits), model, seed, columns or Columns(), limit
        )
        return work.train_encoder(self, spec, progress)

    def ingest(
        self,
        collection: str,
        sources: Sequence[str],
        *,
        columns: Columns | None = None,
        limit: int | None = None,
        progress: OnUnit | None = None,
    ) -> Job:
        """Ingest sources into a collection as a job of this process; returns the job when it is done.

        Raises:
            NotFound: the collection, or a source.
            InvalidArgument: a source is of no known format, or has not the columns that were asked for.
        """
        job = bulk.ingest_sources(self, collection, sources, columns=columns, limit=limit, progress=progress)
        if self.role == "owner":
            self._follower(self.collection(collection)).catch_up()
        return job

    # upkeep

    def publish(self, *, least: int = 1) -> int:
        """Publish a snapshot of each live index that changed by at least ``least`` writes; how many were."""
        with self._lock:
            followers = list(self._followers.values())
        return sum(follower.publish(least=least) for follower in followers)

    def upkeep(self) -> None:
        """What the owner does between requests: follow the log, fuse segments, publish what has grown."""
        first: HashsvcError | None = None
        for collection in self.collections():
            try:
                self._tend(collection)
            except NotFound:
                continue  # deleted meanwhile
            except HashsvcError as error:
                first = first or error
        if first is not None:
            raise first

    def _tend(self, collection: Collection) -> None:
        follower = self._follower(collection)
        if follower.view().watermark < collection.watermark:
            follower.catch_up()
        follower.merge()
        follower.publish(least=SNAPSHOT_CHANGES)

    def rebuild(self, name: str) -> None:
        """Make the live index of a collection anew from SQL, and one snapshot of it in place of all others."""
        self._check_owner()
        collection = self.collection(name)
        self._forget(collection)
        shutil.rmtree(self.layout.snapshots / str(collection.id), ignore_errors=True)
        self._follower(collection).publish(least=0)

    def warm(self) -> None:
        """Load every live index and the encoder of every collection, so that no request has to."""
        self.upkeep()
        for fingerprint in {collection.fingerprint for collection in self.collections()} - {""}:
            self.loaded.get(fingerprint)

    @staticmethod
    def _check_count(count: int, field: str, most: int) -> None:
        if not 1 <= count <= most:
            raise InvalidArgument(f"{field} must be 1 to {most}, not {count}", field=field)


def _as_row(item: StoredItem) -> Row:
    return Row(item.key, item.content_hash, item.code, item.metadata, item.reference, item.features)


def _checked(filter: Node | None) -> Node | None:
    return None if filter is None else check_filter(filter)


def _check_fields(fields: Mapping[str, FieldType] | None) -> None:
    for name in fields or ():
        check_field_name(name, "fields")


def _check_query(query: object, where: str) -> None:
    if not isinstance(query, ContentQuery | CodeQuery | KeyQuery):
        raise InvalidArgument(
            f"a query is a ContentQuery, CodeQuery or KeyQuery, not {type(query).__name__}", field=where
        )
    if isinstance(query, ContentQuery) and not isinstance(query.content, bytes):
        raise InvalidArgument(f"content is bytes, not {type(query.content).__name__}", field=f"{where}.content")


def _set_aside(error: Corrupt) -> None:
    log.error("damaged snapshot set aside, the index is rebuilt from SQL: %s", error.message)
