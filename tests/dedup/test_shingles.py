"""Shingles: Jaccard as sets say it, and candidates from rare shingles that lose no pair."""

from __future__ import annotations

import numpy as np
import pytest

from hashsvc.dedup.normal import normal_form
from hashsvc.dedup.shingles import ShingleSets, prefix_pairs, shingle
from hashsvc.errors import InvalidContent
from tests.dedup.test_select import random_texts


def plain(text: str) -> set[str]:
    padded = text.ljust(5, "\x00")
    return {padded[place : place + 5] for place in range(len(padded) - 4)}


def test_scores_are_the_jaccard_of_the_sets() -> None:
    texts = [
        *random_texts(np.random.default_rng(1), 80),
        "",
        "ab",
        "ab",
        "naïve café 東京 тест",
        "naïve cafe 東京 тест",
    ]
    sets = ShingleSets(*shingle(texts))
    pairs = np.array([(i, j) for i in range(len(texts)) for j in range(len(texts))])
    scores = sets.scores(pairs[:, 0], pairs[:, 1])
    for (i, j), score in zip(pairs.tolist(), scores.tolist(), strict=True):
        one, other = plain(texts[i]), plain(texts[j])
        assert score == pytest.approx(len(one & other) / len(one | other))


@pytest.mark.parametrize("least", [0.3, 0.6, 0.9])
def test_rare_shingles_lose_no_pair(least: float) -> None:
    texts = random_texts(np.random.default_rng(2), 200)
    sets = ShingleSets(*shingle(texts))
    rows = np.arange(len(texts))
    found = {
        (int(i), int(j))
        for left, right in prefix_pairs(sets.prefixes(least), rows, rows)
        for i, j in zip(left, right, strict=True)
    }
    every = np.array([(i, j) for i in rows for j in rows])
    near = every[sets.scores(every[:, 0], every[:, 1]) >= least]
    assert {(int(i), int(j)) for i, j in near} <= found
    assert len(near) > len(texts)


def test_normal_form() -> None:
    assert normal_form("  Don't STOP_me,\n now! ") == "dont stopme now"
    assert normal_form("...") == "..."
    for empty in ("", " \n\t", "\x00"):
        with pytest.raises(InvalidContent):
            normal_form(empty)


@pytest.mark.parametrize("length", [3, 60])
def test_bitmaps_bound_the_score_from_above(length: int) -> None:
    texts = [" ".join(random_texts(np.random.default_rng(seed), length)) for seed in range(120)]
    texts += [text[: len(text) * 9 // 10] for text in texts]
    sets = ShingleSets(*shingle(texts))
    every = np.array([(i, j) for i in range(len(texts)) for j in range(len(texts))])
    exact = sets.scores(every[:, 0], every[:, 1])
    assert (sets.bounds(every[:, 0], every[:, 1]) >= exact - 1e-12).all()
    told = sets.scores(every[:, 0], every[:, 1], 0.7)
    assert np.array_equal(told[exact >= 0.7], exact[exact >= 0.7])
    assert ((told == 0) | (told == exact)).all()
