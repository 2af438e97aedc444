"""Comparing by matrix products of torch, on any device; the distances of a piece of codes are written out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch

from hashsvc.index.device.keys import MISSING, keys_of
from hashsvc.index.device.rows import bits_of

if TYPE_CHECKING:
    from hashsvc.index.device.rows import Asked

# Distances written out at a time.
DENSE = 1 << 24
# Numbers of unpacked bits, likewise.
UNPACKED = 1 << 25


class Codes(NamedTuple):
    """Codes on a device.

    Args:
        rows: ``uint8[n, bytes]``, at least ``total`` of them.
        total: how many codes there are.
        allowed: bitmap of those that may answer; None for all.
    """

    rows: torch.Tensor
    total: int
    allowed: torch.Tensor | None = None


class Compare(Protocol):
    """One way of comparing a span of codes with queries."""

    def __call__(
        self,
        codes: Codes,
        asked: Asked,
        limits: torch.Tensor,
        span: tuple[int, int],
        room: int,
        *,
        beyond: int | None = None,
    ) -> tuple[torch.Tensor, int]:
        """Keys of the allowed codes at positions ``span[0]`` to ``span[1] - 1`` nearer to a query than its limit.

        Args:
            codes: on the device of the queries.
            asked: m queries.
            limits: ``int32[m]``.
            span: first position, and the one behind the last.
            room: how many keys there may be.
            beyond: where given, query i is compared with positions above ``beyond + i`` only.

        Returns:
            Keys ``int64[c]``, unordered, and their number: all of them if it is at most ``room``; else some of them,
            and a number above ``room``.
        """
        ...


def near(
    codes: Codes,
    asked: Asked,
    limits: torch.Tensor,
    span: tuple[int, int],
    room: int,
    *,
    beyond: int | None = None,
) -> tuple[torch.Tensor, int]:
    """See :class:`Compare`."""
    found, count = [], 0
    numbers = torch.arange(len(limits), device=limits.device)
    for start, stop in _pieces(span, len(limits), codes.rows.shape[1]):
        distances = distances_of(codes.rows[start:stop], asked)
        hits = distances < limits[:, None]
        if codes.allowed is not None:
            hits &= allowed_at(codes.allowed, start, stop)
        if beyond is not None:
            hits &= torch.arange(start, stop, device=limits.device) > (numbers + beyond)[:, None]
        query, place = hits.nonzero(as_tuple=True)
        found.append(keys_of(query, distances[query, place], place + start)[:room])
        count += len(query)
        if count > room:
            break
    return torch.cat(found)[:room] if found else numbers[:0], count


def every_key(codes: Codes, asked: Asked, span: tuple[int, int]) -> torch.Tensor:
    """Keys ``int64[m, stop - start]``, without the query, of a span; MISSING where a code may not answer."""
    start, stop = span
    place = torch.arange(start, stop, device=codes.rows.device)
    keys = keys_of(torch.zeros_like(place), distances_of(codes.rows[start:stop], asked), place)
    if codes.allowed is not None:
        keys[:, ~allowed_at(codes.allowed, start, stop)] = MISSING
    return keys


def distances_of(rows: torch.Tensor, asked: Asked) -> torch.Tensor:
    """Hamming distances ``int32[m, n]`` between codes ``uint8[n, bytes]`` and queries."""
    dtype = torch.float16 if rows.device.type == "cuda" else torch.float32
    dots = asked.signs[: len(asked.ones)].to(dtype) @ bits_of(rows, dtype).T
    return asked.ones[:, None] - dots.to(torch.int32)


def allowed_at(allowed: torch.Tensor, start: int, stop: int) -> torch.Tensor:
    """Whether each code from ``start`` to ``stop - 1`` may answer, ``bool[stop - start]``."""
    whole = bits_of(allowed[start >> 3 : -(-stop // 8), None], torch.bool).reshape(-1)
    return whole[start & 7 :][: stop - start]


def _pieces(span: tuple[int, int], queries: int, width: int) -> list[tuple[int, int]]:
    step = max(1, min(DENSE // max(queries, 1), UNPACKED // (8 * width)))
    return [(start, min(start + step, span[1])) for start in range(*span, step)]
