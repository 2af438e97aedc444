"""One encoder at work on the material: its codes, its float features and its look-up tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.encoders import Encoder, asymmetric_distances
from hashsvc.encoders.codebook import Codebook, codebook_of
from hashsvc.errors import InvalidContent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.encoders import Decoded
    from hashsvc.evaluate.distances import Distances
    from hashsvc.evaluate.material import Material


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

    @property
    def codebook(self) -> Codebook | None:
        """The encoder's codebook, if it has one."""
        return codebook_of(self.encoder)

    def table(self, part: slice) -> NDArray[np.float32]:
        """Exact codebook distances ``float32[q, n]`` from the codes of the queries of ``part`` to the codes."""
        assert self.codebook is not None
        return asymmetric_distances(self.codebook.code_tables(self.query_codes[part]), self.codes)


class Decoder:
    """Decodes a material once for each front: encoders of one training share theirs."""

    def __init__(self, material: Material) -> None:
        self._material = material
        self._decoded: dict[int, tuple[object, list[Decoded], list[Decoded]]] = {}

    def sides(self, encoder: Encoder) -> tuple[list[Decoded], list[Decoded]]:
        """Items of the collection and queries, decoded by the encoder's front.

        Raises:
            InvalidContent: an item is none of the encoder's kind; the field names it.
        """
        front = getattr(encoder, "front", encoder)
        if id(front) not in self._decoded:
            items = _decode(encoder, self._material.contents, "contents")
            queries = _decode(encoder, self._material.queries, "queries")
            self._decoded[id(front)] = (front, items, queries)
        _, items, queries = self._decoded[id(front)]
        return items, queries


def _decode(encoder: Encoder, contents: Sequence[bytes], field: str) -> list[Decoded]:
    items = []
    for row, content in enumerate(contents):
        try:
            items.append(encoder.decode(content))
        except InvalidContent as error:
            raise error.at(f"{field}[{row}]") from None
    return items


def code(encoder: Encoder, items: Sequence[Decoded], queries: Sequence[Decoded]) -> Coded:
    """Encode items of a collection and queries, decoded by the encoder's front."""
    return Coded(encoder, encoder.encode(items), encoder.encode(queries), queries)


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
