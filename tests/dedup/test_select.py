"""Star selection: the definition on random, chained and crowded inputs, however the work is cut."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from hashsvc.dedup.candidates import Candidates, Join, SelfJoin
from hashsvc.dedup.chosen import KEPT, Chosen
from hashsvc.dedup.problem import Problem
from hashsvc.dedup.select import Selection
from hashsvc.dedup.shingles import ShingleSets, shingle
from hashsvc.index.selfjoin import join as engine_join
from hashsvc.index.selfjoin import self_join as engine_self_join
from tests.dedup import reference

NO_PAIRS = np.empty((0, 2), np.int64)


def solved(
    problem: Problem, *, budget: int = 2_000_000, cut: int = 10_000, engine: bool = False, attribute: bool = False
) -> Chosen:
    chosen = Chosen.start(problem)
    join: Join = engine_join if engine else reference.join
    self_join: SelfJoin = engine_self_join if engine else reference.self_join
    selection = Selection(Candidates(problem, join, self_join, budget), chosen)
    for start in range(0, len(problem.codes), cut):
        selection.decide(start, min(start + cut, len(problem.codes)))
    if attribute:
        selection.attribute()
    return chosen


def random_codes(rng: np.random.Generator, count: int, centres: int, flips: int) -> np.ndarray:
    codes = rng.integers(0, 256, (centres, 8), np.uint8)[rng.integers(0, centres, count)]
    for row in codes:
        for bit in rng.integers(0, 64, rng.integers(0, flips + 1)):
            row[bit // 8] ^= 1 << (bit % 8)
    return codes


def random_texts(rng: np.random.Generator, count: int) -> list[str]:
    words = ["amber", "birch", "cedar", "delta"]
    return [" ".join(rng.choice(words, rng.integers(3, 9))) for _ in range(count)]


def text_problem(seed: int, count: int = 250, given: int = 0, *, among: bool = True, centres: int = 3) -> Problem:
    rng = np.random.default_rng(seed)
    texts = random_texts(rng, count)
    forms = np.unique(texts, return_inverse=True)[1].astype(np.int64)
    apart = np.unique(np.sort(rng.integers(0, count, (20, 2)), axis=1), axis=0)
    codes = random_codes(rng, count, centres, 3)
    return Problem(codes, forms, ShingleSets(*shingle(texts)), given, among, 4, 0.7, apart)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("given", "among"), [(0, True), (60, True), (60, False)])
def test_the_witness_is_the_first_kept_duplicate(seed: int, given: int, *, among: bool) -> None:
    problem = text_problem(seed, given=given, among=among)
    wanted = reference.witnesses(problem)
    assert (wanted[given:] >= 0).sum() > 10
    for budget, cut, engine in (
        (2_000_000, 10_000, False),
        (50, 10_000, False),
        (300, 37, True),
        (2_000_000, 1, False),
    ):
        chosen = solved(problem, budget=budget, cut=cut, engine=engine)
        assert np.array_equal(chosen.witness, wanted), (budget, cut)


@pytest.mark.parametrize("seed", range(3))
def test_near_misses_are_the_best_of_kept_rows_before(seed: int) -> None:
    problem = text_problem(seed)
    wanted = reference.witnesses(problem) == KEPT
    found = 0
    for budget, cut in ((2_000_000, 10_000), (50, 31)):
        chosen = solved(problem, budget=budget, cut=cut)
        for row in np.flatnonzero(wanted).tolist():
            best = reference.near_miss(problem, wanted, row)
            assert (int(chosen.missed[row]), float(chosen.missed_score[row])) == (best or (-1, 0.0))
            found += best is not None
    assert found


def test_a_chain_is_cut_into_stars() -> None:
    """Each code one bit beyond its neighbour: no link of the chain is farther from its witness than the radius."""
    codes = np.zeros((60, 8), np.uint8)
    for place in range(60):
        codes[place:, place // 8] ^= np.uint8(1 << (place % 8))
    problem = Problem(codes, np.arange(60), None, 0, True, 3, 0.0, NO_PAIRS)
    chosen = solved(problem)
    kept = np.flatnonzero(chosen.witness == KEPT)
    assert kept.tolist() == list(range(0, 60, 4))
    dropped = np.flatnonzero(chosen.witness >= 0)
    assert (np.abs(dropped - chosen.witness[dropped]) <= 3).all()


@pytest.mark.parametrize("budget", [100, 2_000_000])
def test_a_hub_of_equal_codes_falls_apart_by_content(budget: int) -> None:
    rng = np.random.default_rng(1)
    texts = [f"{'-'.join(rng.choice(list('abcdefghij'), 30))} {n % 300}" for n in range(300)]
    texts += [text + " x" for text in texts]
    codes = np.zeros((600, 8), np.uint8)
    problem = Problem(codes, np.arange(600), ShingleSets(*shingle(texts)), 0, True, 0, 0.7, NO_PAIRS)
    chosen = solved(problem, budget=budget)
    assert (chosen.witness[:300] == KEPT).all()
    assert chosen.witness[300:].tolist() == list(range(300))


def test_a_hub_that_is_alike_is_compared_with_its_first_only() -> None:
    """Every pair is a duplicate: were all of them compared, there would be eighteen million comparisons."""
    count = 0
    texts = [
        f"your parcel number {n} has left our house and will be with you before the end of this week"
        for n in range(6000)
    ]
    sets = ShingleSets(*shingle(texts))

    class Counting:
        def scores(self, left: np.ndarray, right: np.ndarray, least: float = 0.0, /) -> np.ndarray:
            nonlocal count
            count += len(left)
            return sets.scores(left, right, least)

    problem = Problem(np.zeros((6000, 8), np.uint8), np.arange(6000), Counting(), 0, True, 2, 0.7, NO_PAIRS)
    chosen = solved(problem, budget=100_000, engine=True)
    assert (chosen.witness[1:] == 0).all()
    assert count < 200_000


def test_the_joins_may_come_in_any_pieces() -> None:
    problem = text_problem(9)
    plain = solved(problem)
    candidates = Candidates(problem, partial(engine_join, threads=2), partial(engine_self_join, threads=2))
    threaded = Selection(candidates, Chosen.start(problem))
    threaded.decide(0, len(problem.codes))
    assert np.array_equal(threaded.chosen.witness, plain.witness)


@pytest.mark.parametrize(("given", "among"), [(0, True), (60, False)])
def test_a_dropped_row_is_given_the_kept_row_most_like_it(given: int, *, among: bool) -> None:
    problem = text_problem(2, given=given, among=among)
    wanted = reference.attributed(problem, reference.witnesses(problem))
    for budget in (2_000_000, 50):
        chosen = solved(problem, budget=budget, attribute=True)
        assert np.array_equal(chosen.witness, wanted)
