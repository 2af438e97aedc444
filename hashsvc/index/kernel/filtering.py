"""Filters in compiled form: which codes have an allowed item, and the allowed items gathered side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from hashsvc.index.kernel.vector import bit_count, lowest_bit

# Extras are many when there are more than one to so many shared codes.
MANY = 32
STRIDE = 16


@register_jitable
def owner_from(shared_offsets: Any, owner: Any, extra: Any) -> Any:
    """Which shared code owns an extra: ``owner`` or a later one."""
    while owner + STRIDE < len(shared_offsets) and shared_offsets[owner + STRIDE] <= extra:
        owner += STRIDE
    while shared_offsets[owner + 1] <= extra:
        owner += 1
    return owner


@register_jitable
def add_owners(codes: Any, shared_codes: Any, shared_offsets: Any, extras: Any) -> Any:
    """Set in the bitmap ``codes`` every code that owns an extra of the bitmap ``extras``."""
    owner = 0
    for word in range(len(extras)):
        bits = extras[word]
        while bits != 0:
            extra = 64 * word + lowest_bit(bits)
            bits &= bits - np.uint64(1)
            owner = owner_from(shared_offsets, owner, extra)
            code = np.int64(shared_codes[owner])
            codes[code >> 6] |= np.uint64(1) << np.uint64(code & 63)


def cut(
    items: Any,
    extras: Any,
    living: Any,
    shared: Any,
    shared_codes: Any,
    shared_offsets: Any,
    allowed: Any,
    strict: Any,
    codes: Any,
    kept: Any,
    kept_extras: Any,
) -> Any:
    """Cut living items down to the bitmap ``allowed`` (first items, then extras): codes, first items, extras kept.

    Where many extras are kept, ``codes`` takes in every ``living`` code that is ``shared``, unless ``strict``: a scan
    looks at the items of a code anyway, and asking whose each extra is would take longer than the scan.
    Returns how many items that leaves.
    """
    total, more = 0, 0
    for word in range(len(items)):
        bits = items[word] & allowed[word]
        kept[word] = bits
        codes[word] = bits
        total += bit_count(bits)
    for word in range(len(extras)):
        bits = extras[word] & allowed[len(items) + word]
        kept_extras[word] = bits
        more += bit_count(bits)
    if strict or MANY * more < len(shared_codes):
        add_owners(codes, shared_codes, shared_offsets, kept_extras)
    else:
        for word in range(len(codes)):
            codes[word] |= living[word] & shared[word]
    return total + more


def gather(
    blocks: Any,
    ids: Any,
    items: Any,
    shared_codes: Any,
    shared_offsets: Any,
    extra_ids: Any,
    extras: Any,
    out_blocks: Any,
    out_ids: Any,
) -> Any:
    """Copy the code and id of every allowed item, extras too, into rows of their own; returns how many."""
    row = 0
    for word in range(len(items)):
        bits = items[word]
        while bits != 0:
            lane = lowest_bit(bits)
            bits &= bits - np.uint64(1)
            for column in range(blocks.shape[1]):
                out_blocks[row >> 6, column, row & 63] = blocks[word, column, lane]
            out_ids[row] = ids[64 * word + lane]
            row += 1
    owner = 0
    for word in range(len(extras)):
        bits = extras[word]
        while bits != 0:
            extra = 64 * word + lowest_bit(bits)
            bits &= bits - np.uint64(1)
            owner = owner_from(shared_offsets, owner, extra)
            code = np.int64(shared_codes[owner])
            for column in range(blocks.shape[1]):
                out_blocks[row >> 6, column, row & 63] = blocks[code >> 6, column, code & 63]
            out_ids[row] = extra_ids[extra]
            row += 1
    return row


def locate(ids: Any, extra_ids: Any, extra_order: Any, wanted: Any, base: Any, places: Any) -> Any:
    """Write the place of each wanted id: its code's, ``base`` plus its extra's, or -1."""
    for number in range(len(wanted)):
        one = wanted[number]
        low, high = 0, len(ids)
        while low < high:
            middle = (low + high) >> 1
            if ids[middle] < one:
                low = middle + 1
            else:
                high = middle
        if low < len(ids) and ids[low] == one:
            places[number] = low
            continue
        low, high = 0, len(extra_order)
        while low < high:
            middle = (low + high) >> 1
            if extra_ids[extra_order[middle]] < one:
                low = middle + 1
            else:
                high = middle
        found = low < len(extra_order) and extra_ids[extra_order[low]] == one
        places[number] = base + np.int64(extra_order[low]) if found else -1
