"""The one set of verbs that a store in this process and a client of a server both offer."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hashsvc.domain.collections import Collection
    from hashsvc.domain.dedupservice import DedupService
    from hashsvc.domain.encoders import EncoderVersion, Made
    from hashsvc.domain.filters import Node
    from hashsvc.domain.items import Item, StoredItem, Written
    from hashsvc.domain.jobs import DeadLetter, Job, JobKind
    from hashsvc.domain.kinds import ContentMode, FieldType, IndexKind
    from hashsvc.domain.neighbours import Answer
    from hashsvc.domain.queries import Query, Rerank


PIECE = 2_000
STEPS = 10


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing; ``next_token`` is "" on the last one."""

    items: tuple[StoredItem, ...]
    next_token: str


class Service(Protocol):
    """What a caller can do. Every method raises the kinds of :mod:`hashsvc.errors`."""

    @property
    def dedup(self) -> DedupService:
        """The verbs on dedup runs."""
        ...

    def create_collection(
        self,
        name: str,
        *,
        encoder: str | None = None,
        bits: int | None = None,
        content: ContentMode = ...,
        fields: Mapping[str, FieldType] = ...,
        index: IndexKind = ...,
    ) -> Collection:
        """Create a collection under ``encoder`` (``name`` or ``name@version``), or of ready codes of ``bits`` bits."""
        ...

    def collection(self, name: str) -> Collection:
        """The named collection, with its counts as of now."""
        ...

    def collections(self) -> list[Collection]:
        """Every collection, by name."""
        ...

    def update_collection(
        self, name: str, *, fields: Mapping[str, FieldType] | None = None, index: IndexKind | None = None
    ) -> Collection:
        """Replace the declared fields or the index kind; None leaves as it is."""
        ...

    def delete_collection(self, name: str) -> None:
        """Delete a collection and everything in it."""
        ...

    def switch_collection(self, name: str, other: str) -> Collection:
        """Exchange the names of two collections in one step; what answers as ``name`` from now on.

        Where a reencode job tied them, ``other`` is first brought up to the last write of ``name``: no write is lost,
        and searches go on. Switching again is the way back.

        Raises:
            FailedPrecondition: they hold different kinds of items, or a job still copies one into the other.
            Aborted: writes kept coming between; nothing was switched.
        """
        ...

    def upsert(
        self, collection: str, items: Sequence[Item], *, request_id: str = "", novelty: int | None = None
    ) -> Written:
        """Store items in one transaction, all or none; a repeated ``request_id`` answers as the first call did.

        With ``novelty`` an item is stored only if no other item lies within that Hamming distance (inclusive), neither
        in the collection nor before it in the request; else it is KNOWN and its witness is named. No concurrent write
        comes between the look and the store. An item under the key of a held one replaces it and is not compared to it.

        Raises:
            InvalidArgument: an item is wrong (named as ``items[i]...``); nothing is stored.
            Aborted: other writes kept coming between; nothing is stored, try again.
        """
        ...

    def upsert_stream(self, collection: str, items: Iterable[Item], *, novelty: int | None = None) -> Iterator[Written]:
        """Store items in batches, one acknowledgement a batch; a wrong item is REFUSED and costs only itself."""
        ...

    def get_items(self, collection: str, keys: Sequence[str]) -> list[StoredItem]:
        """The stored items with these keys, in order; NotFound names the first key that is absent."""
        ...

    def content(self, collection: str, key: str) -> bytes:
        """The bytes of a stored item; FailedPrecondition where the collection does not keep them."""
        ...

    def list_items(
        self, collection: str, *, filter: Node | None = None, page_size: int = 100, page_token: str = ""
    ) -> Page:
        """One page of items in order of id."""
        ...

    def delete_items(
        self, collection: str, *, keys: Sequence[str] = (), filter: Node | None = None, request_id: str = ""
    ) -> Written:
        """Delete by keys or by filter (exactly one of the two)."""
        ...

    def count_items(self, collection: str, *, filter: Node | None = None) -> int:
        """How many items pass the filter."""
        ...

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
        """The k nearest items of each query, in order of (distance, id).

        Without ``keys`` and ``metadata`` matches are ids and distances alone, which costs least. With ``rerank`` the
        nearest ``k * rerank.oversampling`` items are ranked by (score, id) instead. ``effort`` says how much an
        approximate kind of index looks at, lists (IVF) or candidates (HNSW), 0 leaving it to the index; ``exact`` asks
        for an exact answer whatever the kind.
        """
        ...

    def within(
        self, collection: str, query: Query, *, radius: int, filter: Node | None = None, metadata: bool = True
    ) -> Answer:
        """Every item at distance <= radius, in order of (distance, id)."""
        ...

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
        """The same in pieces, at least one, of at most ``size`` matches, for answers too large to hold.

        Each piece names the total of all. A piece is not complete where an item was deleted while the answer was read.
        Whoever has seen enough closes the iterator.
        """
        ...

    def encode(self, encoder: str, contents: Sequence[bytes]) -> NDArray[np.uint8]:
        """Codes ``uint8[n, bits/8]`` of contents in the encoder's kind."""
        ...

    def reconstruct(self, encoder: str, contents: Sequence[bytes]) -> list[Made]:
        """Contents rebuilt from their latents, in the encoder's kind.

        Pictures come as PNG files at the size it sees, texts as their most probable words.

        Raises:
            FailedPrecondition: the encoder keeps no decoder (reason NO_DECODER); likewise for the two verbs below.
        """
        ...

    def generate(self, encoder: str, count: int, *, seed: int = 0) -> list[Made]:
        """``count`` new contents from drawn latents; the same seed (``uint32``) draws the same."""
        ...

    def interpolate(self, encoder: str, first: bytes, last: bytes, *, steps: int = STEPS) -> list[Made]:
        """Contents on the straight line between two latents: ``steps`` of them, both rebuilt ends among them."""
        ...

    def encoders(self) -> list[EncoderVersion]:
        """Every registered encoder version, by name and version."""
        ...

    def encoder(self, label: str) -> EncoderVersion:
        """One encoder version; a bare name stands for the newest."""
        ...

    def create_job(self, kind: JobKind, spec: Mapping[str, Any], *, request_id: str = "") -> Job:
        """Plan long work; a worker runs it."""
        ...

    def job(self, number: int) -> Job:
        """One job as it stands."""
        ...

    def jobs(self, *, before: int | None = None, limit: int | None = None) -> list[Job]:
        """Every job, newest first; those with a lower number than ``before``, at most ``limit``."""
        ...

    def cancel_job(self, number: int) -> Job:
        """Ask a job to stop after the unit in hand; final jobs stay as they are."""
        ...

    def watch_job(self, number: int) -> Iterator[Job]:
        """The job each time it changes, until it is final."""
        ...

    def dead_letters(self, number: int, *, after: int = 0, limit: int | None = None) -> list[DeadLetter]:
        """Rows of a job that could not be stored, as they were met; those behind id ``after``, at most ``limit``."""
        ...

    def close(self) -> None:
        """Let go of everything held."""
        ...
