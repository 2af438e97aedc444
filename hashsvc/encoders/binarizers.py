"""Binarizers: float features -> bits, and the look-up tables that compare a float query with a code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from hashsvc.codes import check_bits, pack, unpack
from hashsvc.encoders.codebook import Codebook

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Binarizer(Protocol):
    """Cuts features into codes."""

    @property
    def bits(self) -> int:
        """Code length."""
        ...

    @property
    def metric(self) -> str:
        """How its codes are compared: "hamming" or "table"."""
        ...

    def codes(self, features: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Codes ``uint8[n, bits/8]`` of features ``float32[n, d]``."""
        ...

    def slack(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """How far each bit ``float32[n, bits]`` is from turning, in units of the features; never negative."""
        ...

    def tables(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Asymmetric distances ``float32[n, bits/8, 256]``; see :meth:`Encoder.tables`."""
        ...

    def config(self) -> dict[str, Any]:
        """JSON values that rebuild it."""
        ...

    def tensors(self) -> dict[str, torch.Tensor]:
        """Learned numbers that rebuild it."""
        ...


class Threshold:
    """One bit a feature: above its threshold or not (at the training median every bit is balanced).

    Args:
        thresholds: ``float32[bits]``.
        centres: ``float32[2, bits]``, mean feature of the training items whose bit is 0 and 1.
    """

    metric = "hamming"

    def __init__(self, thresholds: NDArray[np.float32], centres: NDArray[np.float32]) -> None:
        self.thresholds = thresholds
        self.centres = centres

    @classmethod
    def at_median(cls, features: NDArray[np.float32]) -> Threshold:
        """Thresholds at the medians of training features ``float32[n, bits]``."""
        check_bits(features.shape[1])
        thresholds = _middle(features)
        ones = features > thresholds
        counts = np.maximum(np.stack([(~ones).sum(axis=0), ones.sum(axis=0)]), 1)
        sums = np.stack([np.where(ones, 0, features).sum(axis=0), np.where(ones, features, 0).sum(axis=0)])
        return cls(thresholds, (sums / counts).astype(np.float32))

    @property
    def bits(self) -> int:
        """Code length."""
        return len(self.thresholds)

    def codes(self, features: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Codes ``uint8[n, bits/8]``."""
        return pack(features > self.thresholds)

    def slack(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """``float32[n, bits]``."""
        distance: NDArray[np.float32] = np.abs(features - self.thresholds)
        return distance

    def tables(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Squared distance from the query's feature to the mean feature behind the bit, summed over a byte's bits."""
        costs = (features[None] - self.centres[:, None, :]) ** 2
        return byte_tables(costs[0], costs[1])

    def config(self) -> dict[str, Any]:
        """Nothing beyond its tensors."""
        return {}

    def tensors(self) -> dict[str, torch.Tensor]:
        """Thresholds and centres."""
        return {"thresholds": torch.from_numpy(self.thresholds), "centres": torch.from_numpy(self.centres)}

    @classmethod
    def restore(cls, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> Threshold:
        """The binarizer that gave ``config`` and ``tensors``."""
        assert not config
        return cls(tensors["thresholds"].numpy(), tensors["centres"].numpy())


def _middle(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Medians halfway between two neighbouring values, so that no training item lies on one."""
    ordered = np.sort(features, axis=0)
    upper = len(ordered) // 2
    middle: NDArray[np.float32] = ((ordered[max(upper - 1, 0)] + ordered[upper]) / 2).astype(np.float32)
    return middle


def byte_tables(zeros: NDArray[np.float32], ones: NDArray[np.float32]) -> NDArray[np.float32]:
    """Costs ``float32[n, bits]`` of a 0 and of a 1 at each bit as tables ``float32[n, bits/8, 256]`` over bytes."""
    rows = len(zeros)
    patterns = unpack(np.arange(256, dtype=np.uint8)[:, None]).astype(np.float32)
    extra = (ones - zeros).reshape(rows, -1, 8) @ patterns.T
    tables: NDArray[np.float32] = (extra + zeros.reshape(rows, -1, 8).sum(axis=2)[:, :, None]).astype(np.float32)
    return tables


BINARIZERS: dict[str, Any] = {"threshold": Threshold, "codebook": Codebook}


def binarizer_name(binarizer: Binarizer) -> str:
    """The name a binarizer's class is registered under."""
    return next(name for name, kind in BINARIZERS.items() if type(binarizer) is kind)


def build_binarizer(name: str, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> Binarizer:
    """A binarizer of the registered class."""
    binarizer: Binarizer = BINARIZERS[name].restore(config, tensors)
    return binarizer
