"""Codes and queries as they lie on a device.

The Hamming distance of a code ``c`` and a query ``q``, bits as 0 and 1, is ``|q| - c . (2 q - 1)``: the query's bits
that are set, less those that the code has too, plus the code's others. So a batch is compared by a matrix product. All
its numbers are integers of at most 1,024: float16 holds them exactly up to 2,048, float32 and int32 much further.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from hashsvc.index.layout import GROUP

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Queries are filled up to whole tiles of the fused kernel.
TILE = 128
# Groups of 64 codes that are copied to the device at a time.
COPIED = 1 << 16


class Asked(NamedTuple):
    """Queries on a device.

    Args:
        signs: ``int8[tiles * 128, bits]``: 1 where a bit of the query is 1, -1 where it is 0; bits as :func:`bits_of`
            orders them; 0 in the rows that fill the last tile.
        ones: ``int32[m]``: number of set bits of each query.
    """

    signs: torch.Tensor
    ones: torch.Tensor


def asked_of(queries: NDArray[np.uint64], device: torch.device) -> Asked:
    """Queries ``uint64[m, words]`` on the device."""
    bits = np.unpackbits(np.ascontiguousarray(queries).view(np.uint8), axis=1, bitorder="little")
    signs = np.zeros((-(-len(bits) // TILE) * TILE, bits.shape[1]), np.int8)
    signs[: len(bits)] = 2 * bits.astype(np.int8) - 1
    ones = bits.sum(axis=1, dtype=np.int32)
    return Asked(torch.from_numpy(signs).to(device), torch.from_numpy(ones).to(device))


def rows_of(words: NDArray[np.uint64], device: torch.device) -> torch.Tensor:
    """Codes ``uint64[n, words]`` on the device, as ``uint8[n, 8 * words]``."""
    rows = torch.empty((len(words), 8 * words.shape[1]), dtype=torch.uint8, device=device)
    for start in range(0, len(words), COPIED * GROUP):
        some = np.array(words[start : start + COPIED * GROUP], np.uint64, order="C")
        rows[start : start + len(some)] = torch.from_numpy(some.view(np.uint8)).to(device)
    return rows


def rows_of_blocks(blocks: NDArray[np.uint64], device: torch.device) -> torch.Tensor:
    """The same from ``uint64[groups, words, 64]``, put in order of codes on the device: ``uint8[64 * groups, ...]``."""
    rows = torch.empty((len(blocks) * GROUP, 8 * blocks.shape[1]), dtype=torch.uint8, device=device)
    words = rows.view(torch.int64).view(len(blocks), GROUP, -1)
    for start in range(0, len(blocks), COPIED):
        some = np.array(blocks[start : start + COPIED]).view(np.int64)
        words[start : start + len(some)] = torch.from_numpy(some).to(device).transpose(1, 2)
    return rows


def bitmap_on(bitmap: NDArray[np.uint64], device: torch.device) -> torch.Tensor:
    """A bitmap as ``uint8[8 * words]``: bit ``n & 7`` of byte ``n >> 3`` stands for code n."""
    return torch.from_numpy(np.array(bitmap).view(np.uint8)).to(device)


def bits_of(rows: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Bits ``[n, 8 * bytes]`` of ``uint8[n, bytes]``: bit j, counted from the least, of byte b at ``8 * b + j``."""
    places = torch.arange(8, dtype=torch.uint8, device=rows.device)
    return ((rows[:, :, None] >> places) & 1).reshape(len(rows), -1).to(dtype)
