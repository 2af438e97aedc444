"""Evaluation: how much a code finds, how its bits are used, and what stands beside it."""

from __future__ import annotations

from hashsvc.evaluate.coding import Coded, code, cosine, euclidean
from hashsvc.evaluate.distances import nearest
from hashsvc.evaluate.evaluation import evaluate
from hashsvc.evaluate.floors import fit_floors
from hashsvc.evaluate.health import bit_health
from hashsvc.evaluate.material import Material, held_back
from hashsvc.evaluate.measure import Truth, score_codes, score_distances, score_reranked

__all__ = [
    "Coded",
    "Material",
    "Truth",
    "bit_health",
    "code",
    "cosine",
    "euclidean",
    "evaluate",
    "fit_floors",
    "held_back",
    "nearest",
    "score_codes",
    "score_distances",
    "score_reranked",
]
