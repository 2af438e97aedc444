"""Every pair of codes within a radius: of one set with itself, or of two sets.

Equal codes are joined once and their posting lists multiplied out at the end; distinct codes are joined by multi-index
hashing, bucket against bucket (Norouzi, Punjani, Fleet: Fast exact search in Hamming space with multi-index hashing,
2014, made symmetric). The answer is complete and exact, and the order of its chunks does not depend on the threads.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hashsvc.codes import check_bits, check_codes
from hashsvc.errors import InvalidArgument, ResourceExhausted
from hashsvc.index.joinplan import JoinPlan, best_plan, expected, substring_values
from hashsvc.index.kernel.compiled import Functions, joining_functions, prepare
from hashsvc.index.layout import frozen, to_words, word_count
from hashsvc.index.reference import distances_of
from hashsvc.index.segment import group_equal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint16]]

LOG = logging.getLogger(__name__)
# Pairs in one chunk, at most.
CHUNK = 1 << 18
# Nanoseconds: a join that takes less is done before torch is loaded and a device made ready.
SOON = 1e9
# Nanoseconds that plain numpy takes for a word of two codes, about.
PLAIN = 10.0
LEAST_RANGE = 2_048
RANGES = 64
AHEAD = 2
LANES = 8
# Fewer codes are compared by numpy before the kernel is compiled.
MANY = 10_000


class Distinct(NamedTuple):
    """Distinct codes with the positions that hold them.

    Args:
        words: ``uint64[groups, words]``.
        order: positions ``int64[n]``, those of one code side by side, ascending.
        starts: ``int64[groups + 1]``: code g is held at ``order[starts[g]:starts[g + 1]]``.
    """

    words: NDArray[np.uint64]
    order: NDArray[np.int64]
    starts: NDArray[np.int64]


class _Means(NamedTuple):
    """What a join may use: threads, and a device ("" for none)."""

    threads: int
    device: str


class Side(NamedTuple):
    """One side of a join, in order of one substring: columns ``uint64[words, n + 8]``, code numbers and substrings."""

    columns: NDArray[np.uint64]
    numbers: NDArray[np.uint32]
    keys: NDArray[np.uint32]


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
    return _self_join(_distinct(codes), bits, radius, _Means(threads, device))


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
    return _join(_distinct(codes), _distinct(others), bits, radius, _Means(threads, device))


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
    yield from _equal_pairs(one)
    if radius and len(one.words) > 1:
        for left, right, distances in _joined(one.words, one.words, bits, radius, means):
            for chunk in _multiplied(one, one, left, right, distances):
                yield np.minimum(chunk[0], chunk[1]), np.maximum(chunk[0], chunk[1]), chunk[2]


def _join(one: Distinct, other: Distinct, bits: int, radius: int, means: _Means) -> Iterator[Pairs]:
    if len(one.words) and len(other.words):
        for pairs in _joined(one.words, other.words, bits, radius, means):
            yield from _multiplied(one, other, *pairs)


def _distinct(codes: NDArray[np.uint8]) -> Distinct:
    words = to_words(codes)
    if not len(words):
        return Distinct(words, np.zeros(0, np.int64), np.zeros(1, np.int64))
    order, starts = group_equal(words)
    return Distinct(words[order[starts]], order, np.append(starts, len(order)))


def _equal_pairs(one: Distinct) -> Iterator[Pairs]:
    """Pairs of positions that hold the same code: each position with those behind it in its group."""
    ends = np.repeat(one.starts[1:], np.diff(one.starts))
    places = np.arange(len(one.order))
    counts = ends - places - 1
    some = np.flatnonzero(counts)
    yield from _spans(one.order[some], places[some] + 1, counts[some], np.zeros(len(some), np.uint16), one.order)


def _multiplied(
    one: Distinct, other: Distinct, left: NDArray[np.int64], right: NDArray[np.int64], distances: NDArray[np.uint16]
) -> Iterator[Pairs]:
    """Pairs of positions from pairs of distinct codes, a chunk at a time: their number is a product, without bound."""
    if len(one.order) == len(one.words) and len(other.order) == len(other.words):
        yield one.order[left], other.order[right], distances
        return
    members, partners = one.starts[left], other.starts[right]
    widths = other.starts[right + 1] - partners
    sizes = (one.starts[left + 1] - members) * widths
    ends = np.cumsum(sizes)
    begins = ends - sizes
    for numbers, pair in _numbered(ends):
        row, column = np.divmod(numbers - begins[pair], widths[pair])
        yield one.order[members[pair] + row], other.order[partners[pair] + column], distances[pair]


def _spans(
    left: NDArray[np.int64],
    starts: NDArray[np.int64],
    counts: NDArray[np.int64],
    distances: NDArray[np.uint16],
    order: NDArray[np.int64],
) -> Iterator[Pairs]:
    """Each of ``left`` with its ``counts`` partners ``order[starts:starts + counts]``, in chunks."""
    ends = np.cumsum(counts)
    for numbers, span in _numbered(ends):
        partner = starts[span] + numbers - (ends[span] - counts[span])
        yield left[span], order[partner], distances[span]


def _numbered(ends: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Numbers from 0 to the last of ``ends``, a chunk at a time, and the span that each lies in."""
    total = int(ends[-1]) if len(ends) else 0
    for first in range(0, total, CHUNK):
        numbers = np.arange(first, min(first + CHUNK, total))
        yield numbers, np.searchsorted(ends, numbers, side="right")


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
        yield from _by_tables(compiled, plan, words, others, radius, threads=means.threads)


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
        found = joining.pairs(radius, CHUNK)
    except ResourceExhausted as error:
        LOG.warning("joining on the processor: %s", error.message)
        return None
    return ((left.astype(np.int64), right, distances.astype(np.uint16)) for left, distances, right in found)


