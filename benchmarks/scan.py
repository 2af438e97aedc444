"""The exact scan against FAISS flat: batches of 64 queries and single ones, at 64, 128 and 256 bits, one thread.

FAISS is measured with both of its heap settings and the better one counts. Queries lie half at cluster centres, half
anywhere; both halves are printed apart for the single query. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np
from codesets import half_clustered, median_over, median_seconds, one_thread
from numpy.typing import NDArray

from hashsvc.domain.kinds import IndexKind
from hashsvc.index import LiveIndex, View, warm

K = 10
BATCH = 64
NONE = np.zeros(0, np.int64)


def scan_view(codes: NDArray[np.uint8], kind: IndexKind = IndexKind.SCAN) -> View:
    """A view of one segment whose item ids are the rows of ``codes``."""
    live = LiveIndex(codes.shape[1] * 8, kind)
    live.apply(np.arange(len(codes)), codes, NONE, 1)
    live.merge(everything=True)
    return live.view()


def compare(items: int, bits: int, repeats: int) -> dict[str, float]:
    """Ratios and speeds at one code length; checks that the distances agree."""
    import faiss

    faiss.omp_set_num_threads(1)
    codes, near, far = half_clustered(items, bits, BATCH // 2)
    batch = np.concatenate([near, far])
    view, flat = scan_view(codes), faiss.IndexBinaryFlat(bits)
    flat.add(codes)
    if not (view.search(batch, K).distances == flat.search(batch, K)[0].reshape(-1)).all():
        raise SystemExit("the scan and FAISS disagree")
    ours = _ours(view, near, far, repeats)
    theirs = [_faiss(flat, near, far, repeats, heap=heap) for heap in (True, False)]
    best = {name: min(one[name] for one in theirs) for name in theirs[0]}
    for name in ("near", "far"):
        print(
            f"{bits} bits, single query {name}: {ours[name] * 1e6:.0f} us, FAISS {best[name] * 1e6:.0f} us, "
            f"ratio {best[name] / ours[name]:.2f}"
        )
    return {
        "batch_ratio": round(best["batch"] / ours["batch"], 2),
        "single_ratio": round(best["single"] / ours["single"], 2),
        "gcmp_per_s": round(BATCH * items / ours["batch"] / 1e9, 2),
        "faiss_gcmp_per_s": round(BATCH * items / best["batch"] / 1e9, 2),
    }


def _ours(view: View, near: NDArray[np.uint8], far: NDArray[np.uint8], repeats: int) -> dict[str, float]:
    return _times(lambda queries: view.search(queries, K), near, far, repeats)


def _faiss(flat: Any, near: NDArray[np.uint8], far: NDArray[np.uint8], repeats: int, *, heap: bool) -> dict[str, float]:
    flat.use_heap = heap
    return _times(lambda queries: flat.search(queries, K), near, far, max(3, repeats // 3))


def _times(search: Any, near: NDArray[np.uint8], far: NDArray[np.uint8], repeats: int) -> dict[str, float]:
    both = np.concatenate([near, far])
    singles = {
        name: median_over([lambda q=q: search(q[None]) for q in some], repeats)  # type: ignore[misc]
        for name, some in (("near", near), ("far", far), ("single", both))
    }
    return {"batch": median_seconds(lambda: search(both), repeats), **singles}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", action="store_true", help="the last line is JSON in any case")
    chosen = parser.parse_args()
    one_thread()
    warm()
    found = {str(bits): compare(chosen.items, bits, chosen.repeats) for bits in (64, 128, 256)}
    print(json.dumps({"items": chosen.items, "k": K, "threads": 1, "bits": found}))


if __name__ == "__main__":
    main()
