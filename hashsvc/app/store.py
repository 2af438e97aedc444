"""A store in this process: the verbs of the service over catalog, blobs, encoders and live indexes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from hashsvc import ingest
from hashsvc.app import bulk, reencoding, work
from hashsvc.app.collections import Collections
from hashsvc.app.dedup import DedupVerbs
from hashsvc.app.encoding import EncoderFolders, LoadedEncoders
from hashsvc.app.following import SNAPSHOT_CHANGES
from hashsvc.app.items import Items
from hashsvc.app.live import LiveIndexes
from hashsvc.app.making import Maker
from hashsvc.app.reencoding import ReencodeSpec
from hashsvc.app.refusing import check_count, check_query, check_search, checked
from hashsvc.app.roles import check_index, check_owner, check_writer
from hashsvc.app.switching import Switch
from hashsvc.app.upkeep import Upkeep
from hashsvc.catalog import Catalog, open_catalog
from hashsvc.codes import check_bits
from hashsvc.content import Blobs
from hashsvc.domain.encoders import check_name
from hashsvc.domain.filters import Node
from hashsvc.domain.items import Item, StoredItem, Written
from hashsvc.domain.jobs import JobKind
from hashsvc.domain.kinds import ContentMode, FieldType, IndexKind, Kind
from hashsvc.domain.models import check_model
from hashsvc.domain.service import PIECE, STEPS, Page
from hashsvc.readers import Columns
from hashsvc.search import Exactness, Searcher
from hashsvc.settings import Limits, Settings

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    import numpy as np
    from numpy.typing import NDArray

    from hashsvc.app.layout import Layout
    from hashsvc.app.roles import Role
    from hashsvc.app.running import Hands
    from hashsvc.catalog import Commit
    from hashsvc.domain.collections import Collection
    from hashsvc.domain.encoders import EncoderVersion, Made
    from hashsvc.domain.indexes import IndexState
    from hashsvc.domain.jobs import DeadLetter, Job
    from hashsvc.domain.neighbours import Answer
    from hashsvc.domain.queries import Query, Rerank
    from hashsvc.domain.shards import Shard
    from hashsvc.encoders import Encoder, OnProgress
    from hashsvc.index import View
    from hashsvc.runners.progress import OnProgress as OnUnit

WATCH_S = 0.2


class Store:
    """The verbs of :class:`hashsvc.domain.service.Service` over one database and one folder.

    Safe to use from several threads. Use as a context manager, or call :meth:`close`.
    """

    def __init__(
        self,
        layout: Layout,
        settings: Settings,
        *,
        role: Role,
        address: str,
        eager: bool,
        shard: Shard | None = None,
        warm: bool = False,
    ) -> None:
        self.layout = layout
        self.settings = settings
        self.catalog: Catalog = open_catalog(layout.database)
        self.role = role
        self._shard = shard
        self._owned = "store" if role == "owner" else shard.label if shard else ""
        if self._owned:
            try:
                self.catalog.owners.acquire(self._owned, address)
            except BaseException:
                self.catalog.close()
                raise
        self.blobs = Blobs(layout.blobs)
        self.folders = EncoderFolders(layout.encoders, layout.depot("encoders"))
        self.loaded = LoadedEncoders(self.folders, settings.limits, settings.device)
        self._live = LiveIndexes(
            self.catalog,
            self.blobs,
            self.loaded,
            layout.snapshots,
            shared=layout.depot("snapshots"),
            cached_rows=settings.cached_rows,
            eager=eager,
            shard=shard,
            fence=self._owned,
            device=settings.device,
        )
        self._upkeep = Upkeep(self.catalog, self._live, role, self._owned)
        self._collections = Collections(self.catalog, self._live, settings, warmed=warm)
        self._items = Items(
            self.catalog, self.blobs, self.loaded, settings.limits, applied=self._applied, newest=self._newest
        )
        self._switch = Switch(self, self._live, self._items.gate)
        self.dedup = DedupVerbs(self, self._changed)

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
        try:
            if self._owned:
                self.publish(least=SNAPSHOT_CHANGES)
        finally:
            if self._owned:
                self.catalog.owners.release(self._owned)
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
        check_writer(self.role)
        return self._collections.create(name, encoder=encoder, bits=bits, content=content, fields=fields, index=index)

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
        check_owner(self.role)
        return self._collections.update(name, fields=fields, index=index)

    def delete_collection(self, name: str) -> None:
        """See :meth:`Service.delete_collection`."""
        check_owner(self.role)
        self._collections.delete(name)

    def switch_collection(self, name: str, other: str) -> Collection:
        """See :meth:`Service.switch_collection`."""
        check_owner(self.role)
        return self._switch.exchange(name, other)

    # items

    def upsert(
        self, collection: str, items: Sequence[Item], *, request_id: str = "", novelty: int | None = None
    ) -> Written:
        """See :meth:`Service.upsert`."""
        check_writer(self.role)
        return self._items.upsert(self.collection(collection), items, request_id, novelty)

    def upsert_stream(self, collection: str, items: Iterable[Item], *, novelty: int | None = None) -> Iterator[Written]:
        """See :meth:`Service.upsert_stream`."""
        check_writer(self.role)
        return self._items.upsert_stream(self.collection(collection), items, novelty)

    def get_items(self, collection: str, keys: Sequence[str]) -> list[StoredItem]:
        """See :meth:`Service.get_items`."""
        return self._items.get(self.collection(collection), keys)

    def content(self, collection: str, key: str) -> bytes:
        """See :meth:`Service.content`."""
        return self._items.content(self.collection(collection), key)

    def list_items(
        self, collection: str, *, filter: Node | None = None, page_size: int = 100, page_token: str = ""
    ) -> Page:
        """See :meth:`Service.list_items`."""
        held = self.collection(collection)
        return self._items.list(held, filter=filter, page_size=page_size, page_token=page_token)

    def delete_items(
        self, collection: str, *, keys: Sequence[str] = (), filter: Node | None = None, request_id: str = ""
    ) -> Written:
        """See :meth:`Service.delete_items`."""
        check_writer(self.role)
        return self._items.delete(self.collection(collection), keys=keys, filter=filter, request_id=request_id)

    def count_items(self, collection: str, *, filter: Node | None = None) -> int:
        """See :meth:`Service.count_items`; of a shard its own part, so that the parts add up."""
        return self._items.count(self.collection(collection), checked(filter), self._shard)

    def writing_encoder(self, collection: Collection) -> Encoder | None:
        """See :meth:`Items.writing_encoder`."""
        return self._items.writing_encoder(collection)

    def _newest(self, collection: Collection) -> View:
        """A view of everything that is committed."""
        check_index(self.role)
        return self._live.follower(collection).newest()

    def _changed(self, collection: Collection) -> None:
        """Bring what the catalog holds by now into the live index."""
        if self.role == "owner":
            self._live.follower(collection).catch_up()

    def _applied(self, collection: Collection, commit: Commit, codes: Sequence[bytes]) -> None:
        if self.role == "owner":
            self._live.applied(collection, commit, codes)

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
        check_search(queries, k, rerank, effort, self.limits)
        searcher = self._searcher(collection)
        how = Exactness(effort, exact=exact)
        return searcher.search(queries, k=k, filter=filter, keys=keys, metadata=metadata, rerank=rerank, how=how)

    def within(
        self, collection: str, query: Query, *, radius: int, filter: Node | None = None, metadata: bool = True
    ) -> Answer:
        """See :meth:`Service.within`."""
        check_query(query, "query")
        return self._searcher(collection).within(query, radius=radius, filter=filter, metadata=metadata)

    def within_pieces(
        self,
        collection: str,
        query: Query,
        *,
        radius: int,
        filter: Node | None = None,
        metadata: bool = True,
        size: int = PIECE,
    ) -> Generator[Answer, None, None]:
        """See :meth:`Service.within_pieces`."""
        check_query(query, "query")
        check_count(size, "size", self.limits.max_page)
        searcher = self._searcher(collection)
        return searcher.within_pieces(query, radius=radius, size=size, filter=filter, metadata=metadata)

    def encode(self, encoder: str, contents: Sequence[bytes]) -> NDArray[np.uint8]:
        """See :meth:`Service.encode`."""
        check_count(len(contents), "contents", self.limits.max_items)
        loaded = self.loaded.get(self.encoder(encoder).spec.fingerprint)
        return loaded.encode(ingest.decode_all(loaded, contents))

    def reconstruct(self, encoder: str, contents: Sequence[bytes]) -> list[Made]:
        """See :meth:`Service.reconstruct`."""
        return self._maker(encoder).reconstruct(contents)

    def generate(self, encoder: str, count: int, *, seed: int = 0) -> list[Made]:
        """See :meth:`Service.generate`."""
        return self._maker(encoder).generate(count, seed)

    def interpolate(self, encoder: str, first: bytes, last: bytes, *, steps: int = STEPS) -> list[Made]:
        """See :meth:`Service.interpolate`."""
        return self._maker(encoder).interpolate(first, last, steps)

    def _maker(self, encoder: str) -> Maker:
        return Maker(self.loaded, self.encoder(encoder).spec.fingerprint, self.limits.max_made)

    def _searcher(self, name: str) -> Searcher:
        check_index(self.role)
        return self._live.searcher(name)

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
        check_writer(self.role)
        return work.create(self, kind, spec, request_id=request_id)

    def job(self, number: int) -> Job:
        """See :meth:`Service.job`."""
        return self.catalog.jobs.get(number)

    def jobs(self, *, before: int | None = None, limit: int | None = None) -> list[Job]:
        """See :meth:`Service.jobs`."""
        return self.catalog.jobs.list(before=before, limit=limit)

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

    def dead_letters(self, number: int, *, after: int = 0, limit: int | None = None) -> list[DeadLetter]:
        """See :meth:`Service.dead_letters`."""
        return self.catalog.jobs.letters_after(number, after, limit)

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
            check_name(name),
            tuple(sources),
            kind,
            check_bits(bits),
            check_model(model, kind),
            seed,
            columns or Columns(),
            limit,
        )
        return work.train_encoder(self, spec, progress)

    def reencode(self, collection: str, encoder: str, *, into: str = "", progress: OnUnit | None = None) -> Job:
        """Re-encode a collection beside itself as a job of this process; see :mod:`hashsvc.app.reencoding`.

        Args:
            collection: it stays as it is; it must keep the bytes of its items.
            encoder: label of the version that computes the new codes.
            into: the collection that takes them, made if need be; ``COLLECTION.ENCODER-VERSION`` by default.
            progress: told after every unit.
        """
        given = {"collection": collection, "encoder": self.encoder(encoder).label, "into": into}
        spec = ReencodeSpec.of({name: value for name, value in given.items() if value})
        job = reencoding.run(self, reencoding.plan(self, spec), progress)
        self._changed(self.collection(spec.into))
        return job

    def ingest(
        self,
        collection: str,
        sources: Sequence[str],
        *,
        columns: Columns | None = None,
        limit: int | None = None,
        hands: Hands | None = None,
        progress: OnUnit | None = None,
    ) -> Job:
        """Ingest sources into a collection as a job run now, by ``hands`` or this process; returns it when it is done.

        Raises:
            NotFound: the collection, or a source.
            InvalidArgument: a source is of no known format, or has not the columns that were asked for.
        """
        job = bulk.ingest_sources(
            self, collection, sources, columns=columns, limit=limit, hands=hands, progress=progress
        )
        if self.role == "owner":
            self._live.follower(self.collection(collection)).catch_up()
        return job

    # upkeep

    def indexes(self) -> list[IndexState]:
        """What each live index of this process looks like now."""
        return self._live.states()

    def publish(self, *, least: int = 1) -> int:
        """Publish a snapshot of each live index that changed by at least ``least`` writes; how many were."""
        return self._live.publish(least=least)

    def upkeep(self) -> None:
        """What an owner or replica does between requests; see :mod:`hashsvc.app.upkeep`."""
        check_index(self.role)
        self._upkeep.tend()

    def rebuild(self, name: str) -> None:
        """Make the live index of a collection anew from SQL, and one snapshot of it in place of all others."""
        check_owner(self.role)
        self._live.rebuild(self.collection(name))

    def clear_snapshots(self, kept: Sequence[Collection]) -> None:
        """Delete every snapshot but those of whole collections that are kept; what is needed is made again."""
        check_owner(self.role)
        self._live.clear(kept)

    def warm_kernel(self, *, least: int = 0) -> None:
        """Compile the search kernel, or load it, for the code lengths of the collections of ``least`` items or more."""
        self._collections.warm_kernel(least)

    def warm(self) -> None:
        """Load every live index and the encoder of every collection, so that no request has to."""
        self.upkeep()
        for fingerprint in {collection.fingerprint for collection in self.collections()} - {""}:
            self.loaded.get(fingerprint)
