"""Plain versions of what the dedup room does, to compare it with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from hashsvc.codes import hamming
from hashsvc.dedup.chosen import KEPT
from hashsvc.dedup.problem import MARGIN, Problem

Pieces = Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]]


def join(codes: NDArray[np.uint8], others: NDArray[np.uint8], radius: int) -> Pieces:
    for place, code in enumerate(codes):
        distances = hamming(others, code)
        near = np.flatnonzero(distances <= radius)
        yield np.full(len(near), place, np.int64), near, distances[near]


def self_join(codes: NDArray[np.uint8], radius: int) -> Pieces:
    for left, right, distances in join(codes, codes, radius):
        before = left < right
        yield left[before], right[before], distances[before]


def duplicates(problem: Problem, i: int, j: int) -> float | None:
    """Score of a pair that counts as duplicates, nan where nothing is verified, None where it does not."""
    if any({i, j} == set(pair) for pair in problem.apart.tolist()):
        return None
    if problem.forms[i] == problem.forms[j]:
        return 1.0
    if hamming(problem.codes[i], problem.codes[j]) > problem.radius:
        return None
    if problem.sketches is None:
        return float("nan")
    score = float(problem.sketches.scores(np.array([i]), np.array([j]))[0])
    return score if score >= problem.threshold else None


def witnesses(problem: Problem) -> NDArray[np.int64]:
    """The witness of each row by the definition: the first kept row before it that is its duplicate."""
    found = np.full(len(problem.codes), KEPT, np.int64)
    for row in range(problem.given, len(found)):
        before: Sequence[int] = range(row if problem.among else problem.given)
        for other in before:
            if found[other] == KEPT and duplicates(problem, row, other) is not None:
                found[row] = other
                break
    return found


def attributed(problem: Problem, witness: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each dropped row the kept one most like it."""
    kept = [row for row in range(len(witness)) if witness[row] == KEPT and (problem.among or row < problem.given)]
    best = witness.copy()
    for row in np.flatnonzero(witness >= 0).tolist():
        scored = [(duplicates(problem, row, other), other) for other in kept]
        best[row] = min(
            (-(0.0 if score != score else score), int(hamming(problem.codes[row], problem.codes[other])), other)
            for score, other in scored
            if score is not None
        )[2]
    return best


def near_miss(problem: Problem, kept: NDArray[np.bool_], row: int) -> tuple[int, float] | None:
    """The kept row before a kept one that comes nearest to being its duplicate."""
    best: tuple[int, float] | None = None
    assert problem.sketches is not None
    for other in range(row if problem.among else problem.given):
        if not kept[other] or hamming(problem.codes[row], problem.codes[other]) > problem.radius:
            continue
        score = float(problem.sketches.scores(np.array([row]), np.array([other]))[0])
        if problem.threshold - MARGIN <= score < problem.threshold and (best is None or score > best[1]):
            best = other, score
    return best
