"""One encoder at work on the material: its codes, its float features and its look-up tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.encoders import Encoder, asymmetric_distances

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.encoders import Decoded
    from hashsvc.evaluate.distances import Distances
    from hashsvc.evaluate.material import Material

ROWS = 4096


@dataclass(frozen=True, slots=True)
class Coded:
    """Codes of a collection ``uint8[n, bits/8]`` and of its queries ``uint8[m, bits/8]``, and how to ask further.

    ``queries`` are decoded, as the encoder's front gave them.
    """

    encoder: Encoder
    codes: NDArray[np.uint8]
    query_codes: NDArray[np.uint8]
    queries: Sequence[Decoded]

    def asymmetric(self, part: slice) -> NDArray[np.float32]:
        """Distances ``float32[q, n]`` from the float features of the queries of ``part`` to the codes."""
        return asymmetric_distances(self.encoder.tables(self.queries[part]), self.codes)


def code(encoder: Encoder, material: Material) -> Coded:
    """Encode the material.

    Raises:
        InvalidContent: an item is none of the encoder's kind.
    """
    codes = np.concatenate([encoder.encode(items) for items in decoded(encoder, material.contents)])
    queries = [item for items in decoded(encoder, material.queries) for item in items]
    return Coded(encoder, codes, encoder.encode(queries), queries)


def decoded(encoder: Encoder, contents: Sequence[bytes]) -> Iterator[list[Decoded]]:
    """Decoded items in parts of bounded size."""
    for start in range(0, len(contents), ROWS):
        yield [encoder.decode(content) for content in contents[start : start + ROWS]]


def float_features(encoder: Encoder, contents: Sequence[bytes]) -> NDArray[np.float32]:
    """Float features ``float32[n, d]`` the codes are cut from."""
    return np.concatenate([encoder.features(items) for items in decoded(encoder, contents)])


def euclidean(queries: NDArray[np.float32], items: NDArray[np.float32]) -> Distances:
    """Squared Euclidean distances between rows, up to a constant of each query."""
    squares = (items**2).sum(axis=1)[None, :]

    def distances(part: slice) -> NDArray[np.float32]:
        found: NDArray[np.float32] = squares - 2 * (queries[part] @ items.T)
        return found

    return distances


def cosine(queries: NDArray[np.float32], items: NDArray[np.float32]) -> Distances:
    """Negative cosines between rows; a row of zeros is at right angles to everything."""
    asked, held = (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12) for rows in (queries, items))

    def distances(part: slice) -> NDArray[np.float32]:
        found: NDArray[np.float32] = -(asked[part] @ held.T)
        return found

    return distances
