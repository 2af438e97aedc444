"""Every pair of codes within a radius: of one set with itself, or of two sets.

Equal codes are joined once and their posting lists multiplied out at the end; distinct codes are joined by multi-index
hashing, bucket against bucket (Norouzi, Punjani, Fleet: Fast exact search in Hamming space with multi-index hashing,
2014, made symmetric). The answer is complete and exact, and the order of its chunks does not depend on the threads.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hashsvc.codes import check_bits, check_codes
from hashsvc.errors import InvalidArgument, ResourceExhausted
from hashsvc.index import sharing
from hashsvc.index.joinplan import JoinPlan, best_plan, expected
from hashsvc.index.kernel.compiled import joining_functions, prepare
from hashsvc.index.layout import word_count
from hashsvc.index.reference import distances_of
from hashsvc.index.sharing import Distinct, equal_pairs, multiplied
from hashsvc.index.tablejoin import by_tables

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.index.sharing import Pairs

LOG = logging.getLogger(__name__)
# Nanoseconds: a join that takes less is done before torch is loaded and a device made ready.
SOON = 1e9
# Nanoseconds that plain numpy takes for a word of two codes, about.
PLAIN = 10.0
# Fewer codes are compared by numpy before the kernel is compiled.
MANY = 10_000


class _Means(NamedTuple):
    """What a join may use: threads, and a device ("" for none)."""

    threads: int
    device: str


def self_join(
    codes: NDArray[np.uint8], radius: int, threads: int = 1, cache: str = "", *, device: str = ""
) -> Iterator[Pairs]:
    """All pairs of positions ``left < right`` whose codes ``uint8[n, bits/8]`` lie within ``radius``.

    Args:
        codes: fewer than 2**32 of them.
        radius: inclusive Hamming distance, 0 to bits; 0 gives the pairs of equal codes.
        threads: how many to compare with; they end with the iterator.
        cache: folder of the compiled kernel, as in :func:`hashsvc.index.warm`. Many codes have it compiled where nobody
            has yet: joins are for jobs, not for requests.
        device: a torch device, "cuda" or "cuda:N", that compares where that is expected to take less time; "" for none.
            It is not asked, nor torch loaded, for what takes the processor less than a second.

    Returns:
        Chunks (left ``int64[p]``, right ``int64[p]``, distance ``uint16[p]``) of 1 to 262,144 pairs, each pair in
        exactly one chunk, chunks in the same order whatever the threads (a device has an order of its own). Nothing is
        held back but the chunks that are being made: memory takes about three times the codes and 40 bytes a code,
        however many pairs there are.

    Raises:
        InvalidArgument: wrong shape of the codes, a radius outside 0 to bits, threads < 1, no such device.
        ResourceExhausted: the device ran out of memory among the pairs.
    """
    codes, bits = _checked(codes, radius, threads, "codes")
    _prepare_for(len(codes), bits, cache)
    return _self_join(Distinct.of(codes), bits, radius, _Means(threads, device))


def join(
    codes: NDArray[np.uint8],
    others: NDArray[np.uint8],
    radius: int,
    threads: int = 1,
    cache: str = "",
    *,
    device: str = "",
) -> Iterator[Pairs]:
    """All pairs of a position in ``codes`` (left) and one in ``others`` (right) whose codes lie within ``radius``.

    Arguments, chunks and errors are those of :func:`self_join`; a position says nothing about its partner's.
    """
    codes, bits = _checked(codes, radius, threads, "codes")
    others = check_codes(others, bits, "others")
    _prepare_for(len(codes) + len(others), bits, cache)
    return _join(Distinct.of(codes), Distinct.of(others), bits, radius, _Means(threads, device))


def _prepare_for(count: int, bits: int, cache: str) -> None:
    if count >= MANY:
        prepare(word_count(bits), Path(cache) if cache else None)


def _checked(codes: NDArray[np.uint8], radius: int, threads: int, field: str) -> tuple[NDArray[np.uint8], int]:
    bits = check_bits(8 * codes.shape[-1] if codes.ndim else 0, field)
    codes = check_codes(codes, bits, field)
    if not 0 <= radius <= bits:
        raise InvalidArgument(f"radius must be 0 to {bits}, not {radius}", field="radius")
    if threads < 1:
        raise InvalidArgument(f"threads must be at least 1, not {threads}", field="threads")
    return codes, bits


def _self_join(one: Distinct, bits: int, radius: int, means: _Means) -> Iterator[Pairs]:
    yield from equal_pairs(one)
    if radius and len(one.words) > 1:
        for left, right, distances in _joined(one.words, one.words, bits, radius, means):
            for chunk in multiplied(one, one, left, right, distances):
                yield np.minimum(chunk[0], chunk[1]), np.maximum(chunk[0], chunk[1]), chunk[2]


def _join(one: Distinct, other: Distinct, bits: int, radius: int, means: _Means) -> Iterator[Pairs]:
    if len(one.words) and len(other.words):
        for pairs in _joined(one.words, other.words, bits, radius, means):
            yield from multiplied(one, other, *pairs)


def _joined(
    words: NDArray[np.uint64], others: NDArray[np.uint64], bits: int, radius: int, means: _Means
) -> Iterator[Pairs]:
    """Pairs of distinct codes within the radius, as numbers of them; each once where both sides are the same."""
    compiled = joining_functions(word_count(bits))
    plan = None if compiled is None else best_plan(words, others, bits, radius)
    if means.device and (found := _on_device(words, others, radius, means, plan)) is not None:
        yield from found
        return
    if compiled is None or plan is None:
        yield from _compared(words, others, radius, same=words is others)
    else:
        yield from by_tables(compiled, plan, words, others, radius, threads=means.threads)


def _on_device(
    words: NDArray[np.uint64], others: NDArray[np.uint64], radius: int, means: _Means, plan: JoinPlan | None
) -> Iterator[Pairs] | None:
    """The pairs as a device finds them; None where it takes longer than the processor or has no room."""
    here = PLAIN * words.size * len(others) if plan is None else expected(plan, words, others) / means.threads
    if here < SOON:
        return None
    from hashsvc.index.device.joining import DeviceJoin

    joining = DeviceJoin(means.device, words, others)
    if joining.nanoseconds >= here:
        return None
    try:
        found = joining.pairs(radius, sharing.CHUNK)
    except ResourceExhausted as error:
        LOG.warning("joining on the processor: %s", error.message)
        return None
    return ((left.astype(np.int64), right, distances.astype(np.uint16)) for left, distances, right in found)


def _compared(words: NDArray[np.uint64], others: NDArray[np.uint64], radius: int, *, same: bool) -> Iterator[Pairs]:
    """The same without a kernel: every code with every other."""
    for number, query in enumerate(words):
        first = number + 1 if same else 0
        distances = distances_of(others[first:], query)
        right = np.flatnonzero(distances <= radius)
        for start in range(0, len(right), sharing.CHUNK):
            some = right[start : start + sharing.CHUNK]
            yield np.full(len(some), number), some + first, distances[some].astype(np.uint16)
