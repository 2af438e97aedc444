"""Comparing in one kernel, for CUDA: bits unpacked, multiplied, held against the limits; no distance is written out.

Importing this module needs Triton, which comes with torch's CUDA builds. A program takes a tile of codes, unpacks its
bits once, and multiplies them with one tile of queries after the other (int8 products, int32 sums: exact). A first pass
only marks the tiles of queries in which some code lies under its limit; few do, and those alone are looked at again and
their finds written.
"""

# Triton compiles the functions below: their arguments are pointers, numbers and tiles, which have no types here.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc"
from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl

from hashsvc.errors import InvalidArgument
from hashsvc.index.device.keys import POSITION_BITS as _POSITION_BITS
from hashsvc.index.device.keys import QUERY_SHIFT as _QUERY_SHIFT
from hashsvc.index.device.rows import TILE

if TYPE_CHECKING:
    from hashsvc.index.device.products import Codes
    from hashsvc.index.device.rows import Asked

POSITION_BITS = tl.constexpr(_POSITION_BITS)
QUERY_SHIFT = tl.constexpr(_QUERY_SHIFT)
# Codes of a program's tile, and the bits of them that are multiplied at a time.
ITEMS = 128
SLICE = 128
WARPS = 8
STAGES = 3
# A tile of queries has one bit in the marks of a code.
MOST_TILES = 32
# The limit of the queries that fill the last tile: no distance is less.
NEVER = -(1 << 20)


@triton.jit
def either(left, right):
    """Bits set in one or the other."""
    return left | right


