"""Every pair of codes within a radius, by comparing everything with everything on a device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from hashsvc.errors import ResourceExhausted
from hashsvc.index.device.chosen import device_of
from hashsvc.index.device.comparing import comparing_on, computing_on
from hashsvc.index.device.keys import Finds, finds_of
from hashsvc.index.device.nearest import Sizes
from hashsvc.index.device.products import Codes
from hashsvc.index.device.rows import asked_of, rows_of
from hashsvc.index.device.within import keys_within

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class DeviceJoin:
    """A join of two sets of codes; the right one lies on the device, the left one is brought a batch at a time.

    Args:
        name: "cpu", "cuda" or "cuda:N".
        words: ``uint64[n, words]``.
        others: ``uint64[m, words]``; ``words`` itself for a self-join, which gives each pair once, the lesser left.

    Raises:
        InvalidArgument: no such device here.
    """

    def __init__(
        self, name: str, words: NDArray[np.uint64], others: NDArray[np.uint64], sizes: Sizes | None = None
    ) -> None:
        self._device = device_of(name)
        self._words, self._others, self._sizes = words, others, sizes or Sizes()
        self._comparing = comparing_on(self._device, words.shape[1])

    @property
    def nanoseconds(self) -> float:
        """What it is expected to take."""
        batches = -(-len(self._words) // self._sizes.queries)
        met = len(self._others) / (2 if self._words is self._others else 1)
        return batches * self._comparing.costs.of(self._sizes.queries, met)

    def pairs(self, radius: int, most: int) -> Iterator[Finds]:
        """The pairs within the radius, left as queries and right as positions, 1 to ``most`` at a time.

        They come in order of left batch, then of span of the right side, then of (left, distance, right).

        Raises:
            ResourceExhausted: the device has not enough memory: for the codes, or, among the pairs, to compare them.
        """
        try:
            with computing_on(self._device):
                codes = Codes(rows_of(self._others, self._device), len(self._others))
        except torch.OutOfMemoryError as error:
            raise ResourceExhausted(f"the codes do not fit into the memory of {self._device}: {error}") from error
        return self._pairs(codes, radius, most)

    def _pairs(self, codes: Codes, radius: int, most: int) -> Iterator[Finds]:
        step, same = self._sizes.queries, self._words is self._others
        for start in range(0, len(self._words), step):
            asked = asked_of(self._words[start : start + step], self._device)
            beyond = start if same else None
            found = keys_within(self._comparing.compare, codes, asked, radius, self._sizes.room, beyond=beyond)
            while (keys := self._next(found)) is not None:
                for first in range(0, len(keys), most):
                    finds = finds_of(keys[first : first + most])
                    yield finds._replace(queries=finds.queries + start)

    def _next(self, found: Iterator[torch.Tensor]) -> torch.Tensor | None:
        """The next keys; what torch is told holds for this call, not for whoever takes the pairs."""
        try:
            with computing_on(self._device):
                return next(found, None)
        except torch.OutOfMemoryError as error:
            raise ResourceExhausted(
                f"comparing codes took more memory than is free on {self._device}: join again when others have left "
                f"it, or set HASHSVC_DEVICE to cpu: {error}"
            ) from error
