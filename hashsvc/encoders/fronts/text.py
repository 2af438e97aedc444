"""Texts: UTF-8 bytes -> a sparse row of TF-IDF terms (Salton & Buckley 1988), words first, then n-gram buckets.

Words of the vocabulary carry the row. Words outside it (typos, other scripts) are spelled in hashed character n-grams,
with a weight that fades as known words take over, so that no text is ever an empty row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from hashsvc.domain.kinds import Kind
from hashsvc.encoders.contract import Decoded, Terms
from hashsvc.encoders.fronts.tokens import grams, marks, tokens
from hashsvc.errors import InvalidContent

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_WORDS = 20_000
BUCKETS = 8_192
COMMON = 0.5
UNKNOWN_WEIGHT = 0.5


class Bag(NamedTuple):
    """Sparse rows: row i owns ``columns[offsets[i]:offsets[i + 1]]`` and the ``weights`` there.

    ``columns`` int64[nnz], ``weights`` float32[nnz], ``offsets`` int64[n + 1].
    """

    columns: torch.Tensor
    weights: torch.Tensor
    offsets: torch.Tensor


class TextFront:
    """Counts words.

    Args:
        words: the vocabulary; the column of a word is its place.
        idf: ``float32[len(words)]``, weight of each word.
        buckets: n-gram buckets behind the words.
    """

    kind = Kind.TEXT

    def __init__(self, words: Sequence[str], idf: NDArray[np.float32], buckets: int = BUCKETS) -> None:
        self.words = list(words)
        self.idf = idf
        self.buckets = buckets
        self.width = len(self.words) + buckets
        self._place = {word: place for place, word in enumerate(self.words)}
        self._weights: list[float] = idf.tolist()

    @classmethod
    def fit(cls, contents: Sequence[bytes]) -> TextFront:
        """The front of these texts: their commonest words.

        Left out: stop words, words in over half of the texts, and words in fewer than three (two of a few texts).

        Texts that are empty or no UTF-8 are passed over.
        """
        seen: Counter[str] = Counter()
        total: Counter[str] = Counter()
        for content in contents:
            try:
                counts = Counter(tokens(read_text(content)))
            except InvalidContent:
                continue
            total.update(counts)
            seen.update(counts.keys())
        least = 3 if len(contents) >= 2_000 else 2 if len(contents) >= 20 else 1
        most = max(COMMON * len(contents), least)
        usable = [w for w, n in seen.items() if least <= n <= most and w not in ENGLISH_STOP_WORDS]
        words = sorted(sorted(usable, key=lambda word: (-total[word], word))[:MAX_WORDS])
        counted = np.array([seen[word] for word in words], dtype=np.float64)
        idf = np.log((1 + len(contents)) / (1 + counted)) + 1
        return cls(words, idf.astype(np.float32))

    def decode(self, content: bytes) -> Terms:
        """One row of unit length; InvalidContent when the text is empty or no UTF-8."""
        text = read_text(content)
        row: dict[int, float] = {}
        unknown: dict[str, int] = {}
        for token, count in Counter(tokens(text)).items():
            place = self._place.get(token)
            if place is None:
                unknown[token] = count
            else:
                row[place] = _damped(count) * self._weights[place]
        rare = {token: count for token, count in unknown.items() if token not in ENGLISH_STOP_WORDS}
        spelled = self._spell(row, rare if row or rare else unknown or Counter(marks(text)))
        return _unit(row, spelled)

    def _spell(self, row: Mapping[int, float], unknown: Mapping[str, int]) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Columns and weights of the n-grams of unknown words.

        Beside one known word they carry half its weight, beside many ever less.
        """
        share = UNKNOWN_WEIGHT * max(row.values()) / (1.0 + len(row) / 4) if row else 1.0
        columns: list[int] = []
        weights: list[float] = []
        for token, count in unknown.items():
            buckets = grams(token, self.buckets)
            columns += buckets
            weights += [share * _damped(count) / len(buckets) ** 0.5] * len(buckets)
        found, places = np.unique(np.array(columns, dtype=np.int64), return_inverse=True)
        return found + len(self.words), np.bincount(places, weights, len(found))

    def spelling(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(word, bucket) of every n-gram of every known word: two ``int64[nnz]``, words ascending."""
        spelled = [grams(word, self.buckets) for word in self.words]
        lengths = [len(buckets) for buckets in spelled]
        return np.repeat(np.arange(len(self.words)), lengths), np.array(
            [bucket for buckets in spelled for bucket in buckets], dtype=np.int64
        )

    def batch(self, items: Sequence[Decoded]) -> Bag:
        """The rows of these items as one :class:`Bag`."""
        return bag([item for item in items if isinstance(item, Terms)])

    def blank(self) -> Terms:
        """The item that fills up a batch."""
        return Terms(np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32))

    def config(self) -> dict[str, Any]:
        """What :meth:`restore` needs."""
        return {"words": self.words, "buckets": self.buckets}

    def tensors(self) -> dict[str, torch.Tensor]:
        """Learned numbers: the weight of each word."""
        return {"idf": torch.from_numpy(self.idf)}

    @classmethod
    def restore(cls, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> TextFront:
        """The front that gave ``config`` and ``tensors``."""
        return cls(config["words"], tensors["idf"].numpy(), int(config["buckets"]))


def bag(rows: Sequence[Terms]) -> Bag:
    """Rows as one :class:`Bag`."""
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(row.columns) for row in rows], out=offsets[1:])
    columns = np.concatenate([row.columns for row in rows] or [np.empty(0, np.int32)]).astype(np.int64)
    weights = np.concatenate([row.weights for row in rows] or [np.empty(0, np.float32)])
    return Bag(torch.from_numpy(columns), torch.from_numpy(weights), torch.from_numpy(offsets))


def read_text(content: bytes) -> str:
    """The text; InvalidContent when it is no UTF-8, or holds nothing but white space."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidContent(f"text is no UTF-8 (byte {error.start}): convert it first", field="content") from None
    if not text.replace("\x00", " ").strip():
        raise InvalidContent("text is empty: there is nothing to encode", field="content")
    return text


@lru_cache(maxsize=1 << 12)
def _damped(count: int) -> float:
    """Weight of a term that occurs so often: the same counts come again and again."""
    return 1.0 + float(np.log(count))


def _unit(row: Mapping[int, float], spelled: tuple[NDArray[np.int64], NDArray[Any]]) -> Terms:
    words = sorted(row)
    columns = np.concatenate([np.array(words, dtype=np.int32), spelled[0].astype(np.int32)])
    weights = np.concatenate([np.array([row[word] for word in words], dtype=np.float64), spelled[1]])
    return Terms(columns, (weights / np.sqrt((weights**2).sum())).astype(np.float32))
