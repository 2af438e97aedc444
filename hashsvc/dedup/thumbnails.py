"""Images as small thumbnails: a finer comparison than codes, of edges and detail rather than of sky and light.

Two features of a grey thumbnail of 32 x 32 pixels: its gradients, and what is left when its large shapes are taken
away. Both are compared by correlation, so that brightness and contrast do not count, and the lower one is the score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 32
FINE, COARSE = 1.0, 3.0
GRADIENTS = 2 * SIDE * SIDE
WIDTH = GRADIENTS + SIDE * SIDE
PAIRS = 20_000


def sketch_image(picture: Image.Image) -> NDArray[np.int8]:
    """Features ``int8[3072]`` of a picture; all zero where it has no structure at all."""
    pixels = np.asarray(picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX), np.float64)
    down, across = np.gradient(gaussian_filter(pixels, FINE))
    detail = pixels - gaussian_filter(pixels, COARSE)
    return np.concatenate([_whole(np.concatenate([down.ravel(), across.ravel()])), _whole(detail.ravel())])


def _whole(values: NDArray[np.float64]) -> NDArray[np.int8]:
    """Centred and scaled to integers: comparisons of integers give the same answer everywhere."""
    centred = values - values.mean()
    largest = np.abs(centred).max()
    if largest < 0.5:
        return np.zeros(len(values), np.int8)
    whole: NDArray[np.int8] = np.rint(centred * (127.0 / largest)).astype(np.int8)
    return whole


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """Features ``int8[n, 3072]`` of n pictures; a row of zeros is like nothing."""

    features: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.features)

    def scores(self, left: NDArray[np.int64], right: NDArray[np.int64], _least: float = 0.0) -> NDArray[np.float64]:
        """The lower of the two correlations, ``float64[m]`` in 0..1, rounded to six digits."""
        parts = [
            self._scores(left[start : start + PAIRS], right[start : start + PAIRS])
            for start in range(0, len(left), PAIRS)
        ]
        return np.concatenate(parts) if parts else np.empty(0)

    def _scores(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        one, other = self.features[left].astype(np.int32), self.features[right].astype(np.int32)
        lowest = np.minimum(
            correlation(one[:, :GRADIENTS], other[:, :GRADIENTS]), correlation(one[:, GRADIENTS:], other[:, GRADIENTS:])
        )
        return np.round(np.clip(lowest, 0.0, 1.0), 6)


def correlation(left: NDArray[np.int32], right: NDArray[np.int32]) -> NDArray[np.float64]:
    """Cosine ``float64[m]`` of rows of small integers; 0 where a row is zero. Sums of integers have no order."""
    products = np.einsum("ij,ij->i", left, right, dtype=np.int64)
    lengths = np.einsum("ij,ij->i", left, left, dtype=np.int64).astype(np.float64)
    lengths *= np.einsum("ij,ij->i", right, right, dtype=np.int64)
    cosine: NDArray[np.float64] = products / np.sqrt(np.maximum(lengths, 1.0))
    return cosine