@triton.jit
def unpacked(rows, item, live, first, WIDTH: tl.constexpr, SLICE: tl.constexpr, ITEMS: tl.constexpr):
    """Bits ``int8[ITEMS, SLICE]`` of codes, from bit ``first`` on."""
    byte = first // 8 + tl.arange(0, SLICE // 8)
    packed = tl.load(rows + item[:, None] * (WIDTH // 8) + byte[None, :], mask=live[:, None], other=0)
    bits = (packed[:, :, None] >> tl.arange(0, 8).to(tl.uint8)[None, None, :]) & 1
    return tl.reshape(bits, [ITEMS, SLICE]).to(tl.int8)


@triton.jit
def products(
    held,
    rows,
    item,
    live,
    signs,
    query,
    WIDTH: tl.constexpr,
    SLICE: tl.constexpr,
    ITEMS: tl.constexpr,
    TILE: tl.constexpr,
):
    """Bits of codes times signs of queries ``int32[ITEMS, TILE]``; ``held`` are the first ``SLICE`` bits."""
    place = tl.arange(0, SLICE)
    total = tl.zeros([ITEMS, TILE], tl.int32)
    if WIDTH == SLICE:
        total = tl.dot(held, tl.load(signs + query[None, :] * WIDTH + place[:, None]), total, out_dtype=tl.int32)
    else:
        for first in range(0, WIDTH, SLICE):
            bits = unpacked(rows, item, live, first, WIDTH, SLICE, ITEMS)
            signed = tl.load(signs + query[None, :] * WIDTH + (first + place)[:, None])
            total = tl.dot(bits, signed, total, out_dtype=tl.int32)
    return total


@triton.jit
def may_answer(allowed, item, stop, FILTERED: tl.constexpr):
    """Whether each code lies in the span and is allowed."""
    live = item < stop
    if FILTERED:
        byte = tl.load(allowed + (item >> 3), mask=live, other=0).to(tl.int32)
        live = live & (((byte >> (item & 7).to(tl.int32)) & 1) != 0)
    return live


@triton.jit(do_not_specialize=["start", "stop", "tiles"])
def mark(
    rows,
    allowed,
    signs,
    edges,
    marks,
    start,
    stop,
    tiles,
    WIDTH: tl.constexpr,
    SLICE: tl.constexpr,
    ITEMS: tl.constexpr,
    TILE: tl.constexpr,
    FILTERED: tl.constexpr,
):
    """Per tile of codes, one bit for each tile of queries in which some code lies under its limit."""
    item = start + tl.program_id(0).to(tl.int64) * ITEMS + tl.arange(0, ITEMS)
    live = may_answer(allowed, item, stop, FILTERED)
    held = unpacked(rows, item, live, 0, WIDTH, SLICE, ITEMS)
    found = tl.zeros([ITEMS], tl.int32)
    for tile in range(tiles):
        query = tile * TILE + tl.arange(0, TILE)
        total = products(held, rows, item, live, signs, query, WIDTH, SLICE, ITEMS, TILE)
        slack = tl.max(total + tl.load(edges + query)[None, :], 1)
        found = found | ((slack > 0).to(tl.int32) << tile)
    tl.store(marks + tl.program_id(0), tl.reduce(tl.where(live, found, 0), 0, either))


@triton.jit(do_not_specialize=["start", "stop", "tiles", "beyond", "room"])
def write(
    rows,
    allowed,
    signs,
    edges,
    ones,
    marks,
    marked,
    keys,
    count,
    start,
    stop,
    tiles,
    beyond,
    room,
    WIDTH: tl.constexpr,
    SLICE: tl.constexpr,
    ITEMS: tl.constexpr,
    TILE: tl.constexpr,
    FILTERED: tl.constexpr,
    ORDERED: tl.constexpr,
):
    """Keys of the codes under their limits in the marked tiles, and how many there are."""
    number = tl.load(marked + tl.program_id(0))
    found = tl.load(marks + number)
    item = start + number * ITEMS + tl.arange(0, ITEMS)
    live = may_answer(allowed, item, stop, FILTERED)
    held = unpacked(rows, item, live, 0, WIDTH, SLICE, ITEMS)
    for tile in range(tiles):
        if ((found >> tile) & 1) != 0:
            query = tile * TILE + tl.arange(0, TILE)
            total = products(held, rows, item, live, signs, query, WIDTH, SLICE, ITEMS, TILE)
            hits = (total + tl.load(edges + query)[None, :] > 0) & live[:, None]
            if ORDERED:
                hits = hits & (item[:, None] > (beyond + query)[None, :])
            distance = tl.load(ones + query)[None, :] - total
            key = (query.to(tl.int64) << QUERY_SHIFT)[None, :] | (distance.to(tl.int64) << POSITION_BITS)
            key = key | item[:, None]
            slot = tl.atomic_add(count + tl.zeros([ITEMS, TILE], tl.int32), 1, mask=hits, sem="relaxed")
            tl.store(keys + slot, key, mask=hits & (slot < room))


def near(
    codes: Codes,
    asked: Asked,
    limits: torch.Tensor,
    span: tuple[int, int],
    room: int,
    *,
    beyond: int | None = None,
) -> tuple[torch.Tensor, int]:
    """See :class:`hashsvc.index.device.products.Compare`; at most 4,096 queries."""
    filled, width = asked.signs.shape
    tiles = filled // TILE
    if tiles > MOST_TILES:
        raise InvalidArgument(f"at most {MOST_TILES * TILE} queries are compared together, not {len(limits)}")
    device, (start, stop) = limits.device, span
    edges = torch.full((filled,), NEVER, dtype=torch.int32, device=device)
    edges[: len(limits)] = limits - asked.ones
    sizes = {"WIDTH": width, "SLICE": width if width <= SLICE else SLICE, "ITEMS": ITEMS, "TILE": TILE}
    how = {**sizes, "FILTERED": codes.allowed is not None, "num_warps": WARPS, "num_stages": STAGES}
    given = (codes.rows, codes.rows if codes.allowed is None else codes.allowed, asked.signs, edges)
    marks = torch.empty(-(-(stop - start) // ITEMS), dtype=torch.int32, device=device)
    mark[(len(marks),)](*given, marks, start, stop, tiles, **how)
    marked = marks.nonzero().reshape(-1)
    keys = torch.empty(room, dtype=torch.int64, device=device)
    count = torch.zeros(1, dtype=torch.int64, device=device)
    if len(marked):
        ones = torch.nn.functional.pad(asked.ones, (0, filled - len(limits)))
        found = (marks, marked, keys, count)
        write[(len(marked),)](
            *given, ones, *found, start, stop, tiles, beyond or 0, room, ORDERED=beyond is not None, **how
        )
    total = int(count.item())
    return keys[: min(total, room)], total
