"""Joining two sets of codes bucket by bucket: every pair whose codes meet in one substring table.

Both sides of a table lie in order of one substring, words as columns ``uint64[words, codes]`` with eight codes of room
at the end, so that a bucket is a run of neighbouring lanes. Of a join of codes with themselves, a pair is met once: in
one bucket the later lane is on the right, and of two buckets the one with the smaller value is on the left.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from hashsvc.index.kernel.vector import bit_count, lowest_bit, near_lanes, words_apart

LANES = 8
# So much of the right side stays in the first-level cache while every code of the left bucket passes over it.
TILE_BYTES = 16_384
ONE = np.uint64(1)


@register_jitable
def cut_distance(query: Any, columns: Any, lane: Any, cut: Any) -> Any:
    """Distance between the query and the code at ``lane`` within the bits ``cut`` (first, how many)."""
    word, shift, width = cut[0] >> 6, cut[0] & 63, cut[1]
    bits = (query[word] ^ columns[word, lane]) >> np.uint64(shift)
    if shift + width > 64:
        bits |= (query[word + 1] ^ columns[word + 1, lane]) << np.uint64(64 - shift)
    return bit_count(bits & ((ONE << np.uint64(width)) - ONE))


@register_jitable
def met_before(query: Any, columns: Any, lane: Any, cuts: Any, radii: Any, table: Any) -> Any:
    """Whether an earlier table reaches this pair too."""
    for earlier in range(table):
        if cut_distance(query, columns, lane, cuts[earlier]) <= radii[earlier]:
            return True
    return False


@register_jitable
def whole_distance(query: Any, columns: Any, lane: Any) -> Any:
    """Distance between the query and the code at ``lane``."""
    total = np.int64(0)
    for word in range(len(query)):
        total += bit_count(query[word] ^ columns[word, lane])
    return total


@register_jitable
def run_end(keys: Any, start: Any, stop: Any) -> Any:
    """Where the run of equal keys that begins at ``start`` ends."""
    end = start + 1
    while end < stop and keys[end] == keys[start]:
        end += 1
    return end


def join_range(
    columns: Any,
    numbers: Any,
    keys: Any,
    other_columns: Any,
    other_numbers: Any,
    other_offsets: Any,
    cuts: Any,
    radii: Any,
    masks: Any,
    table: Any,
    same: Any,
    like: Any,
    radius: Any,
    stop: Any,
    state: Any,
    out_left: Any,
    out_right: Any,
    out_distances: Any,
) -> Any:
    """Write (left, right, distance) of the pairs of one range of the left side until the buffers are full.

    ``keys uint32[n]`` are the left substrings in order, ``other_offsets`` says where each value starts on the right,
    ``masks`` are the differences to look up, 0 first. ``state int64[5]`` (lane where the bucket starts, mask, right
    lane where the tile starts, left lane, right lane) says where to go on; ``state[0]`` is ``stop`` when the range is
    done. Returns how many pairs were written.
    """
    words = len(like)
    base, stride = np.uintp(columns.ctypes.data), np.int64(8 * columns.shape[1])
    other_base, other_stride = np.uintp(other_columns.ctypes.data), np.int64(8 * other_columns.shape[1])
    tile = TILE_BYTES // (8 * words)
    count = 0
    start, mask, tile_start, left, right = state[0], state[1], state[2], state[3], state[4]
    while start < stop:
        end = run_end(keys, start, stop)
        while mask < len(masks):
            key = np.int64(keys[start] ^ masks[mask])
            first, last = np.int64(other_offsets[key]), np.int64(other_offsets[key + 1])
            if same and mask != 0 and key < np.int64(keys[start]):
                last = first
            tile_start = max(tile_start, first)
            while tile_start < last:
                tile_end = min(tile_start + tile, last)
                left = max(left, start)
                while left < end:
                    right = max(right, tile_start)
                    if same and mask == 0:
                        right = max(right, left + 1)
                    query = words_apart(base + np.uintp(8 * left), stride, like)
                    while right < tile_end:
                        hits = near_lanes(other_base + np.uintp(8 * right), other_stride, query, radius)
                        if tile_end - right < LANES:
                            hits &= (ONE << np.uint64(tile_end - right)) - ONE
                        while hits != 0:
                            lane = right + lowest_bit(hits)
                            hits &= hits - ONE
                            if met_before(query, other_columns, lane, cuts, radii, table):
                                continue
                            if count == len(out_left):
                                state[0], state[1], state[2], state[3], state[4] = start, mask, tile_start, left, lane
                                return count
                            out_left[count], out_right[count] = numbers[left], other_numbers[lane]
                            out_distances[count] = whole_distance(query, other_columns, lane)
                            count += 1
                        right += LANES
                    right = 0
                    left += 1
                left = 0
                tile_start = tile_end
            tile_start = 0
            mask += 1
        mask = 0
        start = end
    state[0], state[1], state[2], state[3], state[4] = stop, 0, 0, 0, 0
    return count
