from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashsvc.codes import check_bits, check_codes, hamming, pack, unpack
from hashsvc.errors import InvalidArgument


def test_most_significant_bit_comes_first() -> None:
    assert pack([[1, 0, 0, 0, 0, 0, 0, 1]]).tolist() == [[0b10000001]]


@given(st.integers(1, 128), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_unpack_inverts_pack(width: int, rows: int, seed: int) -> None:
    bits = np.random.default_rng(seed).random((rows, 8 * width)) < 0.5
    assert np.array_equal(unpack(pack(bits)), bits)


@given(st.integers(1, 16), st.integers(0, 2**32 - 1))
def test_hamming_counts_differing_bits(width: int, seed: int) -> None:
    left, right = np.random.default_rng(seed).random((2, 4, 8 * width)) < 0.5
    expected = (left[:, None] != right[None]).sum(-1)
    distances = hamming(pack(left)[:, None], pack(right)[None])
    assert distances.dtype == np.int32
    assert np.array_equal(distances, expected)


@pytest.mark.parametrize("bits", [0, 7, 12, -8, 1032])
def test_illegal_code_lengths_are_refused(bits: int) -> None:
    with pytest.raises(InvalidArgument, match="multiple of 8") as caught:
        check_bits(bits)
    assert caught.value.field == "bits"


@pytest.mark.parametrize(
    "codes",
    [np.zeros((2, 3), np.uint8), np.zeros((2, 8), np.int64), np.zeros(8, np.uint8)],
    ids=["width", "type", "1-d"],
)
def test_codes_of_another_shape_or_type_are_refused(codes: np.ndarray) -> None:
    with pytest.raises(InvalidArgument, match=r"uint8\[n, 8\]"):
        check_codes(codes, 64)
