"""The criterion that chooses a code: regions of the graph, exact neighbours of vectors, ties averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest

from hashsvc.domain.kinds import Kind
from hashsvc.encoders.contract import Decoded
from hashsvc.encoders.encoder import CodeEncoder
from hashsvc.encoders.fronts import front_class
from hashsvc.encoders.selection import agreement
from hashsvc.encoders.training_set import TrainingSet
from tests.encoders.material import contents, digits, texts


class Told:
    """An encoder that gives each item the code it was told, by the bytes of the item."""

    def __init__(self, codes: dict[bytes, int]) -> None:
        self._codes = codes

    def encode(self, items: Sequence[Decoded]) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
        return np.array([[self._codes[named(item)]] for item in items], dtype=np.uint8)


def named(item: Decoded) -> bytes:
    return item.tobytes() if isinstance(item, np.ndarray) else item.columns.tobytes() + item.weights.tobytes()


def scores(kind: Kind, codes: Sequence[Sequence[int]]) -> list[float]:
    """The agreement of codes told for each item, the last tenth asking."""
    front = front_class(kind).fit(contents(kind))
    items = [front.decode(content) for content in contents(kind)]
    known = len(items) * 9 // 10
    training = TrainingSet(front, items[:known])
    told = [Told(dict(zip(map(named, items), code, strict=True))) for code in codes]
    found = agreement({str(i): cast("CodeEncoder", encoder) for i, encoder in enumerate(told)}, training, items[known:])
    return [found[str(i)] for i in range(len(codes))]


@pytest.mark.parametrize(("kind", "labels"), [(Kind.TEXT, texts()[1]), (Kind.IMAGE, digits()[1])])
def test_a_code_of_what_items_are_about_beats_a_code_of_chance(kind: Kind, labels: Sequence[object]) -> None:
    names = sorted(set(map(str, labels)))
    right = [0b10101 * names.index(str(label)) % 256 for label in labels]
    chance = np.random.default_rng(0).permutation(right).tolist()
    about, random, same = scores(kind, [right, chance, [0] * len(right)])
    assert about > 2 * random
    assert about > 2 * same


def test_a_code_that_tells_nothing_holds_its_share_of_a_region() -> None:
    (same,) = scores(Kind.IMAGE, [[7] * len(contents(Kind.IMAGE))])
    assert same == pytest.approx(0.05, abs=0.01)


def test_vectors_are_judged_by_their_exact_neighbours() -> None:
    count = len(contents(Kind.VECTOR))
    known = count * 9 // 10
    (same,) = scores(Kind.VECTOR, [[7] * count])
    assert same == pytest.approx(40 / known, abs=1e-6)
