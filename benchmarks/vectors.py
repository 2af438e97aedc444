"""The claim: codes of vectors, re-ranked by the query's floats, find the float neighbours at least as well as RaBitQ.

RaBitQ (faiss) searches everything with its own estimator; all its bytes for a vector are counted, so it quantises as
many principal directions as fit beside its factors. Ours takes a Hamming short-list of 4 times the items wanted and
puts it in asymmetric order, without stored vectors. Stand-ins for embeddings: MNIST pixels, LSA-256 of 20 Newsgroups.

    python benchmarks/vectors.py --dataset mnist --bits 256 --json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING, Any

import datasets
import faiss
import numpy as np
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from hashsvc.domain.kinds import Kind
from hashsvc.encoders import fit
from hashsvc.evaluate import Truth, code, euclidean, nearest, score_codes, score_distances, score_reranked

if TYPE_CHECKING:
    from numpy.typing import NDArray

OVERSAMPLE, NEIGHBOURS, DIRECTIONS = 4, 10, 256


def pixels() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """MNIST pixels in [0, 1]: ``float32[60000, 784]`` and the queries."""
    data = datasets.load("mnist")
    from hashsvc.encoders.fronts.image import ImageFront

    front = ImageFront.fit(data.contents[:256])
    held, asked = (
        np.stack([front.decode(content).ravel() for content in contents]).astype(np.float32) / 255
        for contents in (data.contents, data.queries)
    )
    return np.asarray(held, dtype=np.float32), np.asarray(asked, dtype=np.float32)


def latent() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """LSA-256 of 20 Newsgroups, rows of unit length: ``float32[n, 256]`` and the queries."""
    data = datasets.load("ng20")
    terms = TfidfVectorizer(max_features=10_000, stop_words="english", min_df=3)
    held = terms.fit_transform([content.decode() for content in data.contents])
    lsa = TruncatedSVD(DIRECTIONS, random_state=0).fit(held)
    found = []
    for rows in (held, terms.transform([content.decode() for content in data.queries])):
        values = lsa.transform(rows)
        norms = np.linalg.norm(values, axis=1, keepdims=True)
        found.append((values / np.maximum(norms, 1e-12))[norms[:, 0] > 1e-6].astype(np.float32))
    return found[0], found[1]


SETS = {"mnist": pixels, "ng20": latent}


def rabitq_recall(held: NDArray[np.float32], asked: NDArray[np.float32], truth: Truth, size: int) -> dict[str, float]:
    """recall@10 of RaBitQ over as many principal directions as fit into ``size`` bytes a vector, factors included."""
    one: Any = faiss.IndexRaBitQ(8, faiss.METRIC_L2)
    factors = int(one.code_size) - 1
    directions = min((size - factors) * 8, held.shape[1])
    pca = PCA(directions, random_state=0).fit(held)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(directions, directions)))[0]
    rows, queries = ((pca.transform(part) @ turn).astype(np.float32) for part in (held, asked))
    index: Any = faiss.IndexRaBitQ(directions, faiss.METRIC_L2)
    index.train(rows)
    index.add(rows)
    _, found = index.search(queries, NEIGHBOURS)
    assert truth.neighbours is not None
    offsets, items, weights = truth.neighbours.offsets, truth.neighbours.items, truth.neighbours.weights
    hits = 0.0
    for query, near in enumerate(found):
        own = slice(offsets[query], offsets[query + 1])
        hits += weights[own][np.isin(items[own], near)].sum()
    return {"recall_at_10": hits / (len(found) * NEIGHBOURS), "bytes": index.code_size, "directions": directions}


def measure(name: str, bits: int, queries: int, model: str) -> dict[str, Any]:
    """The result as one JSON object."""
    held, asked = SETS[name]()
    asked = asked[np.unique(np.linspace(0, len(asked) - 1, min(queries, len(asked))).astype(np.int64))]
    exact = nearest(euclidean(asked, held), len(asked), len(held), NEIGHBOURS)
    truth = Truth(len(held), len(asked), neighbours=exact)
    started = time.monotonic()
    fitted = fit([row.astype("<f4").tobytes() for row in held], kind=Kind.VECTOR, bits=bits, model=model)
    seconds = time.monotonic() - started
    result: dict[str, Any] = {"dataset": name, "bits": bits, "queries": len(asked), "seconds": round(seconds, 1)}
    result["kept"] = fitted.report["model"]
    for model_name, encoder in fitted.candidates.items():
        items, questions = list(held), list(asked)
        coded = code(encoder, items, questions)
        symmetric, _ = score_codes(coded.query_codes, coded.codes, truth)
        reranked = score_reranked(coded.query_codes, coded.codes, coded.asymmetric, truth, oversample=OVERSAMPLE)
        asymmetric = score_distances(coded.asymmetric, truth)
        result[model_name] = {
            "symmetric": round(symmetric.recall or 0, 4),
            "reranked": round(reranked.recall or 0, 4),
            "asymmetric": round(asymmetric.recall or 0, 4),
        }
    result["rabitq"] = rabitq_recall(held, asked, truth, bits // 8)
    result["ratio"] = round(result[result["kept"]]["reranked"] / result["rabitq"]["recall_at_10"], 3)
    return result


def main() -> int:
    """Run the benchmark; the last line on stdout is the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", choices=sorted(SETS), required=True)
    parser.add_argument("--bits", type=int, default=256)
    parser.add_argument("--queries", type=int, default=1000, help="at even steps")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--json", action="store_true", help="only the JSON line on stdout")
    asked = parser.parse_args()
    try:
        result = measure(asked.dataset, asked.bits, asked.queries, asked.model)
    except datasets.Absent as absent:
        sys.stderr.write(f"skipped: {absent}\n")
        return 2
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
