"""Texts as a person reads them where a decoder made them: their most probable words; and texts that lost words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hashsvc.domain.encoders import Made
from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

WORDS = 10


def most_probable(words: Sequence[str], chances: NDArray[np.float32]) -> list[Made]:
    """Of each row of ``chances`` ``float32[n, words]`` its ten most probable words, most probable first.

    Of words equally probable the one in the earlier column comes first; small vocabularies give all they have.
    """
    best = np.argsort(-chances, axis=1, kind="stable")[:, :WORDS]
    held = np.take_along_axis(chances, best, axis=1)
    return [
        Made(" ".join(words[column] for column in columns).encode(), tuple(row))
        for columns, row in zip(best.tolist(), held.tolist(), strict=True)
    ]


def drop_words(content: bytes, share: float, *, seed: int = 0) -> bytes:
    """A text with that share of its words left out, at random; one stays at least.

    Raises:
        InvalidArgument: the share is not within 0 to 1.
    """
    if not 0.0 <= share <= 1.0:
        raise InvalidArgument(f"a share of words is 0 to 1, not {share:g}", field="share")
    words = content.split()
    kept = max(1, round(len(words) * (1.0 - share)))
    places = np.sort(np.random.default_rng(seed).permutation(len(words))[:kept])
    return b" ".join(words[place] for place in places.tolist())
