"""How codes are compared on a device, and what that costs there: tried and measured once in a process."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from hashsvc.index.device.nearest import Sizes, nearest_keys
from hashsvc.index.device.products import Codes, Compare, near
from hashsvc.index.device.rows import Asked, asked_of, rows_of

LOG = logging.getLogger(__name__)
K = 10
TRIES = 3
# Queries and codes of the measurement, by type of device; a quarter of a percent of the codes stands for a mere call.
SAMPLES = {"cuda": (1_024, 1 << 20), "cpu": (64, 1 << 13)}
FEW = 256


@dataclass(frozen=True, slots=True)
class DeviceCosts:
    """Nanoseconds.

    Args:
        call: one batch answered, whatever it compares.
        compare: one code compared with one query.
    """

    call: float
    compare: float

    def of(self, queries: int, codes: float) -> float:
        """Of a batch."""
        return self.call + self.compare * queries * codes


@dataclass(frozen=True, slots=True)
class Comparing:
    """A way of comparing and its costs."""

    compare: Compare
    costs: DeviceCosts


class _Known:
    """By device and number of words, once a process has tried."""

    lock = threading.Lock()
    comparing: ClassVar[dict[tuple[str, int], Comparing]] = {}


def comparing_on(device: torch.device, words: int) -> Comparing:
    """The best way there is; the first call on a CUDA device compiles the kernel and takes seconds.

    Where Triton is missing or the kernel does not compile, torch's products give the same finds.
    """
    with _Known.lock:
        known = _Known.comparing.get((str(device), words))
        if known is None:
            known = _Known.comparing[str(device), words] = tried(device, words)
        return known


def tried(device: torch.device, words: int) -> Comparing:
    """The fused kernel on CUDA if it runs, else products, with measured costs."""
    if device.type == "cuda":
        try:
            from hashsvc.index.device import fused

            return Comparing(fused.near, measured(fused.near, device, words))
        except Exception as error:
            # Whatever keeps Triton from compiling here, the products find the same.
            LOG.warning("comparing on %s without the fused kernel: %s: %s", device, type(error).__name__, error)
    return Comparing(near, measured(near, device, words))


def measured(compare: Compare, device: torch.device, words: int) -> DeviceCosts:
    """Costs of nearest searches over random codes."""
    rng = np.random.default_rng(0)
    queries, count = SAMPLES[device.type]
    codes = rng.integers(0, 1 << 63, (count, words), dtype=np.uint64)
    with computing_on(device):
        asked, rows = asked_of(codes[:queries], device), rows_of(codes, device)
        call = _fastest(compare, Codes(rows, count // FEW), asked)
        whole = _fastest(compare, Codes(rows, count), asked)
    return DeviceCosts(1e9 * call, 1e9 * max(0.0, whole - call) / (queries * count))


@contextmanager
def computing_on(device: torch.device) -> Iterator[None]:
    """The device made the current one, without gradients."""
    with torch.cuda.device(device) if device.type == "cuda" else nullcontext(), torch.inference_mode():
        yield


def _fastest(compare: Compare, codes: Codes, asked: Asked) -> float:
    """Seconds of the best of a few searches, after one that is not counted."""
    taken = []
    for _ in range(TRIES + 1):
        start = time.perf_counter()
        nearest_keys(compare, codes, asked, K, Sizes()).cpu()
        taken.append(time.perf_counter() - start)
    return min(taken[1:])
