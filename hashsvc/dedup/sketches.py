"""What the second look keeps of an item: read once from its content, in shards, and put together for the selection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from hashsvc.dedup.directions import Directions
from hashsvc.dedup.normal import form_of
from hashsvc.dedup.shingles import ShingleSets, shingle
from hashsvc.dedup.thumbnails import WIDTH, Thumbnails, sketch_image
from hashsvc.domain.collections import Collection
from hashsvc.domain.dedup import Verify
from hashsvc.domain.items import content_hash
from hashsvc.domain.kinds import ContentMode, Kind
from hashsvc.errors import FailedPrecondition, HashsvcError, InvalidContent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.dedup.problem import Sketches

Read = Callable[[int], bytes]


class Look(StrEnum):
    """How pairs of a collection are verified."""

    SHINGLES = "shingles"
    THUMBNAILS = "thumbnails"
    COSINE = "cosine"
    FEATURES = "features"
    NONE = "none"


LOOKS = {Kind.TEXT: Look.SHINGLES, Kind.IMAGE: Look.THUMBNAILS, Kind.VECTOR: Look.COSINE}
THRESHOLDS = {
    Look.SHINGLES: 0.7,
    Look.THUMBNAILS: 0.85,
    Look.COSINE: 0.95,
    Look.FEATURES: 0.95,
    Look.NONE: 0.0,
}


def look_of(collection: Collection, verify: Verify) -> Look:
    """How pairs of a collection can be verified.

    Raises:
        FailedPrecondition: the collection keeps nothing to verify a pair by.
    """
    if verify is Verify.NONE or collection.kind is Kind.CODE:
        return Look.NONE
    if collection.content is ContentMode.BYTES:
        return LOOKS[collection.kind]
    if collection.content is ContentMode.FEATURES:
        return Look.FEATURES
    raise FailedPrecondition(
        f"collection {collection.name!r} keeps {collection.content} of its items, a pair is verified by bytes or "
        "features: keep one of them, or let the codes decide alone with verify=none",
        field="verify",
        reason="CONTENT_NOT_KEPT",
    )


def sketch(look: Look, hashes: NDArray[np.uint8], read: Read) -> tuple[dict[str, NDArray[Any]], dict[int, str]]:
    """Sketches of n items, and why some have none: those are like nothing.

    Args:
        look: how pairs are verified.
        hashes: ``uint8[n, 32]``, content hashes.
        read: content, or features, of the item at a position; HashsvcError when it cannot be read.

    Returns:
        Arrays: ``forms`` uint8[n, 32] (hash of the normal form of a text, of the content elsewhere, zero where there is
        no sketch), ``lengths`` int64[n] in bytes, and what :func:`together` needs of this look.
    """
    forms, lengths = hashes.copy(), np.zeros(len(hashes), np.int64)
    parts: dict[int, Any] = {}
    wrong: dict[int, str] = {}
    for place in range(len(hashes)):
        try:
            content = read(place)
            lengths[place] = len(content)
            parts[place] = _one(look, content)
        except HashsvcError as error:
            wrong[place] = error.message
            forms[place] = 0
            continue
        if look is Look.SHINGLES:
            forms[place] = np.frombuffer(content_hash(parts[place].encode("utf-8", "surrogatepass")), np.uint8)
    arrays: dict[str, NDArray[Any]] = {"forms": forms, "lengths": lengths}
    return arrays | _packed(look, len(hashes), parts), wrong


def _one(look: Look, content: bytes) -> Any:
    if look is Look.SHINGLES:
        return form_of(content)
    if look is Look.THUMBNAILS:
        from hashsvc.encoders.fronts.image import open_image  # torch comes with it

        return sketch_image(open_image(content))
    values = np.frombuffer(content, "i1" if look is Look.FEATURES else "<f4")
    if not len(values) or not np.isfinite(values).all():
        raise InvalidContent("the vector is empty or not finite", field="content")
    return values


def _packed(look: Look, count: int, parts: Mapping[int, Any]) -> dict[str, NDArray[Any]]:
    if look is Look.SHINGLES:
        offsets, hashes = shingle([parts.get(place, "") for place in range(count)])
        sizes = np.diff(offsets)
        readable = np.zeros(count, bool)
        readable[list(parts)] = True
        return {"sizes": np.where(readable, sizes, 0), "hashes": hashes[np.repeat(readable, sizes)]}
    width = WIDTH if look is Look.THUMBNAILS else max((len(part) for part in parts.values()), default=0)
    rows = np.zeros((count, width), np.float32 if look is Look.COSINE else np.int8)
    for place, part in parts.items():
        rows[place] = part
    return {"rows": rows}


def together(look: Look, shards: Sequence[Mapping[str, NDArray[Any]]], rows: NDArray[np.int64]) -> Sketches | None:
    """The sketches of all shards, one behind the other, then those of ``rows`` in their order."""
    if look is Look.NONE or not shards:
        return None
    if look is Look.SHINGLES:
        sizes = np.concatenate([shard["sizes"] for shard in shards])
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        return ShingleSets(offsets, np.concatenate([shard["hashes"] for shard in shards])).take(rows)
    width = max(shard["rows"].shape[1] for shard in shards)
    whole = np.concatenate([_wide(shard["rows"], width) for shard in shards])[rows]
    return Thumbnails(whole) if look is Look.THUMBNAILS else Directions(whole)


def _wide(rows: NDArray[Any], width: int) -> NDArray[Any]:
    """A shard none of whose items could be read has rows of no width."""
    return rows if rows.shape[1] == width else np.zeros((len(rows), width), rows.dtype)
