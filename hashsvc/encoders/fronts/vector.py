"""Vectors: little-endian float32 bytes -> ``float32[d]``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hashsvc.domain.kinds import Kind
from hashsvc.encoders.contract import Decoded
from hashsvc.errors import InvalidArgument, InvalidContent

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_WIDTH, MAX_WIDTH = 2, 4096


class VectorFront:
    """Checks vectors of one width.

    Args:
        width: numbers in a vector.
    """

    kind = Kind.VECTOR

    def __init__(self, width: int) -> None:
        self.width = width

    @classmethod
    def fit(cls, contents: Sequence[bytes]) -> VectorFront:
        """The front of these vectors; the commonest width is theirs.

        Raises:
            InvalidArgument: most vectors are empty or too wide.
        """
        size = Counter(map(len, contents)).most_common(1)[0][0]
        width, rest = divmod(size, 4)
        if rest or not MIN_WIDTH <= width <= MAX_WIDTH:
            raise InvalidArgument(
                f"a vector must be {MIN_WIDTH} to {MAX_WIDTH} float32 numbers, not {size} bytes",
                field="contents",
            )
        return cls(width)

    def decode(self, content: bytes) -> NDArray[np.float32]:
        """``float32[width]``; InvalidContent on another length, a NaN or an infinity."""
        if len(content) != 4 * self.width:
            raise InvalidContent(
                f"vector must hold {self.width} float32 numbers ({4 * self.width} bytes), not {len(content)} bytes",
                field="content",
            )
        vector = np.frombuffer(content, dtype="<f4").astype(np.float32)
        if not np.isfinite(vector).all():
            position = int(np.flatnonzero(~np.isfinite(vector))[0])
            raise InvalidContent(f"vector holds {vector[position]} at position {position}", field="content")
        return vector

    def batch(self, items: Sequence[Decoded]) -> torch.Tensor:
        """``float32[n, width]``."""
        return torch.from_numpy(np.stack([np.asarray(item, dtype=np.float32) for item in items]))

    def blank(self) -> NDArray[np.float32]:
        """The item that fills up a batch."""
        return np.zeros(self.width, dtype=np.float32)

    def config(self) -> dict[str, Any]:
        """What :meth:`restore` needs."""
        return {"width": self.width}

    def tensors(self) -> dict[str, torch.Tensor]:
        """Learned numbers: none."""
        return {}

    @classmethod
    def restore(cls, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> VectorFront:
        """The front that gave ``config`` and ``tensors``."""
        assert not tensors
        return cls(int(config["width"]))
