"""The fused kernel against torch's products: ``TRITON_INTERPRET=1 python -m tests.index.fused`` needs no GPU.

Without the variable the kernel is compiled for a CUDA device.
"""

from __future__ import annotations

import os

import numpy as np
import torch

from hashsvc.index.device import fused, products
from hashsvc.index.device.rows import asked_of, bitmap_on, rows_of
from hashsvc.index.layout import bitmap_of

ITEMS, QUERIES = 300, 150


def main() -> None:
    """Every code length, with and without filter and order, whole and cut spans, room enough and too little."""
    device = torch.device("cpu" if os.environ.get("TRITON_INTERPRET") else "cuda")
    rng = np.random.default_rng(0)
    for words in (1, 2, 4, 8, 16):
        items = rng.integers(0, 1 << 63, (ITEMS, words), dtype=np.uint64)
        queries = rng.integers(0, 1 << 63, (QUERIES, words), dtype=np.uint64)
        queries[:20] = items[:20]
        rows, asked = rows_of(items, device), asked_of(queries, device)
        some = bitmap_on(bitmap_of(np.flatnonzero(rng.random(ITEMS) < 0.5), ITEMS), device)
        limits = torch.from_numpy(rng.integers(20 * words, 36 * words, QUERIES).astype(np.int32)).to(device)
        for allowed, beyond, span in ((None, None, (0, ITEMS)), (some, None, (37, 250)), (some, 30, (31, ITEMS))):
            codes = products.Codes(rows, ITEMS, allowed)
            expected, count = products.near(codes, asked, limits, span, 1 << 20, beyond=beyond)
            found, total = fused.near(codes, asked, limits, span, 1 << 20, beyond=beyond)
            assert total == count > 50
            assert torch.equal(found.sort().values, expected.sort().values)
            few, total = fused.near(codes, asked, limits, span, 50, beyond=beyond)
            assert total == count
            assert len(set(few.tolist()) & set(expected.tolist())) == 50
    print("the fused kernel and the products agree")


if __name__ == "__main__":
    main()