def _by_tables(
    compiled: Functions,
    plan: JoinPlan,
    words: NDArray[np.uint64],
    others: NDArray[np.uint64],
    radius: int,
    *,
    threads: int,
) -> Iterator[Pairs]:
    same = words is others
    for table in range(len(plan.cuts)):
        left = _side(words, plan, table)
        right = left if same else _side(others, plan, table)
        found = _TableJoin(compiled, plan, table, (left, right), radius=radius, same=same).pairs(threads)
        yield from (pairs for pairs in found if len(pairs[0]))


def _side(words: NDArray[np.uint64], plan: JoinPlan, table: int) -> Side:
    keys = substring_values(words, plan.cuts[table])
    order = np.argsort(keys, kind="stable")
    columns = np.zeros((words.shape[1], len(words) + LANES), np.uint64)
    for column in range(words.shape[1]):
        columns[column, : len(words)] = words[order, column]
    return Side(frozen(columns), frozen(order.astype(np.uint32)), frozen(keys[order]))


class _TableJoin:
    """The pairs that one table finds, a range of its left side at a time."""

    def __init__(
        self, compiled: Functions, plan: JoinPlan, table: int, sides: tuple[Side, Side], *, radius: int, same: bool
    ) -> None:
        left, right = sides
        self._run = compiled["join_range"]
        counts = np.bincount(right.keys, minlength=1 << int(plan.cuts[table, 1]))
        offsets = frozen(np.concatenate([[0], np.cumsum(counts)]).astype(np.uint32))
        cuts, radii, masks = frozen(plan.cuts), frozen(plan.radii), frozen(plan.masks(table))
        like = tuple(np.zeros(left.columns.shape[0], np.uint64))
        self._arguments = (*left, right.columns, right.numbers, offsets, cuts, radii, masks, table, same, like, radius)
        self._codes = len(left.numbers)

    def pairs(self, threads: int) -> Iterator[Pairs]:
        """The chunks of every range in turn, empty ones too; with several threads some ranges are made ahead."""
        if threads == 1:
            for state, stop in self._ranges():
                while state[0] < stop:
                    yield self._chunk(state, stop)
            return
        with ThreadPoolExecutor(threads) as pool:
            ranges = self._ranges()
            ahead = deque(self._begun(pool, *one) for one in islice(ranges, AHEAD * threads))
            while ahead:
                state, stop, future = ahead.popleft()
                found = future.result()
                if state[0] < stop:
                    ahead.appendleft(self._begun(pool, state, stop))
                else:
                    ahead.extend(self._begun(pool, *one) for one in islice(ranges, 1))
                yield found

    def _ranges(self) -> Iterator[tuple[NDArray[np.int64], int]]:
        """Where each range begins, as the state of its scan, and ends."""
        size = max(LEAST_RANGE, -(-self._codes // RANGES))
        for start in range(0, self._codes, size):
            yield np.array([start, 0, 0, 0, 0], np.int64), min(start + size, self._codes)

    def _begun(
        self, pool: ThreadPoolExecutor, state: NDArray[np.int64], stop: int
    ) -> tuple[NDArray[np.int64], int, Future[Pairs]]:
        return state, stop, pool.submit(self._chunk, state, stop)

    def _chunk(self, state: NDArray[np.int64], stop: int) -> Pairs:
        """The next pairs of a range; ``state`` moves on."""
        left, right, distances = np.empty(CHUNK, np.uint32), np.empty(CHUNK, np.uint32), np.empty(CHUNK, np.uint16)
        count = self._run(*self._arguments, stop, state, left, right, distances)
        return left[:count].astype(np.int64), right[:count].astype(np.int64), distances[:count].copy()


def _compared(words: NDArray[np.uint64], others: NDArray[np.uint64], radius: int, *, same: bool) -> Iterator[Pairs]:
    """The same without a kernel: every code with every other."""
    for number, query in enumerate(words):
        first = number + 1 if same else 0
        distances = distances_of(others[first:], query)
        right = np.flatnonzero(distances <= radius)
        for start in range(0, len(right), CHUNK):
            some = right[start : start + CHUNK]
            yield np.full(len(some), number), some + first, distances[some].astype(np.uint16)
