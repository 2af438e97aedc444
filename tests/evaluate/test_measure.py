"""Blocked distances and the scores on top of them, against plain loops over whole rankings."""

from __future__ import annotations

import numpy as np
import pytest

from hashsvc.evaluate import Truth, bit_health, euclidean, nearest, score_codes, score_distances, score_reranked
from hashsvc.evaluate import distances as blocked

RNG = np.random.default_rng(7)
LABELS, QUERY_LABELS = RNG.integers(0, 4, 90), RNG.integers(0, 5, 17)


def packed(rows: int, bits: int) -> np.ndarray:
    return RNG.integers(0, 256, (rows, bits // 8), dtype=np.uint8)


def plain_hamming(queries: np.ndarray, codes: np.ndarray) -> np.ndarray:
    distances: np.ndarray = np.unpackbits(queries[:, None] ^ codes[None], axis=2).sum(axis=2)
    return distances


@pytest.mark.parametrize("bits", [8, 16, 24, 32, 48, 64, 128])
def test_levels_count_every_item_once(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocked, "BLOCK", 200)
    codes, queries = packed(90, bits), packed(17, bits)
    plain = plain_hamming(queries, codes)
    counts = blocked.hamming_levels(queries, codes)
    own = blocked.labelled_levels(queries, codes, QUERY_LABELS, LABELS)
    for query in range(17):
        assert np.array_equal(counts[query], np.bincount(plain[query], minlength=bits + 1))
        related = QUERY_LABELS[query] == LABELS
        assert np.array_equal(own[query], np.bincount(plain[query][related], minlength=bits + 1))


def test_symmetric_scores_are_those_of_the_same_distances_as_reals() -> None:
    codes, queries = packed(90, 16), packed(17, 16)
    plain = plain_hamming(queries, codes).astype(np.float32)
    features, asked = RNG.normal(size=(90, 5)).astype(np.float32), RNG.normal(size=(17, 5)).astype(np.float32)
    near = nearest(euclidean(asked, features), 17, 90, 10)
    truth = Truth(90, 17, QUERY_LABELS, LABELS, near, k=20, depth=50)
    scores, spread = score_codes(queries, codes, truth)
    reals = score_distances(lambda part: plain[part], truth)
    assert scores.precision == pytest.approx(reals.precision)
    assert scores.mean_average_precision == pytest.approx(reals.mean_average_precision)
    assert scores.recall == pytest.approx(reals.recall)
    assert sum(spread.related) == pytest.approx(1)
    assert sum(spread.unrelated) == pytest.approx(1)


def test_reranking_the_whole_collection_is_ranking_it() -> None:
    codes, queries = packed(90, 8), packed(17, 8)
    features, asked = RNG.normal(size=(90, 5)).astype(np.float32), RNG.normal(size=(17, 5)).astype(np.float32)
    order = euclidean(asked, features)
    truth = Truth(90, 17, QUERY_LABELS, LABELS, nearest(order, 17, 90, 10), k=20)
    whole = score_reranked(queries, codes, order, truth, short=90)
    assert whole.precision == pytest.approx(score_distances(order, truth).precision)
    assert whole.recall == pytest.approx(1)
    assert (score_reranked(queries, codes, order, truth, oversample=1).recall or 0) < 1


def test_float_neighbours_that_tie_share_the_last_places() -> None:
    rows = np.array([[0.0, 1.0, 1.0, 1.0, 2.0]], dtype=np.float32)
    near = nearest(lambda part: rows[part], 1, 5, 2)
    assert near.items.tolist() == [0, 1, 2, 3]
    assert near.weights == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3])


def test_scores_without_labels_or_floats_are_none() -> None:
    codes = packed(30, 8)
    scores, _ = score_codes(codes[:5], codes, Truth(30, 5))
    assert (scores.precision, scores.mean_average_precision, scores.recall) == (None, None, None)


def test_health_tells_a_dead_bit_and_a_copied_bit() -> None:
    bits = RNG.random((400, 8)) < 0.5
    bits[:, 0] = True
    bits[:, 2] = bits[:, 1]
    health = bit_health(np.packbits(bits, axis=1))
    assert health.means[0] == health.highest == 1
    assert health.worst_correlation == pytest.approx(1)
    assert health.entropy == pytest.approx(7 / 8, abs=0.01)
    assert health.distinct == len(np.unique(bits, axis=0)) <= 64
    assert health.code_entropy <= np.log2(health.distinct)
