"""The arithmetic of size: what 1 G and 10 G items need, and what the fan-out over shards costs a query.

Bytes and rates are given (measured elsewhere, see docs/scale.md) and can be changed; the latency of a fan-out is
simulated, because the slowest of many shards is not obvious. Example:

    python benchmarks/scale.py --items 1e9 --bits 64 --shards 16 --json
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hashsvc.index.tables import signed, substrings

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUERIES = 200_000


@dataclass(frozen=True, slots=True)
class Rates:
    """What was measured, on one core where not said otherwise.

    Args:
        row: bytes of one item in SQL with its indexes.
        posting: bytes an item takes in an index beside its code: its id and its share of the offsets.
        scan: codes of 64 bits compared a second.
        encode: texts decoded and encoded a second.
        write: rows committed a second by one database.
        unit: rows of a unit; unit_row: bytes of its row in the manifest.
        p50_ms: median latency of one shard; sigma: of the logarithm of it.
    """

    row: float = 260
    posting: float = 12
    scan: float = 10e9
    encode: float = 3_700
    write: float = 50_000
    unit: float = 2_048
    unit_row: float = 180
    p50_ms: float = 3.7
    sigma: float = 0.6


def need(items: float, bits: int, shards: int, rates: Rates) -> dict[str, Any]:
    """Bytes, hours and milliseconds for a collection of this size."""
    words, entry = bits / 64, bits / 8 + rates.posting + tables_entry(bits)
    latency = fan_out(shards, rates)
    return {
        "items": items,
        "bits": bits,
        "shards": shards,
        "sql_gb": round(items * rates.row / 1e9),
        "index_gb": round(items * entry / 1e9),
        "index_gb_a_shard": round(items * entry / 1e9 / shards, 1),
        "scan_kind_gb": round(items * (entry - tables_entry(bits)) / 1e9),
        "scan_ms_a_shard_and_core": round(items / shards * words / rates.scan * 1e3, 1),
        "encode_core_hours": round(items / rates.encode / 3600),
        "write_hours": round(items / rates.write / 3600, 1),
        "units": round(items / rates.unit),
        "manifest_mb": round(items / rates.unit * rates.unit_row / 1e6),
        "largest_shard": round(float(skew(items, shards)), 5),
        "fan_out_ms": {name: round(value, 2) for name, value in latency.items()},
        "fan_out_p50_ratio": round(latency["p50"] / rates.p50_ms, 2),
    }


def tables_entry(bits: int) -> int:
    """Bytes of an item in the hash tables that the default kind has beside its codes."""
    cuts = substrings(bits)
    return len(cuts) * (6 if signed(cuts) else 4)


def fan_out(shards: int, rates: Rates, seed: int = 0) -> dict[str, float]:
    """Latency in ms of the slowest of the shards, whose latencies are log-normal and independent."""
    rng = np.random.default_rng(seed)
    slowest: NDArray[np.float64] = np.zeros(QUERIES)
    for _ in range(shards):
        np.maximum(slowest, rates.p50_ms * np.exp(rng.normal(0, rates.sigma, QUERIES)), out=slowest)
    return {f"p{p}": float(np.percentile(slowest, p)) for p in (50, 90, 99)}


def skew(items: float, shards: int, seed: int = 0) -> float:
    """Items of the largest shard over the mean, when keys are spread by their hash."""
    counts = np.random.default_rng(seed).multinomial(int(items), [1 / shards] * shards)
    return float(counts.max() / counts.mean())


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=float, nargs="+", default=[1e9, 1e10])
    parser.add_argument("--bits", type=int, default=64)
    parser.add_argument("--shards", type=int, nargs="+", default=[4, 16, 64])
    parser.add_argument("--json", action="store_true", help="accepted for uniformity: the output is JSON anyway")
    options = parser.parse_args()
    rates = Rates()
    cases = [need(items, options.bits, shards, rates) for items in options.items for shards in options.shards]
    print(json.dumps({"rates": asdict(rates), "cases": cases}))


if __name__ == "__main__":
    main()
