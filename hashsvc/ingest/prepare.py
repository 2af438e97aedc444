"""From items to rows: drop what is held already, decode and encode the rest, keep its bytes; nothing is written to SQL.

The same steps serve a request of a few items and a unit of thousands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hashsvc.domain.collections import Collection
from hashsvc.domain.items import Item, Row, StoredItem, check_key, content_hash
from hashsvc.domain.jobs import twice
from hashsvc.domain.kinds import ContentMode, Kind
from hashsvc.domain.metadata import check_metadata
from hashsvc.errors import HashsvcError, InvalidArgument, InvalidContent

if TYPE_CHECKING:
    from hashsvc.content import Blobs
    from hashsvc.encoders import Encoder
    from hashsvc.encoders.contract import Decoded

Decode = Callable[[Sequence[bytes]], list["Decoded | InvalidContent"]]
BATCH_ITEMS = 1024
BATCH_COST = 8 << 20


@dataclass(slots=True)
class Prepared:
    """Items on their way into the catalog.

    Args:
        rows: what has to be written, new or changed, by the item's position.
        unchanged: the rows of items held already with the same content, code and metadata, by position.
        errors: what is wrong with an item, by its position.
    """

    rows: dict[int, Row] = field(default_factory=dict)
    unchanged: dict[int, Row] = field(default_factory=dict)
    errors: dict[int, HashsvcError] = field(default_factory=dict)


@dataclass(slots=True)
class Checked:
    """Items whose key, metadata and form are right and that have to be encoded, with what is already settled."""

    collection: Collection
    prepared: Prepared
    pending: dict[int, Row] = field(default_factory=dict)
    contents: dict[int, bytes] = field(default_factory=dict)


def prepare(
    collection: Collection,
    items: Sequence[Item],
    held: Mapping[str, StoredItem],
    *,
    encoder: Encoder | None,
    blobs: Blobs | None,
) -> Prepared:
    """Everything a write needs, short of the write.

    Args:
        collection: where the items go.
        items: key and content (or code) of each; of those with one key the first that can be stored is taken, and the
            key is an error of the later ones.
        held: what the collection holds under these keys.
        encoder: the collection's; None for a CODE collection.
        blobs: where bytes are kept; they are on disk when this returns.
    """
    checked = check(collection, items, held)
    if checked.contents:
        assert encoder is not None
        decoded = decode_each(encoder, list(checked.contents.values()))
        encode(checked, decoded, encoder)
    keep_first(checked.prepared, items)
    keep(checked, blobs)
    return checked.prepared


def check(collection: Collection, items: Sequence[Item], held: Mapping[str, StoredItem]) -> Checked:
    """Check each item, and settle those that need no encoding: ready codes, unchanged ones, ones with new metadata."""
    checked = Checked(collection, Prepared())
    for position, item in enumerate(items):
        try:
            row = _row(collection, item)
        except HashsvcError as error:
            checked.prepared.errors[position] = error
            continue
        _settle(checked, position, row, item, held.get(row.key))
    return checked


def _row(collection: Collection, item: Item) -> Row:
    """The item as a row, its code still missing unless it is given."""
    key = check_key(item.key)
    metadata = check_metadata(item.metadata, collection.fields)
    reference = item.reference if collection.content is ContentMode.REFERENCE else None
    if collection.kind is Kind.CODE:
        code = _ready_code(collection, item)
        return Row(key, content_hash(code), code, metadata, reference)
    if item.code is not None:
        raise InvalidArgument("this collection computes its codes: give content, not a code", field="code")
    if item.content is None:
        raise InvalidArgument(f"an item of this collection needs its {collection.kind} content", field="content")
    return Row(key, content_hash(item.content), b"", metadata, reference)


def _ready_code(collection: Collection, item: Item) -> bytes:
    if item.content is not None or item.code is None:
        raise InvalidArgument("this collection takes ready codes: give a code, no content", field="code")
    if len(item.code) * 8 != collection.bits:
        raise InvalidArgument(
            f"the code has {len(item.code)} bytes, {collection.bits // 8} are needed for {collection.bits} bits",
            field="code",
        )
    return item.code


def _settle(checked: Checked, position: int, row: Row, item: Item, held: StoredItem | None) -> None:
    same = held is not None and held.content_hash == row.content_hash
    if same and held is not None:
        alike = dict(held.metadata) == dict(row.metadata) and held.reference == row.reference
        known = Row(row.key, row.content_hash, held.code, row.metadata, row.reference, held.features)
        (checked.prepared.unchanged if alike else checked.prepared.rows)[position] = known
    elif row.code:
        checked.prepared.rows[position] = row
    else:
        assert item.content is not None
        checked.pending[position] = row
        checked.contents[position] = item.content


def decode_each(encoder: Encoder, contents: Sequence[bytes]) -> list[Decoded | InvalidContent]:
    """Each content decoded, or the error that says why it cannot be."""
    return [_decode(encoder, content) for content in contents]


def _decode(encoder: Encoder, content: bytes) -> Decoded | InvalidContent:
    try:
        return encoder.decode(content)
    except InvalidContent as error:
        return error


def decode_all(encoder: Encoder, contents: Sequence[bytes], where: str = "contents") -> list[Decoded]:
    """All contents decoded.

    Raises:
        InvalidContent: names the first that cannot be, as ``contents[i]``.
    """
    decoded: list[Decoded] = []
    for position, content in enumerate(contents):
        try:
            decoded.append(encoder.decode(content))
        except InvalidContent as error:
            raise error.at(f"{where}[{position}]") from None
    return decoded


def encode(checked: Checked, decoded: Sequence[Decoded | InvalidContent], encoder: Encoder) -> None:
    """Encode the pending items in batches; those that could not be decoded become errors."""
    good: list[int] = []
    ready: list[Decoded] = []
    for position, one in zip(checked.contents, decoded, strict=True):
        if isinstance(one, InvalidContent):
            checked.prepared.errors[position] = one
        else:
            good.append(position)
            ready.append(one)
    featured = checked.collection.content is ContentMode.FEATURES
    for start, stop in batches([len(checked.contents[position]) for position in good]):
        codes = encoder.encode(ready[start:stop])
        features = quantise(encoder.features(ready[start:stop])) if featured else None
        for offset, position in enumerate(good[start:stop]):
            row = checked.pending[position]
            kept = None if features is None else features[offset].tobytes()
            checked.prepared.rows[position] = Row(
                row.key, row.content_hash, codes[offset].tobytes(), row.metadata, row.reference, kept
            )


def keep_first(prepared: Prepared, items: Sequence[Item]) -> None:
    """Of rows with one key the first stays; the key is an error of the others."""
    seen: set[str] = set()
    for position in sorted((*prepared.rows, *prepared.unchanged)):
        key = items[position].key
        if key in seen:
            prepared.rows.pop(position, None)
            prepared.unchanged.pop(position, None)
            prepared.errors[position] = InvalidArgument(twice(key), field="key")
        seen.add(key)


def batches(costs: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Ranges of at most ``BATCH_ITEMS`` items and ``BATCH_COST`` bytes of content; a costly item goes alone."""
    start = cost = 0
    for position, one in enumerate(costs):
        if position > start and (position - start >= BATCH_ITEMS or cost + one > BATCH_COST):
            yield start, position
            start, cost = position, 0
        cost += one
    if start < len(costs):
        yield start, len(costs)


def quantise(features: NDArray[np.float32]) -> NDArray[np.int8]:
    """Features ``int8[n, d]``: each row scaled so that its largest value is 127; cosines survive, lengths do not."""
    largest = np.maximum(np.abs(features).max(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    scaled: NDArray[np.int8] = np.rint(features * (127.0 / largest)).astype(np.int8)
    return scaled


def keep(checked: Checked, blobs: Blobs | None) -> None:
    """Put the bytes of new rows where the collection keeps them; on disk when this returns."""
    if checked.collection.content is not ContentMode.BYTES or blobs is None:
        return
    contents = [content for position, content in checked.contents.items() if position in checked.prepared.rows]
    if contents:
        blobs.put_all(contents)
