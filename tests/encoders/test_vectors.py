"""The vector front."""

from __future__ import annotations

import numpy as np
import pytest

from hashsvc.encoders.fronts.vector import VectorFront
from hashsvc.errors import InvalidArgument, InvalidContent


def test_a_vector_comes_back_as_it_was() -> None:
    numbers = np.array([1.5, -2.0, 0.0], dtype="<f4")
    assert VectorFront(3).decode(numbers.tobytes()).tolist() == [1.5, -2.0, 0.0]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (np.zeros(4, "<f4").tobytes(), "must hold 3"),
        (b"", "must hold 3"),
        (b"12345", "must hold 3"),
        (np.array([0, np.nan, 1], "<f4").tobytes(), "nan at position 1"),
        (np.array([0, 1, np.inf], "<f4").tobytes(), "inf at position 2"),
    ],
)
def test_other_lengths_and_numbers_are_refused(content: bytes, why: str) -> None:
    with pytest.raises(InvalidContent, match=why):
        VectorFront(3).decode(content)


@pytest.mark.parametrize("width", [0, 1, 4097])
def test_widths_out_of_range_are_refused(width: int) -> None:
    with pytest.raises(InvalidArgument, match="2 to 4096"):
        VectorFront.fit([np.zeros(width, "<f4").tobytes()])
