"""The exact scan: groups of 64 codes against every query of a batch, a tile of groups at a time.

These are plain functions; :mod:`hashsvc.index.kernel.compiled` compiles them. A part's arrays come first, as in
:class:`hashsvc.index.part.Part`. ``like`` is a tuple of as many words as a code has: its type fixes the code length.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from hashsvc.index.kernel.vector import any_near, any_near_whole, ask_for, bit_count, lowest_bit, near_codes, words_from

# A tile stays in the first-level cache while every query of the batch passes over it.
TILE_BYTES = 16_384
GROUP_BYTES = 512
GROUP = 64
LINE = 64
# Hardware prefetch stops at page ends, and a scan outruns it: codes are asked for a page ahead.
AHEAD = 4096


# Two random words differ in 32 bits give or take 4: a bound of fewer bits a word than this shows early who is far.
EARLY_BITS = 12


# So many codes of a group, and as many for each word, are compared one by one in less time than all 64 side by side.
FEW = 2


@register_jitable
def has_near(address: Any, query: Any, bound: Any) -> Any:
    """Whether any code of the group at ``address`` lies within the bound."""
    if bound <= EARLY_BITS * len(query):
        return any_near(address, query, bound)
    return any_near_whole(address, query, bound)


@register_jitable
def ask_ahead(address: Any, words: Any) -> Any:
    """Have the group a page behind the one at ``address`` brought; the first query of a batch does so for all."""
    for line in range(0, GROUP_BYTES * words, LINE):
        ask_for(address + np.uintp(AHEAD + line))


@register_jitable
def is_set(bitmap: Any, place: Any) -> Any:
    """Whether a bit of a bitmap is set."""
    return (bitmap[place >> 6] >> np.uint64(place & 63)) & np.uint64(1) != 0


@register_jitable
def distance_at(blocks: Any, position: Any, query: Any) -> Any:
    """Distance between the code at ``position`` and the query tuple."""
    total = np.int64(0)
    group, lane = position >> 6, position & 63
    for word in range(len(query)):
        total += bit_count(blocks[group, word, lane] ^ query[word])
    return total


@register_jitable
def place_of(values: Any, wanted: Any) -> Any:
    """Where ``wanted`` stands in ascending ``values`` that hold it."""
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) >> 1
        if values[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@register_jitable
def beyond(distance: Any, number: Any, other_distance: Any, other: Any) -> Any:
    """Whether (distance, number) stands behind (other_distance, other)."""
    return distance > other_distance or (distance == other_distance and number > other)


@register_jitable
def rise(distances: Any, ids: Any, size: Any, distance: Any, number: Any) -> Any:
    """Add to a heap with room, the farthest on top."""
    at = size
    while at > 0:
        parent = (at - 1) >> 1
        if beyond(distances[parent], ids[parent], distance, number):
            break
        distances[at], ids[at] = distances[parent], ids[parent]
        at = parent
    distances[at], ids[at] = distance, number


@register_jitable
def sink(distances: Any, ids: Any, size: Any, distance: Any, number: Any) -> Any:
    """Put (distance, number) in the place of the top of a heap of ``size``."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and beyond(distances[child + 1], ids[child + 1], distances[child], ids[child]):
            child += 1
        if not beyond(distances[child], ids[child], distance, number):
            break
        distances[at], ids[at] = distances[child], ids[child]
        at = child
    distances[at], ids[at] = distance, number


@register_jitable
def offer(heap_distances: Any, heap_ids: Any, size: Any, distance: Any, number: Any) -> Any:
    """Offer one item to a heap of the k nearest; returns the heap's new size, or -1 when the item stands behind all."""
    k = len(heap_ids)
    if size < k:
        rise(heap_distances, heap_ids, size, distance, number)
        return size + 1
    if beyond(heap_distances[0], heap_ids[0], distance, number):
        sink(heap_distances, heap_ids, k, distance, number)
        return k
    return -1


@register_jitable
def offer_code(
    part: Any, position: Any, distance: Any, after: Any, heap_distances: Any, heap_ids: Any, size: Any
) -> Any:
    """Offer the allowed items of one code that stand beyond ``after``; returns the heap's new size."""
    ids, items, shared, shared_codes, shared_offsets, extra_ids, extras = part
    if is_set(items, position) and beyond(distance, ids[position], after[0], after[1]):
        size = max(size, offer(heap_distances, heap_ids, size, distance, ids[position]))
    if len(shared) == 0 or not is_set(shared, position):
        return size
    group = place_of(shared_codes, position)
    for extra in range(shared_offsets[group], shared_offsets[group + 1]):
        if is_set(extras, extra) and beyond(distance, extra_ids[extra], after[0], after[1]):
            grown = offer(heap_distances, heap_ids, size, distance, extra_ids[extra])
            if grown < 0:
                break
            size = grown
    return size


