"""A small Service in memory: plain dictionaries, plain hamming distances, two toy encoders."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hashsvc.codes import check_bits, hamming
from hashsvc.domain.collections import Collection, no_collection
from hashsvc.domain.encoders import CodeSpec, EncoderVersion, Made
from hashsvc.domain.filters import Filter, Node, check_filter, matches
from hashsvc.domain.items import Item, Outcome, StoredItem, Witness, Written, check_key, content_hash, item_id
from hashsvc.domain.jobs import Counts, DeadLetter, Job, JobKind, JobState
from hashsvc.domain.kinds import ContentMode, FieldType, IndexKind, Kind
from hashsvc.domain.metadata import check_metadata
from hashsvc.domain.neighbours import Answer, Match
from hashsvc.domain.queries import CodeQuery, ContentQuery, KeyQuery, Query, Rerank
from hashsvc.domain.service import Page
from hashsvc.errors import (
    AlreadyExists,
    FailedPrecondition,
    HashsvcError,
    InvalidArgument,
    InvalidContent,
    NotFound,
)
from hashsvc.settings import Limits
from tests.server.emptyledger import EmptyLedger

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def toy_code(content: bytes, bits: int) -> bytes:
    """The first bits of the content hash: enough to be a pure function of the bytes."""
    return (content_hash(content) * 4)[: bits // 8]


@dataclass
class Held:
    """One collection with its items."""

    collection: Collection
    items: dict[str, StoredItem] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)


class MemoryStore:
    """Implements hashsvc.domain.service.Service."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.dedup = EmptyLedger()
        self.held: dict[str, Held] = {}
        self.made: dict[int, Job] = {}
        self.lock = threading.RLock()
        self.replies: dict[str, Written] = {}
        self.numbers = itertools.count(1)
        self.letters = [
            DeadLetter("rows.jsonl", row, "empty text", None if row % 2 else f"k{row}", 0, row + 1) for row in range(5)
        ]
        specs = {"texts": CodeSpec(64, Kind.TEXT, "ab" * 32), "vectors": CodeSpec(32, Kind.VECTOR, "cd" * 32)}
        self.versions = [
            EncoderVersion(
                name, version, spec, "itq", "", NOW, {"items": 7, "balance": 0.5, "notes": ["a", None, True]}
            )
            for name, spec in specs.items()
            for version in (1, 2)
        ]

    def switch_collection(self, name: str, other: str) -> Collection:
        one, two = self._get(name), self._get(other)
        self.held[name], self.held[other] = two, one
        two.collection, one.collection = replace(two.collection, name=name), replace(one.collection, name=other)
        return two.collection

    def _count(self, count: int, name: str, limit: int) -> None:
        if not 1 <= count <= limit:
            raise InvalidArgument(f"{name} must be 1 to {limit}, not {count}", field=name)

    def _get(self, name: str) -> Held:
        if name not in self.held:
            raise no_collection(name)
        return self.held[name]

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
        if name in self.held:
            raise AlreadyExists(f"collection {name!r} exists", field="name")
        if encoder is None:
            if bits is None:
                raise InvalidArgument("name an encoder or give bits", field="encoder")
            made = Collection(name, Kind.CODE, check_bits(bits), content=ContentMode.NONE)
        else:
            version = self.encoder(encoder)
            made = Collection(
                name, version.spec.kind, version.spec.bits, version.label, version.spec.fingerprint, content
            )
        made = replace(made, fields=dict(fields or {}), index=index, created_at=NOW, id=next(self.numbers))
        self.held[name] = Held(made)
        return made

    def collection(self, name: str) -> Collection:
        held = self._get(name)
        return replace(held.collection, items=len(held.items))

    def collections(self) -> list[Collection]:
        return [self.collection(name) for name in sorted(self.held)]

    def update_collection(
        self, name: str, *, fields: Mapping[str, FieldType] | None = None, index: IndexKind | None = None
    ) -> Collection:
        held = self._get(name)
        changes: dict[str, Any] = {"fields": fields, "index": index}
        held.collection = replace(held.collection, **{k: v for k, v in changes.items() if v is not None})
        return self.collection(name)

    def delete_collection(self, name: str) -> None:
        self._get(name)
        del self.held[name]

    def _stored(self, held: Held, item: Item, position: int) -> StoredItem:
        try:
            key = check_key(item.key)
            metadata = check_metadata(item.metadata, held.collection.fields)
            if item.content is not None and not item.content.strip():
                raise InvalidContent("the text is empty", field="content")
        except HashsvcError as error:
            raise error.at(f"items[{position}]") from None
        code = item.code or toy_code(item.content or b"", held.collection.bits)
        if len(code) * 8 != held.collection.bits:
            raise InvalidArgument(f"codes have {held.collection.bits // 8} bytes", field=f"items[{position}].code")
        return StoredItem(item_id(key), key, content_hash(item.content or code), code, metadata, 0, item.reference)

    def _put(self, held: Held, stored: StoredItem, item: Item) -> Outcome:
        old = held.items.get(stored.key)
        if old is not None and replace(old, sequence=0) == stored:
            return Outcome.UNCHANGED
        held.collection = replace(held.collection, watermark=held.collection.watermark + 1)
        held.items[stored.key] = replace(stored, sequence=held.collection.watermark)
        held.contents[stored.key] = item.content or b""
        return Outcome.STORED

    def upsert(
        self, collection: str, items: Sequence[Item], *, request_id: str = "", novelty: int | None = None
    ) -> Written:
        self._radius(self._get(collection), novelty)
        self._count(len(items), "items", self.limits.max_items)
        with self.lock:
            if request_id and request_id in self.replies:
                return self.replies[request_id]
            held = self._get(collection)
            stored = [self._stored(held, item, i) for i, item in enumerate(items)]
            witnesses: dict[int, Witness] = {}
            outcomes = []
            for position, (row, item) in enumerate(zip(stored, items, strict=True)):
                witness = self._witness(held, row, novelty)
                if witness is None:
                    outcomes.append(self._put(held, row, item))
                else:
                    outcomes.append(Outcome.KNOWN)
                    witnesses[position] = witness
            written = Written(tuple(outcomes), held.collection.watermark, {}, witnesses)
            self.replies[request_id] = written
            return written

    def _radius(self, held: Held, novelty: int | None) -> None:
        if novelty is not None and novelty > held.collection.bits:
            raise InvalidArgument(f"radius must be 0 to {held.collection.bits}", field="novelty.radius")

    def _witness(self, held: Held, row: StoredItem, novelty: int | None) -> Witness | None:
        code = np.frombuffer(row.code, np.uint8)
        near = [
            (int(hamming(np.frombuffer(other.code, np.uint8), code)), other.id, other.key)
            for other in held.items.values()
            if novelty is not None and other.key != row.key
        ]
        distance, number, key = min(near, default=(1 << 30, 0, ""))
        return Witness(key, number, distance) if novelty is not None and distance <= novelty else None

    def upsert_stream(self, collection: str, items: Iterable[Item], *, novelty: int | None = None) -> Iterator[Written]:
        held = self._get(collection)
        self._radius(held, novelty)
        source = iter(items)
        while batch := list(itertools.islice(source, 3)):
            outcomes, errors, witnesses = [], {}, {}
            for position, item in enumerate(batch):
                try:
                    with self.lock:
                        row = self._stored(held, item, position)
                        witness = self._witness(held, row, novelty)
                        if witness is not None:
                            witnesses[position] = witness
                        outcomes.append(Outcome.KNOWN if witness else self._put(held, row, item))
                except HashsvcError as error:
                    outcomes.append(Outcome.REFUSED)
                    errors[position] = error
            yield Written(tuple(outcomes), held.collection.watermark, errors, witnesses)

    def get_items(self, collection: str, keys: Sequence[str]) -> list[StoredItem]:
        self._count(len(keys), "keys", self.limits.max_page)
        held = self._get(collection)
        for position, key in enumerate(keys):
            if key not in held.items:
                raise NotFound(f"no item {key!r}", field=f"keys[{position}]")
        return [held.items[key] for key in keys]

    def content(self, collection: str, key: str) -> bytes:
        held = self._get(collection)
        if held.collection.content is not ContentMode.BYTES:
            raise FailedPrecondition("the collection keeps no bytes", reason="CONTENT_NOT_KEPT")
        [item] = self.get_items(collection, [key])
        return held.contents[item.key]

    def _passing(self, held: Held, filter: Node | None) -> list[StoredItem]:
        node = Filter() if filter is None else check_filter(filter)
        return sorted((i for i in held.items.values() if matches(node, i.metadata)), key=lambda item: item.id)

    def list_items(
        self, collection: str, *, filter: Node | None = None, page_size: int = 100, page_token: str = ""
    ) -> Page:
        if page_token and not page_token.isdigit():
            raise InvalidArgument("this page token does not belong to this listing", field="page_token")
        after = int(page_token or -1)
        left = [item for item in self._passing(self._get(collection), filter) if item.id > after]
        return Page(tuple(left[:page_size]), str(left[page_size - 1].id) if len(left) > page_size else "")

    def delete_items(
        self, collection: str, *, keys: Sequence[str] = (), filter: Node | None = None, request_id: str = ""
    ) -> Written:
        if bool(keys) == (filter is not None):
            raise InvalidArgument("give keys or a filter", field="keys")
        held = self._get(collection)
        doomed = keys if filter is None else [item.key for item in self._passing(held, filter)]
        outcomes = tuple(Outcome.DELETED if held.items.pop(key, None) else Outcome.ABSENT for key in doomed)
        return Written(outcomes, held.collection.watermark)

    def count_items(self, collection: str, *, filter: Node | None = None) -> int:
        return len(self._passing(self._get(collection), filter))

    def _code(self, held: Held, query: Query, field: str) -> tuple[bytes, str | None]:
        if isinstance(query, KeyQuery):
            if query.key not in held.items:
                raise NotFound(f"no item {query.key!r}", field=f"{field}.key")
            return held.items[query.key].code, query.key
        if isinstance(query, CodeQuery):
            if len(query.code) * 8 != held.collection.bits:
                raise InvalidArgument(f"codes have {held.collection.bits // 8} bytes", field=f"{field}.code")
            return query.code, None
        return self._encoded(held, query, field), None

    def _encoded(self, held: Held, query: ContentQuery, field: str) -> bytes:
        if query.kind is not held.collection.kind:
            raise InvalidArgument(f"the collection holds {held.collection.kind}", field=field)
        return toy_code(query.content, held.collection.bits)

    def _near(self, held: Held, query: Query, field: str, filter: Node | None, metadata: bool) -> list[Match]:
        code, own = self._code(held, query, field)
        items = [item for item in self._passing(held, filter) if item.key != own]
        if not items:
            return []
        codes = np.frombuffer(b"".join(item.code for item in items), np.uint8).reshape(len(items), -1)
        distances = hamming(np.frombuffer(code, np.uint8)[None], codes).ravel()
        rows = [
            Match(item.key, item.id, int(distance), item.metadata if metadata else {})
            for item, distance in zip(items, distances, strict=True)
        ]
        return sorted(rows, key=lambda match: (match.distance, match.id))

    def _answer(self, held: Held, found: list[Match]) -> Answer:
        collection = held.collection
        return Answer(tuple(found), collection.watermark, True, True, collection.encoder or "", len(found))

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
        self._count(k, "k", self.limits.max_k)
        self._count(len(queries), "queries", self.limits.max_queries)
        held = self._get(collection)
        found = [self._near(held, query, f"queries[{i}]", filter, metadata) for i, query in enumerate(queries)]
        return [self._answer(held, rows[:k]) for rows in found]

    def within(
        self, collection: str, query: Query, *, radius: int, filter: Node | None = None, metadata: bool = True
    ) -> Answer:
        held = self._get(collection)
        if radius > held.collection.bits:
            raise InvalidArgument(f"radius must be 0 to {held.collection.bits}", field="radius")
        found = self._near(held, query, "query", filter, metadata)
        return self._answer(held, [match for match in found if match.distance <= radius])

    def within_pieces(
        self,
        collection: str,
        query: Query,
        *,
        radius: int,
        filter: Node | None = None,
        metadata: bool = True,
        size: int = 2_000,
    ) -> Generator[Answer, None, None]:
        answer = self.within(collection, query, radius=radius, filter=filter, metadata=metadata)
        for start in range(0, max(1, answer.total), size):
            yield replace(answer, matches=answer.matches[start : start + size])

    def encode(self, encoder: str, contents: Sequence[bytes]) -> NDArray[np.uint8]:
        self._count(len(contents), "contents", self.limits.max_items)
        bits = self.encoder(encoder).spec.bits
        return np.frombuffer(b"".join(toy_code(c, bits) for c in contents), np.uint8).reshape(len(contents), -1)

    def reconstruct(self, encoder: str, contents: Sequence[bytes]) -> list[Made]:
        self._count(len(contents), "contents", self.limits.max_made)
        texts = self.encoder(encoder).spec.kind is Kind.TEXT
        return [Made(content.upper(), (0.5, 0.25) if texts else ()) for content in contents]

    def generate(self, encoder: str, count: int, *, seed: int = 0) -> list[Made]:
        self._count(count, "count", self.limits.max_made)
        self.encoder(encoder)
        return [Made(f"{seed:06} {number:05}".encode()) for number in range(count)]

    def interpolate(self, encoder: str, first: bytes, last: bytes, *, steps: int = 10) -> list[Made]:
        self._count(steps, "steps", self.limits.max_made)
        self.encoder(encoder)
        return [Made(content) for content in (first, *[first + last] * (steps - 2), last)]

    def encoders(self) -> list[EncoderVersion]:
        return sorted(self.versions, key=lambda version: (version.name, version.version))

    def encoder(self, label: str) -> EncoderVersion:
        for version in reversed(self.versions):
            if label in {version.name, version.label}:
                return version
        raise NotFound(f"no encoder {label!r}", field="encoder")

    def create_job(self, kind: JobKind, spec: Mapping[str, Any], *, request_id: str = "") -> Job:
        number = len(self.made) + 1
        self.made[number] = Job(number, kind, str(spec.get("collection", "")), dict(spec), JobState.PLANNED, NOW)
        return self.made[number]

    def job(self, number: int) -> Job:
        if number not in self.made:
            raise NotFound(f"no job {number}", field="id")
        return self.made[number]

    def jobs(self, *, before: int | None = None, limit: int | None = None) -> list[Job]:
        older = [number for number in sorted(self.made, reverse=True) if before is None or number < before]
        return [self.made[number] for number in older[:limit]]

    def cancel_job(self, number: int) -> Job:
        self.made[number] = replace(self.job(number), state=JobState.CANCELLED, finished_at=NOW)
        return self.made[number]

    def step(self, number: int, state: JobState) -> None:
        """What a worker would do to a job."""
        job = self.job(number)
        self.made[number] = replace(
            job, state=state, units=3, units_done=job.units_done + 1, counts=Counts(2, 1, 1, 0), result={"stored": 1}
        )

    def watch_job(self, number: int) -> Iterator[Job]:
        yield self.job(number)

    def dead_letters(self, number: int, *, after: int = 0, limit: int | None = None) -> list[DeadLetter]:
        self.job(number)
        return [letter for letter in self.letters if letter.id > after][:limit]

    def close(self) -> None:
        self.held.clear()
