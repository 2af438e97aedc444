"""Radius advice: what each radius finds of known duplicates, and how much of what it finds is wrong.

The duplicates are planted edits of the user's own items, or pairs that somebody labelled; intervals are Wilson's
(Probable inference, the law of succession, and statistical inference, 1927) at 95 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.codes import hamming
from hashsvc.dedup.edits import EDITS, Strength
from hashsvc.dedup.sketches import Look, sketch, together
from hashsvc.domain.dedup import Advice, Advised
from hashsvc.domain.items import content_hash
from hashsvc.domain.kinds import ContentMode
from hashsvc.errors import FailedPrecondition, HashsvcError, InvalidContent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.content import Blobs
    from hashsvc.dedup.problem import Sketches
    from hashsvc.domain.collections import Collection
    from hashsvc.domain.items import StoredItem
    from hashsvc.encoders import Decoded, Encoder

Z = 1.959964
ENOUGH = 0.002
WIDEST = 4
LEAST = 20
BLOCK = 256


@dataclass(frozen=True, slots=True)
class Judged:
    """Pairs with a known answer.

    Args:
        distances: ``int64[m]``, Hamming.
        passes: ``bool[m]``, whether the second look takes the pair for duplicates.
    """

    distances: NDArray[np.int64]
    passes: NDArray[np.bool_]


def sample(collection: Collection, items: Sequence[StoredItem], blobs: Blobs, most: int) -> list[bytes]:
    """Contents of the first items in order of id, which is a random sample.

    Raises:
        FailedPrecondition: the collection keeps no bytes to plant edits in.
    """
    if collection.content is not ContentMode.BYTES or collection.encoder is None:
        raise FailedPrecondition(
            f"collection {collection.name!r} keeps {collection.content} of its items: without bytes no radius can be "
            "advised, name one with --radius",
            reason="CONTENT_NOT_KEPT",
            field="radius",
        )
    found = []
    for item in sorted(items, key=lambda item: item.id)[:most]:
        try:
            found.append(blobs.get(item.content_hash.hex()))
        except HashsvcError:
            continue  # the unit that looks at it says so
    return found


def advised(
    contents: Sequence[bytes],
    encoder: Encoder,
    *,
    look: Look,
    threshold: float,
    target: float,
    strength: Strength = Strength.MEDIUM,
    seed: int = 0,
) -> Advised:
    """Advice from planted edits of these items.

    An edit is a true duplicate of its own item. It is a false one of another item, unless the two items themselves are
    duplicates already: those pairs are set aside.

    Raises:
        FailedPrecondition: there are too few items to say anything.
    """
    kept = [content for content in contents if _decodable(encoder, content) is not None]
    if len(kept) < LEAST:
        raise FailedPrecondition(
            f"{len(kept)} items are too few to advise a radius from, {LEAST} are needed: name one with --radius",
            field="radius",
        )
    planted = plant(kept, encoder, strength, seed)
    codes = encoded(encoder, [*kept, *(content for _, content in planted)])
    owners = np.array([owner for owner, _ in planted], np.int64)
    plain, edited = codes[: len(kept)], codes[len(kept) :]
    sketches = sketched(look, [*kept, *(content for _, content in planted)])
    rows = np.arange(len(kept), len(codes))
    true = Judged(hamming(edited, plain[owners]).astype(np.int64), _passing(sketches, threshold, owners, rows))
    widest = max(1, encoder.spec.bits // WIDEST)
    false = _strangers(plain, edited, owners, sketches=sketches, threshold=threshold, radius=widest)
    about = f"{strength.capitalize()} edits of {len(kept):,} items: {', '.join(EDITS[encoder.spec.kind])}"
    return table(true, false, items=len(kept), widest=widest, target=target, about=about)


def plant(contents: Sequence[bytes], encoder: Encoder, strength: Strength, seed: int) -> list[tuple[int, bytes]]:
    """One edit of each kind of each item, with the item's position; an edit that left nothing to encode is left out."""
    rng = np.random.default_rng(seed)
    found = []
    for owner, content in enumerate(contents):
        for edit in EDITS[encoder.spec.kind].values():
            changed = edit(content, rng, strength)
            if changed != content and _decodable(encoder, changed) is not None:
                found.append((owner, changed))
    return found


