"""What every encoder is: content bytes -> decoded item -> float features -> code. Nothing here samples.

The three steps are apart so that decoding can run in another process, and features can be asked for re-ranking.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.domain.encoders import CodeSpec


@dataclass(frozen=True, slots=True)
class Terms:
    """A decoded text: its terms as one sparse row of unit length.

    Args:
        columns: ``int32[t]``, ascending and distinct.
        weights: ``float32[t]``, positive.
    """

    columns: NDArray[np.int32]
    weights: NDArray[np.float32]


Decoded = Terms | np.ndarray[Any, np.dtype[np.uint8]] | np.ndarray[Any, np.dtype[np.float32]]
"""One item behind its front: TEXT -> :class:`Terms`; IMAGE -> ``uint8[height, width, channels]`` at the front's size;
VECTOR -> ``float32[d]``. All of it can be pickled to another process."""


class Encoder(Protocol):
    """A pure function from content bytes to a code; the same on every call, alone or in a batch."""

    @property
    def spec(self) -> CodeSpec:
        """Code length, kind, fingerprint, metric and margin."""
        ...

    @property
    def model(self) -> str:
        """Name of the model in ``MODELS`` that trained it."""
        ...

    @property
    def path(self) -> str:
        """Device, numbers, versions and instruction set that compute its codes: the same path gives the same bits."""
        ...

    def decode(self, content: bytes) -> Decoded:
        """Check and decode one item.

        Raises:
            InvalidContent: the bytes are no item of this kind; the message says why.
        """
        ...

    def features(self, items: Sequence[Decoded]) -> NDArray[np.float32]:
        """Float features ``float32[n, d]`` the code is cut from; deterministic, a row does not depend on its batch."""
        ...

    def encode(self, items: Sequence[Decoded]) -> NDArray[np.uint8]:
        """Codes ``uint8[n, bits/8]``, MSB-first; a row does not depend on its batch."""
        ...

    def tables(self, items: Sequence[Decoded]) -> NDArray[np.float32]:
        """Asymmetric distances of queries as look-up tables ``float32[n, bits/8, 256]``.

        The distance of query i to a code is the sum over its bytes b of ``tables[i, b, code[b]]``: the query keeps its
        float features, only the code is quantised. Smaller is nearer; comparable within one query only.
        """
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands: ``done`` of ``total`` steps of a ``stage`` ("autoencoder", "itq"), and the last loss.

    Members with a decoder tell the ``terms`` of the loss by name, means of the last pass in nats an example.
    """

    stage: str
    done: int
    total: int
    loss: float | None = None
    terms: Mapping[str, float] = field(default_factory=dict)


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained encoder and what its training found.

    Args:
        encoder: the kept one.
        report: JSON values: "model" kept, "why", "seconds", and "candidates", one entry for each model fitted.
        candidates: every encoder fitted in the same run by model name, the kept one among them.
    """

    encoder: Encoder
    report: Mapping[str, Any]
    candidates: Mapping[str, Encoder]


def asymmetric_distances(tables: NDArray[np.float32], codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Distances ``float32[m, n]`` of queries to codes.

    Args:
        tables: ``float32[m, bytes, 256]``, the queries; see :meth:`Encoder.tables`.
        codes: ``uint8[n, bytes]``.
    """
    total = np.zeros((len(tables), len(codes)), dtype=np.float32)
    for byte in range(codes.shape[1]):
        total += tables[:, byte, :][:, codes[:, byte]]
    return total
