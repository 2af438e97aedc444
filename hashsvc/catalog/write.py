"""One write as its caller asks for it, with its rows as the database holds them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hashsvc.catalog import requests
from hashsvc.catalog.values import write_metadata
from hashsvc.domain import items as nouns
from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Collection as Bag
    from collections.abc import Sequence

    from hashsvc.catalog.commit import Novelty, UnitProgress
    from hashsvc.domain.collections import Collection
    from hashsvc.domain.filters import Node
    from hashsvc.domain.items import Row

# key, content hash, code, metadata text, reference, features
Held = tuple[str, bytes, bytes, str, str | None, bytes | None]
HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Write:
    """One write, made ready outside the transaction: writers wait for each other there.

    Args:
        upserts: what each row will be held as.
        ids: the ids of their keys, unless displaced.
        passing: a filter that deleted items must still pass when it is their turn.
        novelty: rows that are left out because they are near what is held.
    """

    collection: Collection
    upserts: Sequence[Held]
    ids: Sequence[int]
    deletes: Sequence[str] = ()
    request_id: str = ""
    digest: bytes = b""
    progress: UnitProgress | None = None
    passing: Node | None = None
    novelty: Novelty | None = None

    @classmethod
    def of(
        cls,
        collection: Collection,
        upserts: Sequence[Row],
        deletes: Sequence[str],
        *,
        request_id: str,
        asked: str,
        progress: UnitProgress | None,
        passing: Node | None = None,
        novelty: Novelty | None = None,
    ) -> Write:
        """The write, checked.

        Raises:
            InvalidArgument: a code or content hash of the wrong length, or an illegal request_id.
        """
        width = collection.bits // 8
        for position, row in enumerate(upserts):
            if len(row.code) != width or len(row.content_hash) != HASH_BYTES:
                raise InvalidArgument(
                    f"codes of collection {collection.name!r} have {width} bytes and content hashes {HASH_BYTES}, "
                    f"not {len(row.code)} and {len(row.content_hash)}",
                    field=f"items[{position}]",
                )
        requests.check_request_id(request_id)
        body = requests.digest(upserts, deletes, asked) if request_id else b""
        if body and novelty is not None:
            body = requests.digest([], [], f"{body.hex()} unless within {novelty.radius}")
        held = [_held_of(row) for row in upserts]
        ids = [nouns.item_id(row.key) for row in upserts]
        return cls(collection, held, ids, deletes, request_id, body, progress, passing, novelty)

    def changed(self, late: Bag[str], back: Sequence[Row]) -> Write:
        """The same without the rows of some keys, and with further rows."""
        rows = [(held, own) for held, own in zip(self.upserts, self.ids, strict=True) if held[0] not in late]
        rows += [(_held_of(row), nouns.item_id(row.key)) for row in back]
        return replace(self, upserts=[held for held, _ in rows], ids=[own for _, own in rows])

    @property
    def size(self) -> int:
        """Rows it may touch."""
        return len(self.upserts) + len(self.deletes)


def _held_of(row: Row) -> Held:
    return row.key, row.content_hash, row.code, write_metadata(row.metadata), row.reference, row.features
