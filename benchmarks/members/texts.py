"""LSA and TF-IDF on 20 Newsgroups, and semantic hashing with its table (Salakhutdinov & Hinton 2007)."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING

import datasets
import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from hashsvc.codes import hamming, unpack
from hashsvc.encoders import MODELS
from hashsvc.encoders.fronts.text import TextFront
from hashsvc.encoders.training_set import TrainingSet
from hashsvc.evaluate import Truth, cosine, score_codes, score_distances, score_reranked
from members.row import Row, silent

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Distances = Callable[[slice], NDArray[np.float32]]

WORDS, DIRECTIONS = 2_000, 128
BITS, SHORT = 128, 500
ADDRESS, RADIUS = 20, 4


@cache
def posts() -> datasets.DataSet:
    """20 Newsgroups without blank posts."""
    data = datasets.load("ng20")
    held = [row for row, content in enumerate(data.contents) if content.strip()]
    asked = [row for row, content in enumerate(data.queries) if content.strip()]
    return datasets.DataSet(
        data.name,
        data.kind,
        [data.contents[row] for row in held],
        data.labels[held],
        [data.queries[row] for row in asked],
        data.query_labels[asked],
        data.names,
    )


def truth() -> Truth:
    """Which items share a query's group."""
    data = posts()
    return Truth(len(data.contents), len(data.queries), data.query_labels, data.labels)


@cache
def orders() -> dict[str, Distances]:
    """Cosine orders of LSA-128 and of TF-IDF over the commonest 2,000 words."""
    data = posts()
    terms = TfidfVectorizer(max_features=WORDS, stop_words="english", sublinear_tf=True)
    held = terms.fit_transform([content.decode() for content in data.contents])
    asked = terms.transform([content.decode() for content in data.queries])
    lsa = TruncatedSVD(DIRECTIONS, random_state=0).fit(held)
    turned = held.T.tocsr()

    def tfidf(part: slice) -> NDArray[np.float32]:
        distances: NDArray[np.float32] = -(asked[part] @ turned).toarray().astype(np.float32)
        return distances

    return {
        "lsa": cosine(lsa.transform(asked).astype(np.float32), lsa.transform(held).astype(np.float32)),
        "tfidf": tfidf,
    }


@cache
def float_precision(name: str) -> float:
    """P@100 of a float order."""
    return score_distances(orders()[name], truth()).precision or 0.0


def lsa(_seed: int) -> dict[str, Row]:
    """The yardsticks of semantic hashing."""
    return {
        "LSA-128 P@100": Row(round(float_precision("lsa"), 4), 0.423, most=False, reference=".423"),
        "TF-IDF P@100": Row(round(float_precision("tfidf"), 4), 0.376, most=False, reference=".376"),
    }


def semantic_hashing(seed: int) -> dict[str, Row]:
    """The default text encoder at 128 bits, its short-list, and the table over the first 20 bits."""
    data = posts()
    front = TextFront.fit(data.contents)
    training = TrainingSet(front, [front.decode(content) for content in data.contents], seed=seed)
    encoder = MODELS["autoencoder"].fit(training, BITS, seed, silent)
    held, asked = (encoder.encode([encoder.decode(c) for c in side]) for side in (data.contents, data.queries))
    scores, _ = score_codes(asked, held, truth())
    listed = score_reranked(asked, held, orders()["tfidf"], truth(), short=SHORT)
    wrong, probes = table_misses(held, asked[:200])
    return {
        "128-bit P@100 less that of LSA-128 float": Row(
            round((scores.precision or 0.0) - float_precision("lsa"), 4),
            0.01,
            most=False,
            reference="LSA-128 float",
            beside={"code": round(scores.precision or 0.0, 4), "LSA": round(float_precision("lsa"), 4)},
        ),
        "short-list of 500 by TF-IDF, P@100 less that of TF-IDF alone": Row(
            round((listed.precision or 0.0) - float_precision("tfidf"), 4),
            0.0,
            most=False,
            slack=0.0,
            reference="TF-IDF alone",
            beside={"short-list": round(listed.precision or 0.0, 4), "TF-IDF": round(float_precision("tfidf"), 4)},
        ),
        "queries whose table answer differs from the scan's": Row(float(wrong), 0.0, slack=0.0, reference="0"),
        "probes of a look-up": Row(float(probes), 6196.0, slack=0.0, reference="6,196"),
    }


def table_misses(held: NDArray[np.uint8], asked: NDArray[np.uint8]) -> tuple[int, int]:
    """How many of the queries get another set from the table of 20-bit addresses than from a scan; probes a query."""
    addresses, wanted = _addresses(held), _addresses(asked)
    order = np.argsort(addresses, kind="stable")
    starts = np.searchsorted(addresses[order], np.arange((1 << ADDRESS) + 1))
    masks = np.array(
        [sum(1 << bit for bit in bits) for n in range(RADIUS + 1) for bits in combinations(range(ADDRESS), n)]
    )
    padded_held, padded_asked = _first_bits(held), _first_bits(asked)
    wrong = 0
    for address, code in zip(wanted, padded_asked, strict=True):
        probed = address ^ masks
        hits = np.concatenate(
            [order[starts[p] : starts[p + 1]] for p in probed[starts[probed] < starts[probed + 1]]] or [order[:0]]
        )
        scanned = np.flatnonzero(hamming(code, padded_held) <= RADIUS)
        wrong += not np.array_equal(np.sort(hits), scanned)
    return wrong, len(masks)


def _addresses(codes: NDArray[np.uint8]) -> NDArray[np.int64]:
    found: NDArray[np.int64] = unpack(codes)[:, :ADDRESS].astype(np.int64) @ (1 << np.arange(ADDRESS)[::-1])
    return found


def _first_bits(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The first 20 bits as codes of 24, the rest zero."""
    kept = codes[:, :3].copy()
    kept[:, 2] &= 0xF0
    return kept
