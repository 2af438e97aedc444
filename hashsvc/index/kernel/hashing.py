"""Multi-index hashing (Norouzi, Punjani, Fleet: Fast exact search in Hamming space with multi-index hashing, 2014).

A code is cut into m disjoint substrings, one table each. If two codes differ in at most ``m * a + b`` bits (b < m), one
of the first b + 1 substrings differs in at most a bits, or one of the others in at most a - 1: otherwise they would
differ in at least ``(b + 1) * (a + 1) + (m - b - 1) * a = m * a + b + 1`` bits. So looking up every bucket within those
substring radii finds every code within the radius. A code is taken only where it comes up first.

The codes of a bucket lie all over the memory. Where an entry has a signature beside it (another substring of its code),
most codes that are too far show it there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from hashsvc.index.kernel.scan import GROUP, distance_at, is_set, items_at, offer_code, put_items
from hashsvc.index.kernel.vector import ask_for, bit_count, words_from

ONE = np.uint64(1)
FARTHEST = 1 << 30
TOGETHER = 64
SPOTS = 256


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


@register_jitable
def signature_of(query: Any, cuts: Any, table: Any) -> Any:
    """What an entry of this table has beside it: the substring of the next table, which the table's own leaves out."""
    word, shift, width = cuts[(table + 1) % len(cuts)]
    return substring(query[word], shift, width)


@register_jitable
def next_codes(
    lists: Any, table: Any, buckets: Any, where: Any, entry: Any, wanted: Any, bound: Any, spots: Any
) -> Any:
    """Fill ``spots int64[n]`` with codes of these buckets, an entry of ``buckets[where]`` first, and have them brought.

    Codes whose signature lies beyond the bound are left out. Returns how many there are, and the (where, entry) to go
    on with.
    """
    blocks, offsets, entries, signatures = lists
    start, words, signed = np.uintp(blocks.ctypes.data), blocks.shape[1], signatures.shape[1] > 0
    held = 0
    while where < len(buckets):
        stop = np.int64(offsets[buckets[where] + 1])
        while entry < stop:
            if not signed or bit_count(np.uint64(signatures[table, entry]) ^ wanted) <= bound:
                position = np.int64(entries[table, entry])
                ask_for(start + np.uintp(8 * (GROUP * words * (position >> 6) + (position & 63))))
                spots[held] = position
                held += 1
            entry += 1
            if held == len(spots):
                return held, where, entry
        where += 1
        if where < len(buckets):
            entry = np.int64(offsets[buckets[where]])
    return held, where, entry


@register_jitable
def next_buckets(base: Any, key: Any, pattern: Any, end: Any, offsets: Any, buckets: Any) -> Any:
    """Fill ``buckets int64[n]`` with those of this pattern and the next of its weight, and have their places brought.

    Returns how many there are, and the pattern to go on with (``end`` after the last).
    """
    count, start = 0, np.uintp(offsets.ctypes.data)
    while count < len(buckets) and pattern < end:
        buckets[count] = base + np.int64(key ^ pattern)
        ask_for(start + np.uintp(4 * buckets[count]))
        count += 1
        pattern = next_of_weight(pattern) if pattern != 0 else end
    return count, pattern


@register_jitable
def ask_for_buckets(offsets: Any, entries: Any, signatures: Any, table: Any, buckets: Any, count: Any) -> Any:
    """Have the first entries of these buckets brought, and their signatures."""
    start = np.uintp(entries.ctypes.data) + np.uintp(4 * table * entries.shape[1])
    beside = np.uintp(signatures.ctypes.data) + np.uintp(2 * table * signatures.shape[1])
    for bucket in buckets[:count]:
        first = np.int64(offsets[bucket])
        ask_for(start + np.uintp(4 * first))
        if signatures.shape[1] > 0:
            ask_for(beside + np.uintp(2 * first))


@register_jitable
def looks_left(cuts: Any, codes: Any, radii: Any, distance: Any) -> Any:
    """Codes and buckets that are expected to be looked at before all within ``distance`` are found."""
    tables, total = len(cuts), 0.0
    for table in range(tables):
        width = cuts[table, 2]
        reach = distance // tables if table <= distance % tables else distance // tables - 1
        for weight in range(radii[table] + 1, min(reach, width) + 1):
            total += choose(width, weight) * (1.0 + codes / 2.0**width)
    return total


@register_jitable
def look_up(
    arrays: Any, tables: Any, table: Any, weight: Any, radii: Any, query: Any, after: Any, heap: Any, room: Any
) -> Any:
    """Offer the allowed items of every code whose substring of this table differs in ``weight`` bits from the query's.

    ``heap`` is (distances, ids, size), ``room`` where buckets and codes are noted. Returns the heap's new size.
    """
    blocks, codes, part = arrays
    cuts, bases, offsets, entries, signatures = tables
    distances, numbers, size = heap
    buckets, spots = room
    word, shift, width = cuts[table]
    lists, k = (blocks, offsets, entries, signatures), len(numbers)
    key, wanted = substring(query[word], shift, width), signature_of(query, cuts, table)
    pattern, end = (ONE << np.uint64(weight)) - ONE, ONE << np.uint64(width)
    while pattern < end:
        count, pattern = next_buckets(bases[table], key, pattern, end, offsets, buckets)
        ask_for_buckets(offsets, entries, signatures, table, buckets, count)
        bound = np.int64(distances[0]) if size == k else FARTHEST
        where, entry = 0, np.int64(offsets[buckets[0]])
        while where < count:
            held, where, entry = next_codes(lists, table, buckets[:count], where, entry, wanted, bound - weight, spots)
            for position in spots[:held]:
                distance = distance_at(blocks, position, query)
                if size == k and distance > distances[0]:
                    continue
                if is_set(codes, position) and not came_up(blocks, position, query, cuts, radii, len(cuts)):
                    size = offer_code(part, position, distance, after, distances, numbers, size)
    return size