def labelled(
    distances: NDArray[np.int64], passes: NDArray[np.bool_], same: NDArray[np.bool_], bits: int, target: float
) -> Advised:
    """Advice from pairs that somebody labelled as the same or different."""
    true, false = Judged(distances[same], passes[same]), Judged(distances[~same], passes[~same])
    about = f"{len(distances):,} labelled pairs"
    widest = max(1, bits // WIDEST)
    return table(true, false, items=len(distances), widest=widest, target=target, about=about)


def table(true: Judged, false: Judged, *, items: int, widest: int, target: float, about: str) -> Advised:
    """Every radius up to ``widest``, and the one to take.

    Of the radii whose precision reaches the target: the smallest whose recall is the best of theirs, or nearly so.
    Where none reaches it, the most precise.
    """
    rows = [_advice(radius, true, false, items) for radius in range(widest + 1)]
    good = [row for row in rows if row.precision >= target]
    if good:
        best = max(row.recall for row in good)
        radius = next(row.radius for row in good if row.recall >= best - ENOUGH)
    else:
        radius = max(rows, key=lambda row: (row.precision, row.recall, -row.radius)).radius
    return Advised(radius, target, about, len(true.distances), int((~true.passes).sum()), tuple(rows))


def _advice(radius: int, true: Judged, false: Judged, items: int) -> Advice:
    found = int((true.passes & (true.distances <= radius)).sum())
    wrong = int((false.passes & (false.distances <= radius)).sum())
    within = int((true.distances <= radius).sum() + (false.distances <= radius).sum())
    recall = interval(found, len(true.distances))
    precision = interval(found, found + wrong)
    return Advice(
        radius, _share(found, len(true.distances)), *recall, _share(found, found + wrong), *precision, within / items
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def interval(part: int, whole: int) -> tuple[float, float]:
    """Wilson's interval of a share at 95 %; 0 to 1 where nothing was seen."""
    if not whole:
        return 0.0, 1.0
    share = part / whole
    middle = (share + Z * Z / (2 * whole)) / (1 + Z * Z / whole)
    half = Z / (1 + Z * Z / whole) * np.sqrt(share * (1 - share) / whole + Z * Z / (4 * whole * whole))
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def _strangers(
    plain: NDArray[np.uint8],
    edited: NDArray[np.uint8],
    owners: NDArray[np.int64],
    *,
    sketches: Sketches | None,
    threshold: float,
    radius: int,
) -> Judged:
    """Pairs of an edit and another item within ``radius``, but for those whose own items are duplicates."""
    distances: list[NDArray[np.int64]] = []
    passes: list[NDArray[np.bool_]] = []
    for start in range(0, len(edited), BLOCK):
        part = hamming(edited[start : start + BLOCK, None], plain[None])
        left, right = np.nonzero(part <= radius)
        away = owners[start + left] != right
        left, right = left[away], right[away]
        apart = ~_passing(sketches, threshold, owners[start + left], right)
        if sketches is None:
            apart[:] = True
        left, right = left[apart], right[apart]
        distances.append(part[left, right].astype(np.int64))
        passes.append(_passing(sketches, threshold, right, len(plain) + start + left))
    return Judged(np.concatenate(distances), np.concatenate(passes))


def _passing(
    sketches: Sketches | None, threshold: float, left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.bool_]:
    if sketches is None:
        return np.ones(len(left), bool)
    passing: NDArray[np.bool_] = sketches.scores(left, right, threshold) >= threshold
    return passing


def sketched(look: Look, contents: Sequence[bytes]) -> Sketches | None:
    """Sketches of contents that can be read."""
    if look in {Look.NONE, Look.FEATURES}:
        return None
    hashes = np.frombuffer(b"".join(map(content_hash, contents)), np.uint8).reshape(-1, 32)
    arrays, _ = sketch(look, hashes, lambda place: contents[place])
    return together(look, [arrays], np.arange(len(contents)))


def encoded(encoder: Encoder, contents: Sequence[bytes]) -> NDArray[np.uint8]:
    """Codes ``uint8[n, bits/8]`` of contents that can be decoded."""
    parts = [
        encoder.encode([encoder.decode(content) for content in contents[start : start + BLOCK]])
        for start in range(0, len(contents), BLOCK)
    ]
    return np.concatenate(parts)


def _decodable(encoder: Encoder, content: bytes) -> Decoded | None:
    try:
        return encoder.decode(content)
    except InvalidContent:
        return None
