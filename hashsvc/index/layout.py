"""How codes lie in memory: 64-bit words in groups of 64 codes, and bitmaps of 64-bit words over them.

A group holds word 0 of its 64 codes, then word 1 of them, and so on: a vector register takes the same word of eight
codes, and a scan that can tell from the first words leaves the memory of the others alone. One bitmap word reaches
one group: bit b of bitmap word w stands for code ``64 * w + b``. Codes shorter than a whole number of words end in
zero bits, which no distance sees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)

GROUP = 64
WIDTHS = (1, 2, 4, 8, 16)


def word_count(bits: int) -> int:
    """Number of 64-bit words a code of ``bits`` bits is laid out in: the next of 1, 2, 4, 8, 16, which have kernels."""
    return next(width for width in WIDTHS if 64 * width >= bits)


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
    wanted = 8 * word_count(8 * width)
    if width == wanted:
        return np.ascontiguousarray(codes).view(np.uint64)
    padded = np.zeros((rows, wanted), np.uint8)
    padded[:, :width] = codes
    return padded.view(np.uint64)


def to_codes(words: NDArray[np.uint64], bits: int) -> NDArray[np.uint8]:
    """Words ``uint64[n, words]`` back as codes ``uint8[n, bits/8]``."""
    return np.ascontiguousarray(np.ascontiguousarray(words).view(np.uint8)[:, : bits // 8])


def to_blocks(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Words ``uint64[n, words]`` as groups ``uint64[groups, words, 64]``; missing codes of the last group are 0."""
    rows, width = words.shape
    whole = rows // GROUP
    blocks = np.zeros((group_count(rows), width, GROUP), np.uint64)
    blocks[:whole] = words[: whole * GROUP].reshape(-1, GROUP, width).transpose(0, 2, 1)
    if rows % GROUP:
        blocks[whole, :, : rows % GROUP] = words[whole * GROUP :].T
    return blocks


def words_at(blocks: NDArray[np.uint64], positions: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Words ``uint64[n, words]`` of the codes at ``positions`` of ``blocks``."""
    taken: NDArray[np.uint64] = blocks[positions >> 6, :, positions & 63]
    return taken


def all_words(blocks: NDArray[np.uint64], count: int) -> NDArray[np.uint64]:
    """Words ``uint64[count, words]`` of the first ``count`` codes of ``blocks``."""
    groups = group_count(count)
    return blocks[:groups].transpose(0, 2, 1).reshape(groups * GROUP, blocks.shape[1])[:count]


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
    words = np.flatnonzero(bitmap)
    if 4 * len(words) > len(bitmap):
        return np.flatnonzero(np.unpackbits(bitmap.view(np.uint8), bitorder="little"))
    places = np.flatnonzero(np.unpackbits(bitmap[words].view(np.uint8), bitorder="little"))
    numbered: NDArray[np.int64] = GROUP * words[places >> 6] + (places & 63)
    return numbered


def bits_at(bitmap: NDArray[np.uint64], places: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each of ``places`` is set."""
    flags: NDArray[np.bool_] = (bitmap[places >> 6] >> (places & 63).astype(np.uint64) & np.uint64(1)).astype(bool)
    return flags


def bits_before(bitmap: NDArray[np.uint64], places: NDArray[np.uint32]) -> NDArray[np.int64]:
    """How many bits are set before each of ``places``, which may be the end of the bitmap."""
    before = np.concatenate([[0], np.cumsum(np.bitwise_count(bitmap), dtype=np.int64)])
    word, bit = places >> 6, (places & 63).astype(np.uint64)
    inside = np.append(bitmap, np.uint64(0))[word] & ((np.uint64(1) << bit) - np.uint64(1))
    counts: NDArray[np.int64] = before[word] + np.bitwise_count(inside)
    return counts


def without(bitmap: NDArray[np.uint64], places: NDArray[np.int64]) -> NDArray[np.uint64]:
    """A copy of ``bitmap`` with the bits at ``places`` cleared."""
    copy = bitmap.copy()
    np.bitwise_and.at(copy, places >> 6, ~(np.uint64(1) << (places & 63).astype(np.uint64)))
    return copy


def bit_total(bitmap: NDArray[np.uint64]) -> int:
    """Number of set bits."""
    return int(np.bitwise_count(bitmap).sum(dtype=np.int64))
