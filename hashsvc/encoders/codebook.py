"""Product codebook: every group of features becomes the number of its nearest code vector (Jégou et al., TPAMI 2011).

Numbers are names: which bits they share means nothing as trained. Relabelling by polysemous codes (Douze et al., ECCV
2016) permutes them so that Hamming distance follows the distance of the code vectors; the exact distance stays at hand
as a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.encoders.contract import Encoder

ENTRIES = (16, 256)
ROWS = 256


class Codebook:
    """Bits in groups of 4 or 8, each the number of a code vector.

    Args:
        vectors: ``float32[groups, entries, width]``, entries 16 or 256; feature j belongs to group j // width.
        trained: ``uint8[groups, entries]``, the number each entry had before relabelling.
    """

    metric = "hamming"

    def __init__(self, vectors: NDArray[np.float32], trained: NDArray[np.uint8]) -> None:
        self.vectors = vectors
        self.trained = trained

    @property
    def bits(self) -> int:
        """Code length."""
        groups, entries, _ = self.vectors.shape
        return int(groups * (entries.bit_length() - 1))

    def numbers(self, features: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Number of the nearest code vector of each group: ``uint8[n, groups]``."""
        found = np.empty((len(features), len(self.vectors)), dtype=np.uint8)
        for start in range(0, len(features), ROWS):
            found[start : start + ROWS] = self._squares(features[start : start + ROWS]).argmin(axis=2)
        return found

    def codes(self, features: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Codes ``uint8[n, bits/8]``."""
        return self._joined(self.numbers(features))

    def raw_codes(self, codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The codes as they were before relabelling: ``uint8[n, bits/8]``."""
        groups = np.arange(len(self.vectors))
        return self._joined(self.trained[groups, self._split(codes)])

    def slack(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """How far each bit ``float32[n, bits]`` is from turning: the distance to the nearest other cell."""
        gaps = np.sqrt(np.maximum(self._between(), 1e-24))
        parts = []
        for start in range(0, len(features), ROWS):
            squares = self._squares(features[start : start + ROWS])
            best = squares.argmin(axis=2)
            apart = gaps[np.arange(len(gaps))[None, :], best]
            away = (squares - squares.min(axis=2, keepdims=True)) / (2 * apart)
            np.put_along_axis(away, best[:, :, None], np.inf, axis=2)
            parts.append(away.min(axis=2))
        slack: NDArray[np.float32] = np.concatenate(parts).astype(np.float32)
        return np.repeat(slack, self.bits // len(self.vectors), axis=1)

    def tables(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Squared distance from the query's features to each code vector, ``float32[n, bits/8, 256]``."""
        return _byte_tables(np.sqrt(self._squares(features)) ** 2)

    def code_tables(self, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Exact table distance between codes: squared distance of code vectors, ``float32[n, bits/8, 256]``."""
        groups = np.arange(len(self.vectors))
        return _byte_tables(self._between()[groups, self._split(codes)])

    def means(self, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The code vectors that codes name: what is left of the features ``float32[n, groups * width]``."""
        chosen = self.vectors[np.arange(len(self.vectors)), self._split(codes)]
        found: NDArray[np.float32] = chosen.reshape(len(codes), -1)
        return found

    def perplexity(self, codes: NDArray[np.uint8]) -> float:
        """How many entries of a group are in use, 2 to the entropy of its numbers; the mean over groups."""
        numbers, entries = self._split(codes), self.vectors.shape[1]
        shares = np.stack([np.bincount(column, minlength=entries) / len(numbers) for column in numbers.T])
        entropies = -(shares * np.log2(np.where(shares > 0, shares, 1))).sum(axis=1)
        return float((2**entropies).mean())

    def config(self) -> dict[str, Any]:
        """Nothing beyond its tensors."""
        return {}

    def tensors(self) -> dict[str, torch.Tensor]:
        """Code vectors and their numbers as trained."""
        return {"vectors": torch.from_numpy(self.vectors), "trained": torch.from_numpy(self.trained)}

    @classmethod
    def restore(cls, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> Codebook:
        """The binarizer that gave ``config`` and ``tensors``."""
        assert not config
        return cls(tensors["vectors"].numpy(), tensors["trained"].numpy())

    def _squares(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Squared distances ``float32[n, groups, entries]``, without a matrix product: a row must not see its batch."""
        groups, entries, width = self.vectors.shape
        grouped = features.reshape(len(features), groups, 1, width)
        total = np.zeros((len(features), groups, entries), dtype=np.float32)
        for column in range(width):
            total += (grouped[:, :, :, column] - self.vectors[None, :, :, column]) ** 2
        return total

    def _between(self) -> NDArray[np.float32]:
        """Squared distances ``float32[groups, entries, entries]`` of code vectors."""
        apart: NDArray[np.float32] = ((self.vectors[:, :, None] - self.vectors[:, None]) ** 2).sum(axis=3)
        return apart

    def _joined(self, numbers: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self.vectors.shape[1] == ENTRIES[1]:
            return numbers
        return (numbers[:, 0::2] << 4 | numbers[:, 1::2]).astype(np.uint8)

    def _split(self, codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self.vectors.shape[1] == ENTRIES[1]:
            return codes
        return np.stack([codes >> 4, codes & 15], axis=2).reshape(len(codes), -1)


def _byte_tables(squares: NDArray[np.float32]) -> NDArray[np.float32]:
    """Tables over numbers ``[n, groups, entries]`` as tables over bytes ``[n, bits/8, 256]``."""
    if squares.shape[2] == ENTRIES[1]:
        return squares
    high, low = squares[:, 0::2], squares[:, 1::2]
    return (high[:, :, :, None] + low[:, :, None, :]).reshape(len(squares), -1, ENTRIES[1])


def relabelled(vectors: NDArray[np.float32], seed: int = 0) -> Codebook:
    """A codebook of ``vectors`` ``float32[groups, entries, width]``, numbers permuted for Hamming distance."""
    groups, entries, width = vectors.shape
    quantizer = faiss.ProductQuantizer(groups * width, groups, entries.bit_length() - 1)
    faiss.copy_array_to_vector(np.ascontiguousarray(vectors).ravel(), quantizer.centroids)
    training = _polysemous()
    training.seed = seed + 1
    training.optimize_pq_for_hamming(quantizer, 0, None)
    moved = faiss.vector_to_array(quantizer.centroids).reshape(vectors.shape).astype(np.float32)
    same = (moved[:, :, None] == vectors[:, None]).all(axis=3)
    return Codebook(moved, _assigned(same))


def _polysemous() -> Any:
    training = faiss.PolysemousTraining()  # type: ignore[attr-defined]
    training.optimization_type = training.OT_ReproduceDistances_affine
    return training


def _assigned(same: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The old number ``uint8[groups, entries]`` of each entry; equal vectors take theirs in order."""
    trained = np.empty(same.shape[:2], dtype=np.uint8)
    for group, matches in enumerate(same):
        free = matches.copy()
        for entry in range(len(free)):
            trained[group, entry] = old = int(free[entry].argmax())
            free[:, old] = False
    return trained


def codebook_of(encoder: Encoder) -> Codebook | None:
    """The codebook of an encoder that has one."""
    binarizer = getattr(encoder, "binarizer", None)
    return binarizer if isinstance(binarizer, Codebook) else None