def scan_nearest(
    blocks: Any,
    ids: Any,
    codes: Any,
    items: Any,
    shared: Any,
    shared_codes: Any,
    shared_offsets: Any,
    extra_ids: Any,
    extras: Any,
    queries: Any,
    like: Any,
    after: Any,
    limits: Any,
    heap_distances: Any,
    heap_ids: Any,
    sizes: Any,
) -> Any:
    """Offer every allowed item within ``limits int64[m]`` to the heaps ``int32[m, k]``, ``int64[m, k]``."""
    part = (ids, items, shared, shared_codes, shared_offsets, extra_ids, extras)
    words = len(like)
    base, query_base = np.uintp(blocks.ctypes.data), np.uintp(queries.ctypes.data)
    k = heap_ids.shape[1]
    tile = max(1, TILE_BYTES // (GROUP_BYTES * words))
    for start in range(0, len(codes), tile):
        stop = min(start + tile, len(codes))
        for number in range(len(queries)):
            query = words_from(query_base + np.uintp(8 * words * number), like)
            size = sizes[number]
            bound = np.int64(heap_distances[number, 0]) if size == k else limits[number]
            for group in range(start, stop):
                hits = codes[group]
                if hits == 0:
                    continue
                if bit_count(hits) > FEW + FEW * words:
                    address = base + np.uintp(GROUP_BYTES * words * group)
                    if number == 0:
                        ask_ahead(address, words)
                    if not has_near(address, query, bound):
                        continue
                    hits &= near_codes(address, query, bound)
                while hits != 0:
                    position = GROUP * group + lowest_bit(hits)
                    hits &= hits - np.uint64(1)
                    distance = distance_at(blocks, position, query)
                    if distance <= bound:
                        size = offer_code(
                            part, position, distance, after, heap_distances[number], heap_ids[number], size
                        )
                        if size == k:
                            bound = np.int64(heap_distances[number, 0])
            sizes[number] = size


@register_jitable
def items_at(part: Any, position: Any) -> Any:
    """Number of allowed items of one code."""
    _, items, shared, shared_codes, shared_offsets, _, extras = part
    count = 1 if is_set(items, position) else 0
    if len(shared) != 0 and is_set(shared, position):
        group = place_of(shared_codes, position)
        for extra in range(shared_offsets[group], shared_offsets[group + 1]):
            if is_set(extras, extra):
                count += 1
    return count


@register_jitable
def put_items(part: Any, position: Any, distance: Any, at: Any, found_distances: Any, found_ids: Any) -> Any:
    """Write the allowed items of one code from ``at`` on; returns where the next go."""
    ids, items, shared, shared_codes, shared_offsets, extra_ids, extras = part
    if is_set(items, position):
        found_distances[at], found_ids[at] = distance, ids[position]
        at += 1
    if len(shared) != 0 and is_set(shared, position):
        group = place_of(shared_codes, position)
        for extra in range(shared_offsets[group], shared_offsets[group + 1]):
            if is_set(extras, extra):
                found_distances[at], found_ids[at] = distance, extra_ids[extra]
                at += 1
    return at


def scan_inside(
    blocks: Any,
    ids: Any,
    codes: Any,
    items: Any,
    shared: Any,
    shared_codes: Any,
    shared_offsets: Any,
    extra_ids: Any,
    extras: Any,
    queries: Any,
    like: Any,
    radius: Any,
    beyond: Any,
    state: Any,
    found_queries: Any,
    found_distances: Any,
    found_ids: Any,
) -> Any:
    """Collect (query, distance, id) of every allowed item within the radius until the buffers are full.

    Items at a distance up to ``beyond`` are left out (-1: none).
    ``state int64[3]`` (first group of the tile, query, group) says where to go on; ``state[0]`` is the number of groups
    when the scan is done. Returns how many items were collected, or minus the room that the next group needs.
    """
    part = (ids, items, shared, shared_codes, shared_offsets, extra_ids, extras)
    words = len(like)
    base, query_base = np.uintp(blocks.ctypes.data), np.uintp(queries.ctypes.data)
    tile = max(1, TILE_BYTES // (GROUP_BYTES * words))
    count = 0
    while state[0] < len(codes):
        stop = min(state[0] + tile, len(codes))
        while state[1] < len(queries):
            number = state[1]
            query = words_from(query_base + np.uintp(8 * words * number), like)
            for group in range(max(state[0], state[2]), stop):
                address = base + np.uintp(GROUP_BYTES * words * group)
                if number == 0:
                    ask_ahead(address, words)
                if codes[group] == 0 or not has_near(address, query, radius):
                    continue
                hits = near_codes(address, query, radius) & codes[group]
                if beyond >= 0:
                    hits &= ~near_codes(address, query, beyond)
                rest, need = hits, 0
                while rest != 0:
                    need += items_at(part, GROUP * group + lowest_bit(rest))
                    rest &= rest - np.uint64(1)
                if count + need > len(found_ids):
                    state[2] = group
                    return count if count > 0 else -need
                while hits != 0:
                    position = GROUP * group + lowest_bit(hits)
                    hits &= hits - np.uint64(1)
                    distance = distance_at(blocks, position, query)
                    end = put_items(part, position, distance, count, found_distances, found_ids)
                    found_queries[count:end] = number
                    count = end
            state[1] += 1
            state[2] = 0
        state[0] = stop
        state[1] = 0
    return count


def settle(heap_distances: Any, heap_ids: Any, sizes: Any) -> Any:
    """Turn each heap into rows in order of (distance, id)."""
    for number in range(len(sizes)):
        distances, ids = heap_distances[number], heap_ids[number]
        for last in range(sizes[number] - 1, 0, -1):
            distance, one = distances[last], ids[last]
            distances[last], ids[last] = distances[0], ids[0]
            sink(distances, ids, last, distance, one)