@register_jitable
def grow(arrays: Any, tables: Any, query: Any, after: Any, limits: Any, heap: Any, radii: Any, room: Any) -> Any:
    """Look up ever larger substring radii for one query, until its k-th distance is covered or the limits are reached.

    Returns the heap's new size, and whether the answer is complete.
    """
    cuts, (distances, numbers, size), (trial, budget) = tables[0], heap, limits
    held, k, spent = len(arrays[2][0]), len(numbers), 0.0
    radii[:] = -1
    for weight in range(cuts[:, 2].max() + 1):
        for table in range(len(cuts)):
            if weight <= cuts[table, 2]:
                looks = choose(cuts[table, 2], weight) * (1.0 + held / 2.0 ** cuts[table, 2])
                spent += looks
                if spent > trial and (size < k or spent + looks_left(cuts, held, radii, distances[0]) - looks > budget):
                    return size, False
                heap = (distances, numbers, size)
                size = look_up(arrays, tables, table, weight, radii, query, after, heap, room)
            radii[table] = weight
            if size == k and distances[0] <= len(cuts) * weight + table:
                return size, True
    return size, True


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
    signatures: Any,
    queries: Any,
    like: Any,
    after: Any,
    trial: Any,
    budget: Any,
    heap_distances: Any,
    heap_ids: Any,
    sizes: Any,
    done: Any,
) -> Any:
    """As scan_nearest, by growing substring radii until the k-th distance is covered.

    ``cuts int64[m, 3]`` (word, shift, width), ``bases int64[m]`` into ``offsets``, ``entries uint32[m, codes]``,
    ``signatures uint16[m, codes or 0]``. Each query may look at ``trial`` codes and buckets, and then at up to
    ``budget`` of them if that will do for the k-th distance found so far. Else it is left with ``done`` false; its heap
    holds true items, so its k-th distance bounds the answer's.
    """
    part = (ids, items, shared, shared_codes, shared_offsets, extra_ids, extras)
    arrays, tables, limits = (blocks, codes, part), (cuts, bases, offsets, entries, signatures), (trial, budget)
    room, radii = (np.empty(TOGETHER, np.int64), np.empty(SPOTS, np.int64)), np.empty(len(cuts), np.int64)
    start = np.uintp(queries.ctypes.data)
    for number in range(len(queries)):
        query = words_from(start + np.uintp(8 * len(like) * number), like)
        heap = (heap_distances[number], heap_ids[number], sizes[number])
        sizes[number], done[number] = grow(arrays, tables, query, after, limits, heap, radii, room)


@register_jitable
def radii_within(radius: Any, tables: Any) -> Any:
    """Radius ``int64[tables]`` of each table, all within ``radius`` together; -1 where a table need not look."""
    radii = np.empty(tables, np.int64)
    for table in range(tables):
        radii[table] = radius // tables if table <= radius % tables else radius // tables - 1
    return radii


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
    signatures: Any,
    queries: Any,
    like: Any,
    radius: Any,
    found_queries: Any,
    found_distances: Any,
    found_ids: Any,
) -> Any:
    """Collect (query, distance, id) of every allowed item within the radius of each query ``uint64[m, words]``.

    Returns how many there are; those that the buffers have no room for are only counted.
    """
    part = (ids, items, shared, shared_codes, shared_offsets, extra_ids, extras)
    found = (found_distances, found_ids)
    tables, signed, start = len(cuts), signatures.shape[1] > 0, np.uintp(queries.ctypes.data)
    radii = radii_within(radius, tables)
    count = 0
    for number in range(len(queries)):
        query, first = words_from(start + np.uintp(8 * len(like) * number), like), count
        for table in range(tables):
            word, shift, width = cuts[table]
            key, end = substring(query[word], shift, width), ONE << np.uint64(width)
            wanted = signature_of(query, cuts, table)
            for weight in range(min(radii[table], width) + 1):
                pattern = (ONE << np.uint64(weight)) - ONE
                while pattern < end:
                    bucket = bases[table] + np.int64(key ^ pattern)
                    for entry in range(offsets[bucket], offsets[bucket + 1]):
                        if signed and weight + bit_count(np.uint64(signatures[table, entry]) ^ wanted) > radius:
                            continue
                        position = np.int64(entries[table, entry])
                        distance = distance_at(blocks, position, query)
                        if distance > radius or not is_set(codes, position):
                            continue
                        if came_up(blocks, position, query, cuts, radii, table):
                            continue
                        count = put_where_room(part, position, distance, count, found)
                    pattern = next_of_weight(pattern) if pattern != 0 else end
        found_queries[first : min(count, len(found_ids))] = number
    return count


@register_jitable
def put_where_room(part: Any, position: Any, distance: Any, count: Any, found: Any) -> Any:
    """Write the allowed items of one code behind ``count`` others, if all fit; returns how many there are with them."""
    total = count + items_at(part, position)
    if total <= len(found[1]):
        put_items(part, position, distance, count, found[0], found[1])
    return total
