"""The items of a run as they stood when it began: what the stages agree on while the collection goes on changing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hashsvc.dedup.order import field_of
from hashsvc.domain.items import StoredItem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.catalog import Catalog
    from hashsvc.dedup.scratch import Scratch
    from hashsvc.dedup.spec import DedupSpec
    from hashsvc.domain.collections import Collection
    from hashsvc.domain.metadata import Value

NAME = "items"
PAGE = 2_000
Given = Callable[[StoredItem], bool]


@dataclass(frozen=True, slots=True)
class Listing:
    """n items, in order of id, those of the reference behind those of the collection.

    Args:
        ids: ``int64[n]``.
        codes: ``uint8[n, bits/8]``.
        hashes: ``uint8[n, 32]``, content hashes.
        sequences: ``int64[n]``.
        given: ``bool[n]``: items that are kept whatever they are.
        keys: of each.
        sources: where each came from.
        values: of the metadata field of the keep rule; empty where the rule names none.
        foreign: items of the reference, the last so many.
        facts: what the run is about, JSON.
    """

    ids: NDArray[np.int64]
    codes: NDArray[np.uint8]
    hashes: NDArray[np.uint8]
    sequences: NDArray[np.int64]
    given: NDArray[np.bool_]
    keys: Sequence[str]
    sources: Sequence[str]
    values: Sequence[Value | None]
    foreign: int = 0
    facts: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: NDArray[np.int64]) -> Listing:
        """The items of these rows, in order."""
        places = rows.tolist()
        return Listing(
            self.ids[rows],
            self.codes[rows],
            self.hashes[rows],
            self.sequences[rows],
            self.given[rows],
            [self.keys[place] for place in places],
            [self.sources[place] for place in places],
            [self.values[place] for place in places] if self.values else [],
            int((rows >= len(self) - self.foreign).sum()),
            self.facts,
        )

    def write(self, scratch: Scratch) -> None:
        """Keep it for the other units."""
        names = sorted(set(self.sources))
        place = {name: number for number, name in enumerate(names)}
        arrays = {name: getattr(self, name) for name in ("ids", "codes", "hashes", "sequences", "given")}
        arrays["sources"] = np.array([place[name] for name in self.sources], np.int64)
        keys = [key.encode() for key in self.keys]
        arrays["keys"] = np.frombuffer(b"".join(keys), np.uint8)
        arrays["key_ends"] = np.cumsum([len(key) for key in keys], dtype=np.int64)
        facts = {"names": names, "values": list(self.values), "foreign": self.foreign, "about": self.facts}
        scratch.write(NAME, arrays, facts)

    @classmethod
    def read(cls, scratch: Scratch) -> Listing:
        """What :meth:`write` kept."""
        arrays, facts = scratch.read(NAME)
        buffer = arrays.pop("keys").tobytes()
        ends = arrays.pop("key_ends").tolist()
        keys = [buffer[start:end].decode() for start, end in zip([0, *ends], ends, strict=False)]
        sources = [facts["names"][number] for number in arrays.pop("sources").tolist()]
        return cls(
            **arrays, keys=keys, sources=sources, values=facts["values"], foreign=facts["foreign"], facts=facts["about"]
        )


def paged(catalog: Catalog, collection: Collection) -> Iterator[StoredItem]:
    """Every item of a collection in order of id."""
    page = catalog.items.list(collection, limit=PAGE)
    while page:
        yield from page
        page = catalog.items.list(collection, limit=PAGE, after_id=page[-1].id)


def listed(
    spec: DedupSpec, own: Iterable[StoredItem], reference: Iterable[StoredItem], width: int, given: Given
) -> Listing:
    """The listing of items of a collection, and of its reference.

    Args:
        spec: says how items are ordered and grouped.
        own: items that are decided on, and in an incremental run those held before, which ``given`` tells.
        reference: items that are never touched.
        width: bytes of a code.
        given: whether an item is kept whatever it is.
    """
    items = list(own)
    flags = [given(item) for item in items]
    foreign = list(reference)
    items += foreign
    flags += [True] * len(foreign)
    named = field_of(spec.keep)
    return Listing(
        np.array([item.id for item in items], np.int64),
        np.frombuffer(b"".join(item.code for item in items), np.uint8).reshape(-1, width),
        np.frombuffer(b"".join(item.content_hash for item in items), np.uint8).reshape(-1, 32),
        np.array([item.sequence for item in items], np.int64),
        np.array(flags, bool),
        [item.key for item in items],
        [source_of(item, spec.source) for item in items],
        [] if named is None else [item.metadata.get(named) for item in items],
        len(foreign),
    )


def source_of(item: StoredItem, field: str) -> str:
    """Where an item came from: a metadata field, or its key up to the last '#' or '/'."""
    if field:
        value = item.metadata.get(field)
        return "" if value is None else ", ".join(value) if isinstance(value, tuple) else str(value)
    cut = max(item.key.rfind("#"), item.key.rfind("/"))
    return item.key[:cut] if cut > 0 else ""
