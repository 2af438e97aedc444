"""Texts: UTF-8 bytes -> a sparse row of TF-IDF terms (Salton & Buckley 1988), words first, then n-gram buckets.

Words of the vocabulary carry the row. Words outside it (typos, other scripts) are spelled in hashed character n-grams,
with a weight that fades as known words take over, so that no text is ever an empty row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import compress, repeat
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

Weighted = tuple["NDArray[np.int64]", "NDArray[Any]"]
"""Columns, ascending and distinct, and their weights."""
NOTHING: Weighted = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64))


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
        self._weights = idf.astype(np.float64)

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
        counted = Counter(tokens(text))
        places = np.fromiter(map(self._place.get, counted, repeat(-1)), np.int64, len(counted))
        known = places >= 0
        counts = np.fromiter(counted.values(), np.float64, len(counted))[known]
        words = self._known(places[known], counts)
        unknown = {token: counted[token] for token in compress(counted, ~known)}
        rare = {token: count for token, count in unknown.items() if token not in ENGLISH_STOP_WORDS}
        spelled = rare if len(counts) or rare else unknown or Counter(marks(text))
        return _unit(words, self._spell(words[1], spelled) if spelled else NOTHING)

    def _known(self, places: NDArray[np.int64], counts: NDArray[np.float64]) -> Weighted:
        """Columns and weights of known words: damped counts times how rare the word is."""
        order = places.argsort()
        columns = places[order]
        return columns, (1.0 + np.log(counts[order])) * self._weights[columns]

    def _spell(self, known: NDArray[np.float64], unknown: Mapping[str, int]) -> Weighted:
        """Columns and weights of the n-grams of unknown words.

        Beside one known word they carry half its weight, beside many ever less.
        """
        share = UNKNOWN_WEIGHT * float(known.max()) / (1.0 + len(known) / 4) if len(known) else 1.0
        spelled = [grams(token, self.buckets) for token in unknown]
        each = [share * _damped(n) / len(buckets) ** 0.5 for n, buckets in zip(unknown.values(), spelled, strict=True)]
        buckets, weights = _summed(np.concatenate(spelled), np.repeat(each, [len(one) for one in spelled]))
        return buckets + len(self.words), weights

    def spelling(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(word, bucket) of every n-gram of every known word: two ``int64[nnz]``, words ascending."""
        spelled = [grams(word, self.buckets) for word in self.words]
        lengths = [len(buckets) for buckets in spelled]
        return np.repeat(np.arange(len(self.words)), lengths), np.concatenate([NOTHING[0], *spelled]).astype(np.int64)

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


def _summed(columns: NDArray[np.integer[Any]], weights: NDArray[Any]) -> Weighted:
    """Each column once, ascending, with the sum of its weights in the order they came."""
    order = columns.argsort(kind="stable")
    ordered = columns[order]
    first = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first].astype(np.int64), np.bincount(first.cumsum() - 1, weights[order])


def _unit(words: Weighted, spelled: Weighted) -> Terms:
    columns = np.concatenate([words[0], spelled[0]]).astype(np.int32)
    weights = np.concatenate([words[1], spelled[1]])
    return Terms(columns, (weights / np.sqrt((weights**2).sum())).astype(np.float32))
