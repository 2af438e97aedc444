"""The device kind against its device's ceilings, and against the exact scan on the processor in the same run.

A batch of queries asks for its nearest codes, half of the queries near some, half anywhere. The floor of a batch is the
least time the device can take: one reading of the codes at the speed of a copy, or their products at the speed of the
fastest product it computes exactly (int8 through the fused kernel, float16 or float32 without it). Popcounts are timed
too: a comparison would take two of 32 bits for each 64. Answers are held against the processor's. Ends with one JSON
line. On the CPU, which the kind is not made for, the numbers say what it costs there, no more.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from codesets import median_seconds
from numpy.typing import NDArray

from hashsvc.domain.kinds import IndexKind
from hashsvc.index import LiveIndex, View, warm
from hashsvc.index.device import products
from hashsvc.index.device.comparing import computing_on
from hashsvc.index.devicepass import DevicePass
from hashsvc.index.layout import to_words
from hashsvc.index.planner import Planner
from hashsvc.index.rows import START, Rows

ITEMS = {"cpu": 200_000, "cuda": 100_000_000}
BATCH = {"cpu": 64, "cuda": 1_024}
# Items that the processor scans for its speed, and queries whose answers it checks.
SCANNED = 2_000_000
CHECKED = 32
NONE = np.zeros(0, np.int64)
# What is copied, and the sides of the products: queries, bits, codes.
COPIED = {"cpu": 1 << 27, "cuda": 1 << 32}
PRODUCT = {"cpu": (512, 512, 512), "cuda": (8_192, 8_192, 8_192)}
COUNTED = 1 << 26


def codes_and_queries(items: int, bits: int, batch: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Codes ``uint8[items, bits/8]``, every other one around a centre with 3 % of its bits turned; queries.

    A centre has 20 members on average. Half of the queries are centres, half lie anywhere.
    """
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 256, (items, bits // 8), dtype=np.uint8)
    queries = rng.integers(0, 256, (batch, bits // 8), dtype=np.uint8)
    members = codes[1::2]
    centres = rng.integers(0, 256, (max(len(members) // 20, batch // 2), bits // 8), dtype=np.uint8)
    turned = np.full_like(members, 255)
    for _ in range(5):
        turned &= rng.integers(0, 256, members.shape, dtype=np.uint8)
    codes[1::2] = centres[rng.integers(0, len(centres), len(members))] ^ turned
    queries[: batch // 2] = centres[: batch // 2]
    return codes, queries


def view_of(codes: NDArray[np.uint8], device: str) -> View:
    """A view of one segment whose item ids are the rows of ``codes``."""
    live = LiveIndex(codes.shape[1] * 8, IndexKind.DEVICE, device=device)
    live.apply(np.arange(len(codes)), codes, NONE, 1)
    live.merge(everything=True)
    return live.view()


def waited(device: torch.device, run: Callable[[], object]) -> Callable[[], None]:
    """The run and all that it left the device to do."""

    def whole() -> None:
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return whole


def ceilings(device: torch.device, repeats: int) -> dict[str, float]:
    """Bytes a second of a large copy; operations a second of products by type; popcounts of 32 bits a second."""
    found = {"copy_bytes_per_s": copied(device, repeats)}
    rows, inner, columns = PRODUCT[device.type]
    types = (torch.float32,) if device.type == "cpu" else (torch.float16, torch.bfloat16)
    for dtype in types:
        left = torch.randint(-1, 2, (rows, inner), device=device).to(dtype)
        right = torch.randint(0, 2, (inner, columns), device=device).to(dtype)
        seconds = median_seconds(waited(device, lambda left=left, right=right: left @ right), repeats)  # type: ignore[misc]
        found[f"{str(dtype).removeprefix('torch.')}_product_operations_per_s"] = 2 * rows * inner * columns / seconds
    if device.type == "cuda":
        left = torch.randint(-1, 2, (rows, inner), device=device, dtype=torch.int8)
        right = torch.randint(0, 2, (columns, inner), device=device, dtype=torch.int8).T
        seconds = median_seconds(waited(device, lambda: torch._int_mm(left, right)), repeats)  # noqa: SLF001
        found["int8_product_operations_per_s"] = 2 * rows * inner * columns / seconds
        found |= popcounts(device, repeats)
    return found


def copied(device: torch.device, repeats: int) -> float:
    """Bytes a second that a large copy reads and writes."""
    block = torch.empty(COPIED[device.type], dtype=torch.uint8, device=device)
    other = torch.empty_like(block)
    return 2 * len(block) / median_seconds(waited(device, lambda: other.copy_(block)), repeats)


def popcounts(device: torch.device, repeats: int) -> dict[str, float]:
    """Population counts of 32 bits a second, by a kernel that does little else; nothing where Triton is missing."""
    try:
        from popcounts import counted
    except ImportError:
        return {}
    numbers = torch.randint(0, 1 << 31, (COUNTED,), device=device, dtype=torch.int32)
    sums = torch.empty_like(numbers)
    seconds = median_seconds(waited(device, lambda: counted(numbers, sums)), repeats)
    return {"popcounts_per_s": counted(numbers, sums) / seconds}


def floor(found: dict[str, float], items: int, batch: int, bits: int, *, fused: bool) -> dict[str, float]:
    """Seconds that one batch takes at least, by what bounds it."""
    dtype = "int8" if fused else "float16" if "float16_product_operations_per_s" in found else "float32"
    # A copy reads and writes; codes are only read.
    floors = {
        "memory_seconds": items * bits / 8 / found["copy_bytes_per_s"],
        "product_seconds": 2.0 * items * batch * bits / found[f"{dtype}_product_operations_per_s"],
    }
    if "popcounts_per_s" in found:
        floors["popcount_seconds"] = items * batch * bits / 32 / found["popcounts_per_s"]
    return floors


def measure(device: str, *, items: int, bits: int, batch: int, k: int, repeats: int) -> dict[str, Any]:
    """The figures of one run."""
    codes, queries = codes_and_queries(items, bits, batch)
    view = view_of(codes, device)
    way = view.way
    assert isinstance(way, DevicePass)
    assert isinstance(view.exactly, Planner), "the compiled kernel is missing"
    resident = way.resident
    parts, words = [held.part for held in view.held], to_words(queries)
    search = waited(resident.device, lambda: resident.nearest(parts, words, k))
    started = time.perf_counter()
    search()
    brought = time.perf_counter() - started
    seconds = median_seconds(search, repeats)
    some = np.linspace(0, len(queries) - 1, min(CHECKED, len(queries))).astype(int)
    equal = same(resident.nearest(parts, words[some], k), view.exactly.nearest(parts, words[some], k, START))
    equal = equal and same(resident.inside(parts, words[some], 3), view.exactly.inside(parts, words[some], 3))
    fused = resident.comparing.compare is not products.near
    with computing_on(resident.device):
        found = ceilings(resident.device, repeats)
    floors = floor(found, items, batch, bits, fused=fused)
    possible = max(floors["memory_seconds"], floors["product_seconds"])
    scan = scan_rate(codes[:SCANNED], queries, k)
    return {
        "device": torch.cuda.get_device_name(resident.device) if resident.device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        "triton": getattr(sys.modules.get("triton"), "__version__", None),
        "python": platform.python_version(),
        "items": items,
        "bits": bits,
        "batch": batch,
        "k": k,
        "fused": fused,
        "seconds_a_batch": seconds,
        "first_batch_seconds": brought,
        "comparisons_per_s": items * batch / seconds,
        "ceilings": found,
        "floors": floors,
        "share_of_floor": possible / seconds,
        "scan_comparisons_per_s": scan,
        "ratio_to_scan": items * batch / seconds / scan,
        "planner_costs_ns": {"call": resident.costs.call, "compare": resident.costs.compare},
        "answers_equal": equal,
    }


def same(one: Rows, other: Rows) -> bool:
    """Whether two answers are one."""
    return (
        np.array_equal(one.queries, other.queries)
        and np.array_equal(one.distances, other.distances)
        and np.array_equal(one.ids, other.ids)
    )


def scan_rate(codes: NDArray[np.uint8], queries: NDArray[np.uint8], k: int) -> float:
    """Comparisons a second of the compiled scan, one thread."""
    live = LiveIndex(codes.shape[1] * 8, IndexKind.SCAN)
    live.apply(np.arange(len(codes)), codes, NONE, 1)
    live.merge(everything=True)
    return len(codes) * len(queries) / median_seconds(lambda: live.view().search(queries, k), 3)


def main() -> int:
    """Measure and print; fails where the answers differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--items", type=int, default=0, help="0 suits the device")
    parser.add_argument("--bits", type=int, default=64)
    parser.add_argument("--batch", type=int, default=0, help="queries; 0 suits the device")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="the last line is JSON in any case")
    chosen = parser.parse_args()
    kind = torch.device(chosen.device).type
    warm(bits=[chosen.bits])
    items, batch = chosen.items or ITEMS[kind], chosen.batch or BATCH[kind]
    report = measure(chosen.device, items=items, bits=chosen.bits, batch=batch, k=chosen.k, repeats=chosen.repeats)
    print(json.dumps(report))
    return 0 if report["answers_equal"] else 1


if __name__ == "__main__":
    sys.exit(main())
