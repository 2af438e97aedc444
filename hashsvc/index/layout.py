"""How codes lie in memory: 64-bit words in blocks of eight codes, and bitmaps of 64-bit words over them.

A block holds word 0 of its eight codes, then word 1 of them, and so on, so that one vector register takes the same
word of eight codes. Eight blocks make a group of 64 codes, the reach of one bitmap word: bit b of bitmap word w stands
for code ``64 * w + b``. Codes shorter than a whole number of words end in zero bits, which no distance sees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)

LANES = 8
GROUP = 64


def word_count(bits: int) -> int:
    """Number of 64-bit words that hold a code of ``bits`` bits."""
    return -(-bits // 64)


def group_count(codes: int) -> int:
    """Number of groups of 64 that hold ``codes`` codes."""
    return -(-codes // GROUP)


def frozen(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """A view of ``array`` that cannot be written through."""
    view = array.view()
    view.flags.writeable = False
    return view


def to_words(codes: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Codes ``uint8[n, bits/8]`` as words ``uint64[n, words]``, zero bits at the end."""
    rows, width = codes.shape
    if width % 8 == 0:
        return np.ascontiguousarray(codes).view(np.uint64)
    padded = np.zeros((rows, 8 * word_count(8 * width)), np.uint8)
    padded[:, :width] = codes
    return padded.view(np.uint64)


def to_codes(words: NDArray[np.uint64], bits: int) -> NDArray[np.uint8]:
    """Words ``uint64[n, words]`` back as codes ``uint8[n, bits/8]``."""
    return np.ascontiguousarray(np.ascontiguousarray(words).view(np.uint8)[:, : bits // 8])


def to_blocks(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Words ``uint64[n, words]`` as blocks ``uint64[8 * groups, words, 8]``; missing codes of the last group are 0."""
    rows, width = words.shape
    padded = np.zeros((group_count(rows) * GROUP, width), np.uint64)
    padded[:rows] = words
    return np.ascontiguousarray(padded.reshape(-1, LANES, width).transpose(0, 2, 1))


def words_at(blocks: NDArray[np.uint64], positions: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Words ``uint64[n, words]`` of the codes at ``positions`` of ``blocks``."""
    taken: NDArray[np.uint64] = blocks[positions >> 3, :, positions & 7]
    return taken


def all_words(blocks: NDArray[np.uint64], count: int) -> NDArray[np.uint64]:
    """Words ``uint64[count, words]`` of the first ``count`` codes of ``blocks``."""
    groups = group_count(count)
    return blocks[: groups * LANES].transpose(0, 2, 1).reshape(groups * GROUP, blocks.shape[1])[:count]


def full_bitmap(count: int) -> NDArray[np.uint64]:
    """A bitmap whose first ``count`` bits are set."""
    bitmap = np.full(group_count(count), ~np.uint64(0), np.uint64)
    if count % GROUP:
        bitmap[-1] = np.uint64((1 << (count % GROUP)) - 1)
    return bitmap


def bitmap_of(positions: NDArray[np.int64], count: int) -> NDArray[np.uint64]:
    """A bitmap over ``count`` places with the bits at ``positions`` set."""
    flags = np.zeros(group_count(count) * GROUP, bool)
    flags[positions] = True
    return np.packbits(flags, bitorder="little").view(np.uint64)


def set_places(bitmap: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Places ``int64[n]`` of the set bits, ascending."""
    return np.flatnonzero(np.unpackbits(bitmap.view(np.uint8), bitorder="little"))


def bits_at(bitmap: NDArray[np.uint64], places: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each of ``places`` is set."""
    flags: NDArray[np.bool_] = (bitmap[places >> 6] >> (places & 63).astype(np.uint64) & np.uint64(1)).astype(bool)
    return flags


def without(bitmap: NDArray[np.uint64], places: NDArray[np.int64]) -> NDArray[np.uint64]:
    """A copy of ``bitmap`` with the bits at ``places`` cleared."""
    copy = bitmap.copy()
    np.bitwise_and.at(copy, places >> 6, ~(np.uint64(1) << (places & 63).astype(np.uint64)))
    return copy


def bit_total(bitmap: NDArray[np.uint64]) -> int:
    """Number of set bits."""
    return int(np.bitwise_count(bitmap).sum(dtype=np.int64))
