"""What is found on a device: one int64 a find, whose order is that of (query, distance, position)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

POSITION_BITS = 32
DISTANCE_BITS = 11
QUERY_SHIFT = POSITION_BITS + DISTANCE_BITS
# More than any distance and position; what stands in the place of a find that there is not.
MISSING = 1 << QUERY_SHIFT


class Finds(NamedTuple):
    """Finds in host memory: ``int32[n]``, ``int32[n]``, ``int64[n]``."""

    queries: NDArray[np.int32]
    distances: NDArray[np.int32]
    positions: NDArray[np.int64]


def keys_of(queries: torch.Tensor, distances: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Keys ``int64[...]`` of tensors that broadcast against each other; positions below 2**32, queries below 2**20."""
    return (queries.long() << QUERY_SHIFT) | (distances.long() << POSITION_BITS) | positions.long()


def finds_of(keys: torch.Tensor) -> Finds:
    """Keys ``int64[n]`` brought home and taken apart."""
    numbers = keys.cpu().numpy()
    distances = (numbers >> POSITION_BITS) & ((1 << DISTANCE_BITS) - 1)
    return Finds(
        (numbers >> QUERY_SHIFT).astype(np.int32),
        distances.astype(np.int32),
        numbers & ((1 << POSITION_BITS) - 1),
    )
