"""Codes in two dimensions by t-SNE (van der Maaten & Hinton, JMLR 2008): the squared distance of signs is Hamming's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.cluster import KMeans
from sklearn.manifold import TSNE

from hashsvc.codes import unpack
from hashsvc.domain.quality import Plane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

POINTS = 1000
LEAST = 12
STEPS = 500
CLUSTERS = 10


def plane(
    codes: NDArray[np.uint8],
    labels: NDArray[np.int64] | None,
    names: Sequence[str],
    *,
    points: int = POINTS,
    seed: int = 0,
) -> Plane | None:
    """A picture of at most ``points`` codes spread evenly over the collection, coloured by label, else by cluster.

    ``codes`` are ``uint8[n, bits/8]``, ``labels`` ``int64[n]`` into ``names``. None where there are too few distinct
    codes for a picture.
    """
    rows = np.unique(np.linspace(0, len(codes) - 1, min(points, len(codes))).astype(np.int64))
    signs = np.where(unpack(codes[rows]), 1.0, -1.0).astype(np.float32)
    if len(np.unique(signs, axis=0)) < LEAST:
        return None
    perplexity = min(30.0, (len(rows) - 1) / 3)
    fitted = TSNE(2, perplexity=perplexity, init="pca", random_state=seed, max_iter=STEPS)
    places = np.asarray(fitted.fit_transform(signs), dtype=np.float32)
    if labels is not None:
        return Plane(places, labels[rows], tuple(names), "label")
    groups = KMeans(CLUSTERS, n_init=3, random_state=seed).fit_predict(signs).astype(np.int64)
    return Plane(places, groups, tuple(f"cluster {group + 1}" for group in range(CLUSTERS)), "cluster")
