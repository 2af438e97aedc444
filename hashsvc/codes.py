"""The law of bits: a code is ``uint8[bits/8]``, most significant bit first, as numpy.packbits packs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

MIN_BITS = 8
MAX_BITS = 1024


def check_bits(bits: int, field: str = "bits") -> int:
    """Return ``bits`` if it is a legal code length: a multiple of 8 from 8 to 1,024; raise InvalidArgument if not."""
    if bits < MIN_BITS or bits > MAX_BITS or bits % 8:
        raise InvalidArgument(
            f"code length must be a multiple of 8 from {MIN_BITS} to {MAX_BITS} bits, not {bits}", field=field
        )
    return bits


def pack(bits: ArrayLike) -> NDArray[np.uint8]:
    """Pack booleans ``[n, bits]`` into codes ``uint8[n, bits/8]``, MSB first.

    Raises:
        InvalidArgument: the last axis is no legal code length.
    """
    array = np.asarray(bits, dtype=bool)
    check_bits(array.shape[-1])
    return np.packbits(array, axis=-1)


def unpack(codes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Unpack codes ``uint8[n, bits/8]`` into booleans ``[n, bits]``."""
    return np.unpackbits(codes, axis=-1).astype(bool)


def check_codes(codes: NDArray[np.uint8], bits: int, field: str = "codes") -> NDArray[np.uint8]:
    """Return ``codes`` as contiguous ``uint8[n, bits/8]``; raise InvalidArgument on another shape or type."""
    if codes.dtype != np.uint8 or codes.ndim != 2 or codes.shape[1] * 8 != bits:
        raise InvalidArgument(
            f"codes must be uint8[n, {bits // 8}] for {bits} bits, not {codes.dtype}{list(codes.shape)}", field=field
        )
    return np.ascontiguousarray(codes)


def hamming(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Hamming distances ``int32[...]`` between codes that broadcast against each other over the last axis (bytes)."""
    distances: NDArray[np.int32] = np.bitwise_count(np.bitwise_xor(left, right)).sum(axis=-1, dtype=np.int32)
    return distances
