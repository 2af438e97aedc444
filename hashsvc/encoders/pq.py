"""Product quantisation of vectors (Jégou et al., TPAMI 2011): sixteen code vectors for each group, four bits a group.

A floor: its codes are compared by table, as names; bits that two of them share mean nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import faiss
import numpy as np

from hashsvc.encoders.assembly import assemble
from hashsvc.encoders.codebook import Codebook
from hashsvc.encoders.contract import OnProgress, Progress
from hashsvc.encoders.networks import PaddedNetwork

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.encoders.encoder import CodeEncoder
    from hashsvc.encoders.training_set import TrainingSet

ENTRIES = 16
SAMPLE = 20_000


def fit_pq(training: TrainingSet, bits: int, seed: int, progress: OnProgress) -> CodeEncoder:
    """Learn the code vectors of neighbouring numbers; what is missing to a whole group is zero."""
    groups = bits // 4
    width = -(-training.front.width // groups)
    rows = np.asarray(training.rows(), dtype=np.float32)
    sample = rows[np.random.default_rng(seed).permutation(len(rows))[:SAMPLE]]
    padded = np.zeros((max(len(sample), ENTRIES), groups * width), dtype=np.float32)
    padded[:, : rows.shape[1]] = np.resize(sample, (len(padded), rows.shape[1]))
    vectors = _trained(padded, groups, seed)
    progress(Progress("pq", 1, 1))
    names = np.tile(np.arange(ENTRIES, dtype=np.uint8), (groups, 1))
    network = PaddedNetwork(training.front.width, groups * width)
    return assemble("pq", training, network, binarizer=Codebook(vectors, names))


def _trained(rows: NDArray[np.float32], groups: int, seed: int) -> NDArray[np.float32]:
    quantizer = faiss.ProductQuantizer(rows.shape[1], groups, 4)
    quantizer.cp.seed = seed + 1
    quantizer.cp.min_points_per_centroid = 1
    quantizer.train(rows)
    vectors = faiss.vector_to_array(quantizer.centroids).reshape(groups, ENTRIES, -1)
    return np.ascontiguousarray(vectors, dtype=np.float32)
