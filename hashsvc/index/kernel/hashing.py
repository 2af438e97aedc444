"""Multi-index hashing (Norouzi, Punjani, Fleet: Fast exact search in Hamming space with multi-index hashing, 2014).

A code is cut into m disjoint substrings, one table each. If two codes differ in at most ``m * a + b`` bits (b < m), one
of the first b + 1 substrings differs in at most a bits, or one of the others in at most a - 1: otherwise they would
differ in at least ``(b + 1) * (a + 1) + (m - b - 1) * a = m * a + b + 1`` bits. So looking up every bucket within those
substring radii finds every code within the radius. A code is taken only where it comes up first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from hashsvc.index.kernel.scan import distance_at, is_set, items_at, offer_code, put_items
from hashsvc.index.kernel.vector import bit_count, words_from

ONE = np.uint64(1)


@register_jitable
def substring(word: Any, shift: Any, width: Any) -> Any:
    """``width`` bits of a word from ``shift`` up."""
    return (word >> np.uint64(shift)) & ((ONE << np.uint64(width)) - ONE)


@register_jitable
def part_distance(blocks: Any, position: Any, query: Any, cut: Any) -> Any:
    """Distance between the code at ``position`` and the query within one substring (word, shift, width)."""
    word = blocks[position >> 6, cut[0], position & 63] ^ query[cut[0]]
    return bit_count(substring(word, cut[1], cut[2]))


@register_jitable
def came_up(blocks: Any, position: Any, query: Any, cuts: Any, radii: Any, tables: Any) -> Any:
    """Whether one of the first ``tables`` tables reaches this code with its radius of ``radii``."""
    for earlier in range(tables):
        if part_distance(blocks, position, query, cuts[earlier]) <= radii[earlier]:
            return True
    return False


@register_jitable
def next_of_weight(pattern: Any) -> Any:
    """The next larger number with as many set bits (Gosper)."""
    lowest = pattern & (~pattern + ONE)
    carried = pattern + lowest
    return carried | (((pattern ^ carried) >> np.uint64(2)) // lowest)


@register_jitable
def choose(width: Any, weight: Any) -> Any:
    """Number of substrings at exactly ``weight`` from another, as a float."""
    total = 1.0
    for step in range(weight):
        total = total * (width - step) / (step + 1)
    return total


def tables_nearest(
    blocks: Any,
    ids: Any,
    codes: Any,
    items: Any,
    shared: Any,
    shared_codes: Any,
    shared_offsets: Any,
    extra_ids: Any,
    extras: Any,
    cuts: Any,
    bases: Any,
    offsets: Any,
    entries: Any,
    queries: Any,
    like: Any,
    after: Any,
    budget: Any,
    heap_distances: Any,
    heap_ids: Any,
    sizes: Any,
    done: Any,
) -> Any:
    """As scan_nearest, by growing substring radii until the k-th distance is covered.

    ``cuts int64[m, 3]`` (word, shift, width), ``bases int64[m]`` into ``offsets``, ``entries uint32[m, codes]``.
    A query that would look at more than ``budget`` codes and buckets is left with ``done`` false; its heap holds true
    items, so its k-th distance bounds the answer's.
    """
    part = (ids, items, shared, shared_codes, shared_offsets, extra_ids, extras)
    tables, words, k = len(cuts), len(like), heap_ids.shape[1]
    query_base = np.uintp(queries.ctypes.data)
    radii = np.empty(tables, np.int64)
    for number in range(len(queries)):
        query = words_from(query_base + np.uintp(8 * words * number), like)
        distances, numbers, size = heap_distances[number], heap_ids[number], sizes[number]
        spent, weight, running = 0.0, 0, True
        radii[:] = -1
        while running and weight <= 16:
            for table in range(tables):
                word, shift, width = cuts[table]
                if weight > width:
                    radii[table] = weight
                    continue
                buckets = choose(width, weight)
                spent += buckets * (1.0 + len(ids) / 2.0**width)
                if spent > budget:
                    running = False
                    break
                key = substring(query[word], shift, width)
                pattern, end = (ONE << np.uint64(weight)) - ONE, ONE << np.uint64(width)
                while pattern < end:
                    bucket = bases[table] + np.int64(key ^ pattern)
                    for entry in range(offsets[bucket], offsets[bucket + 1]):
                        position = np.int64(entries[table, entry])
                        if not is_set(codes, position):
                            continue
                        distance = distance_at(blocks, position, query)
                        if size == k and distance > distances[0]:
                            continue
                        if came_up(blocks, position, query, cuts, radii, tables):
                            continue
                        size = offer_code(part, position, distance, after, distances, numbers, size)
                    if pattern == 0:
                        break
                    pattern = next_of_weight(pattern)
                radii[table] = weight
                if size == k and distances[0] <= tables * weight + table:
                    done[number] = True
                    running = False
                    break
            weight += 1
        if running:
            done[number] = True
        sizes[number] = size


def tables_inside(
    blocks: Any,
    ids: Any,
    codes: Any,
    items: Any,
    shared: Any,
    shared_codes: Any,
    shared_offsets: Any,
    extra_ids: Any,
    extras: Any,
    cuts: Any,
    bases: Any,
    offsets: Any,
    entries: Any,
    query_words: Any,
    like: Any,
    radius: Any,
    found_distances: Any,
    found_ids: Any,
) -> Any:
    """Collect (distance, id) of every allowed item within the radius of one query ``uint64[1, words]``.

    Returns how many there are; those that the buffers have no room for are only counted.
    """
    part = (ids, items, shared, shared_codes, shared_offsets, extra_ids, extras)
    query = words_from(np.uintp(query_words.ctypes.data), like)
    tables = len(cuts)
    radii = np.empty(tables, np.int64)
    for table in range(tables):
        radii[table] = radius // tables if table <= radius % tables else radius // tables - 1
    count = 0
    for table in range(tables):
        word, shift, width = cuts[table]
        key, end = substring(query[word], shift, width), ONE << np.uint64(width)
        for weight in range(min(radii[table], width) + 1):
            pattern = (ONE << np.uint64(weight)) - ONE
            while pattern < end:
                bucket = bases[table] + np.int64(key ^ pattern)
                for entry in range(offsets[bucket], offsets[bucket + 1]):
                    position = np.int64(entries[table, entry])
                    distance = distance_at(blocks, position, query)
                    if distance > radius or not is_set(codes, position):
                        continue
                    if came_up(blocks, position, query, cuts, radii, table):
                        continue
                    total = count + items_at(part, position)
                    if total <= len(found_ids):
                        put_items(part, position, distance, count, found_distances, found_ids)
                    count = total
                if pattern == 0:
                    break
                pattern = next_of_weight(pattern)
    return count
