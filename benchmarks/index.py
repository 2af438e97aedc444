"""The index beside FAISS: within a radius, filters, equal codes; and one table of kinds. One thread; ends with JSON.

Within: our planner against FAISS ``range_search`` at 64 bits, queries at cluster centres so that no answer is empty.
Filter: an item bitmap (over the view's ordinals; FAISS's over its own) not seen before; everything after the bitmap is
timed, against the unfiltered query of the same index, scan kind, median over queries; the worse of 64 and 256 bits
counts. Duplicates: 60 groups of 1,000 equal codes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from codesets import half_clustered, median_over, median_seconds, one_thread
from numpy.typing import NDArray
from scan import K, scan_view

from hashsvc.domain.kinds import IndexKind
from hashsvc.index import View, warm
from hashsvc.index.audit import recall
from hashsvc.index.faisskinds import build_hnsw, faiss_module
from hashsvc.index.held import hold

QUERIES = 32
SHARES = (0.5, 0.1, 0.01, 0.001)
RADII = (3, 8)
EXACT = (IndexKind.REFERENCE, IndexKind.SCAN, IndexKind.TABLES, IndexKind.FLAT, IndexKind.AUTO)


def each(queries: NDArray[np.uint8], ask: Callable[[NDArray[np.uint8]], object]) -> list[Callable[[], object]]:
    """One call for each query."""
    return [lambda query=query: ask(query[None]) for query in queries]  # type: ignore[misc]


def within(items: int, repeats: int) -> dict[str, dict[str, Any]]:
    """Speed of complete radius answers against FAISS range_search and MultiHash, and whether the sets are equal."""
    import faiss

    codes, near, _ = half_clustered(items, 64, QUERIES)
    view, scan = scan_view(codes, IndexKind.AUTO), scan_view(codes, IndexKind.SCAN)
    flat, multi = faiss.IndexBinaryFlat(64), faiss.IndexBinaryMultiHash(64, 4, 16)
    flat.add(codes)
    multi.add(codes)
    found = {}
    for radius in RADII:
        ours = median_over(each(near, lambda query, r=radius: view.within(query, r)), repeats)  # type: ignore[misc]
        scanned = median_over(each(near, lambda query, r=radius: scan.within(query, r)), repeats)  # type: ignore[misc]
        theirs = median_over(each(near, lambda query, r=radius: flat.range_search(query, r + 1)), 3)  # type: ignore[misc]
        multi.nflip = radius // 4
        hashed = median_over(each(near, lambda query, r=radius: multi.range_search(query, r + 1)), 3)  # type: ignore[misc]
        print(
            f"within {radius}: ours {ours * 1e6:.0f} us, our scan {scanned * 1e6:.0f}, FAISS flat {theirs * 1e6:.0f}, "
            f"FAISS MultiHash {hashed * 1e6:.0f}"
        )
        found[str(radius)] = {"ratio": round(theirs / ours, 2), "equal": _equal(view, flat, near, radius)}
        found[str(radius)]["scan_ratio"] = round(scanned / ours, 2)
    return found


def _equal(view: View, flat: Any, queries: NDArray[np.uint8], radius: int) -> bool:
    limits, _, ids = flat.range_search(queries, radius + 1)
    ours = view.within(queries, radius)
    return all(
        np.array_equal(np.sort(ours[number][0]), np.sort(ids[limits[number] : limits[number + 1]]))
        for number in range(len(queries))
    )


def filtered(items: int, bits: int, repeats: int) -> dict[str, dict[str, float]]:
    """Filtered over unfiltered time, ours and FAISS IDSelectorBitmap, at one code length."""
    faiss = faiss_module()
    codes, near, far = half_clustered(items, bits, QUERIES // 2)
    queries, view = np.concatenate([near, far]), scan_view(codes, IndexKind.SCAN)
    flat = faiss.IndexBinaryFlat(bits)
    flat.add(codes)
    plain = median_over(each(queries, lambda query: view.search(query, K)), repeats)
    theirs = median_over(each(queries, lambda query: flat.search(query, K)), 3)
    print(f"{bits} bits, unfiltered: {plain * 1e6:.0f} us, FAISS {theirs * 1e6:.0f}")
    found = {}
    for share in SHARES:
        allowed = np.flatnonzero(np.random.default_rng(1).random(items) < share)
        bitmap = view.bitmap(allowed)
        selector = faiss.IDSelectorBitmap(np.packbits(np.isin(np.arange(items), allowed), bitorder="little"))
        chosen = faiss.SearchParameters(sel=selector)
        # The bitmap's words are worked out anew in each call: nothing about it is kept.
        ours = median_over(each(queries, lambda query, b=bitmap: view.search(query, K, b)), repeats)  # type: ignore[misc]
        other = median_over(each(queries, lambda query, p=chosen: flat.search(query, K, params=p)), 3)  # type: ignore[misc]
        way = view.explain(allowed=bitmap)[0].chosen
        print(f"  passing {share}: {way} {ours * 1e6:.0f} us, FAISS {other * 1e6:.0f}")
        found[str(share)] = {
            "ours_ratio": round(ours / plain, 2),
            "faiss_ratio": round(other / theirs, 2),
        }
    return found


def graph_view(codes: NDArray[np.uint8]) -> View:
    """A view that asks a graph even where the kind would scan, because that is faster."""
    view = scan_view(codes, IndexKind.HNSW)
    segment = view.held[0].segment
    return replace(view, held=(hold(replace(segment, structure=build_hnsw(segment))),))


def duplicates() -> dict[str, float]:
    """Tie-aware recall@10 over 60 groups of 1,000 equal codes among 60,000 others: worst exact kind, and a graph."""
    rng = np.random.default_rng(2)
    groups = np.repeat(rng.integers(0, 256, (60, 32), dtype=np.uint8), 1000, axis=0)
    others, near, _ = half_clustered(60_000, 256, 60)
    codes = np.concatenate([groups, others])
    queries = np.concatenate([groups[::1000] ^ (rng.random((60, 32)) < 0.1).astype(np.uint8), near])
    truth = scan_view(codes, IndexKind.REFERENCE).search(queries, K)
    exact = [recall(scan_view(codes, kind).search(queries, K), truth) for kind in EXACT]
    graph = recall(graph_view(codes).search(queries, K), truth)
    return {"exact_recall": round(min(exact), 3), "graph_recall": round(graph, 3)}


def kinds(items: int, repeats: int) -> None:
    """Print a table: every kind at 64 and 256 bits, single queries at cluster centres, recall by distance."""
    for bits in (64, 256):
        codes, near, _ = half_clustered(items, bits, QUERIES)
        truth = scan_view(codes, IndexKind.SCAN).search(near, K)
        for kind in (IndexKind.SCAN, IndexKind.TABLES, IndexKind.AUTO, IndexKind.FLAT, IndexKind.IVF, IndexKind.HNSW):
            view = graph_view(codes) if kind is IndexKind.HNSW else scan_view(codes, kind)
            taken = median_over(each(near, lambda query, v=view: v.search(query, K)), repeats)  # type: ignore[misc]
            share = recall(view.search(near, K), truth)
            print(f"{bits} bits {kind:>6}: {taken * 1e6:7.0f} us a query, recall {share:.3f}")
        _usearch(codes, near, repeats)


def _usearch(codes: NDArray[np.uint8], queries: NDArray[np.uint8], repeats: int) -> None:
    try:
        from usearch.index import Index
    except ImportError:
        print("usearch is not installed: left out")
        return
    index = Index(ndim=codes.shape[1] * 8, metric="hamming", dtype="b1")
    index.add(np.arange(len(codes)), codes, threads=1)
    taken = median_seconds(lambda: index.search(queries[:1], K, threads=1), repeats)
    print(f"{codes.shape[1] * 8} bits usearch: {taken * 1e6:7.0f} us a query")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--kinds", type=int, default=50_000, help="items of the table of kinds; 0 leaves it out")
    parser.add_argument("--json", action="store_true", help="the last line is JSON in any case")
    chosen = parser.parse_args()
    one_thread()
    import faiss

    faiss.omp_set_num_threads(1)
    warm()
    if chosen.kinds:
        kinds(chosen.kinds, chosen.repeats)
    radii = within(chosen.items, chosen.repeats)
    lengths = [filtered(chosen.items, bits, chosen.repeats) for bits in (64, 256)]
    shares = {
        share: {
            "ours_ratio": max(one[share]["ours_ratio"] for one in lengths),
            "faiss_ratio": min(one[share]["faiss_ratio"] for one in lengths),
        }
        for share in lengths[0]
    }
    print(json.dumps({"within": radii, "filter": shares, "duplicates": duplicates()}))


if __name__ == "__main__":
    main()
