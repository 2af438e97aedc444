"""Calls answered together: the same answers, each call's own errors, and no waiting for a call that is alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from hashsvc.errors import DeadlineExceeded, InvalidArgument
from hashsvc.server import gathering
from hashsvc.server.gathering import Gathering
from hashsvc.server.lanes import Pool, Size
from hashsvc.server.methods import Lane


def nobody_left() -> None:
    raise DeadlineExceeded("too late")


def waits() -> None:
    """Somebody still waits."""


def squares(numbers: Sequence[int]) -> list[int]:
    if any(number < 0 for number in numbers):
        raise InvalidArgument("negative", field="numbers")
    return [number * number for number in numbers]


class Alone:
    """Nobody is on the way."""

    coming = 0

    def arrived(self) -> None:
        """Here."""


class Gate:
    """Work that holds its first batch until it is told to go on."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        self.entered.set()
        self.open.wait(10)
        return squares(numbers)


def gathered_behind(
    together: Gathering, gate: Gate, calls: Sequence[tuple[str, list[int], Callable[[], None]]]
) -> list[object]:
    """One call holds the only place while ``calls`` arrive; what each of them got."""
    with ThreadPoolExecutor(len(calls) + 1) as pool:
        first = pool.submit(together.answer, "a", [1], gate, waits)
        assert gate.entered.wait(10)
        rest = [pool.submit(together.answer, key, numbers, gate, alive) for key, numbers, alive in calls]
        while len(together._waiting) < len(calls):
            threading.Event().wait(0.001)
        gate.open.set()
        assert first.result(10) == [1]
        return [one.exception(10) or one.result(10) for one in rest]


def test_a_lone_call_is_a_batch_of_its_own() -> None:
    sizes: list[int] = []
    together = Gathering(1, 8, Alone(), sizes.append)
    assert together.answer("a", [3, 4], squares, waits) == [9, 16]
    assert sizes == [2]
    with pytest.raises(InvalidArgument):
        together.answer("a", [-1], squares, waits)
    assert together.answer("a", [5], squares, waits) == [25]


def test_calls_that_wait_are_answered_in_one_batch_of_their_kind() -> None:
    gate = Gate()
    together = Gathering(1, 8, Alone(), lambda _: None)
    calls = [("a", [2], waits), ("b", [3], waits), ("a", [4, 5], waits), ("a", [6, 7, 8, 9, 10, 11], waits)]
    assert gathered_behind(together, gate, calls) == [[4], [9], [16, 25], [36, 49, 64, 81, 100, 121]]
    assert gate.batches == [[1], [2, 4, 5], [3], [6, 7, 8, 9, 10, 11]]


def test_a_wrong_call_costs_only_itself() -> None:
    gate = Gate()
    together = Gathering(1, 8, Alone(), lambda _: None)
    first, second, third = gathered_behind(together, gate, [("a", [2], waits), ("a", [-3], waits), ("a", [4], waits)])
    assert (first, third) == ([4], [16])
    assert isinstance(second, InvalidArgument)


def test_what_nobody_waits_for_is_not_worked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "STALE", -1.0)
    gate = Gate()
    together = Gathering(1, 8, Alone(), lambda _: None)
    kept, dropped = gathered_behind(together, gate, [("a", [2], waits), ("a", [3], nobody_left)])
    assert kept == [4]
    assert isinstance(dropped, DeadlineExceeded)
    assert gate.batches == [[1], [2]]


def test_many_threads_get_their_own_answers() -> None:
    together = Gathering(2, 16, Alone(), lambda _: None)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: together.answer(n % 3, [n, n + 1], squares, waits), range(2_000)))
    assert answers == [[n * n, (n + 1) ** 2] for n in range(2_000)]
    assert not together._waiting
    assert together._free == 2


def test_a_batch_waits_for_calls_that_are_on_their_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "PATIENCE", 10.0)
    sizes: list[int] = []
    pool = Pool(Lane.SEARCH, Size(4, 0))
    together = Gathering(1, 8, pool, sizes.append)
    reading = threading.Barrier(4)

    def call(number: int) -> list[int]:
        reading.wait(10)
        return together.answer("a", [number], squares, waits)

    with pool:
        assert [one.result(10) for one in [pool.submit(call, n) for n in range(4)]] == [[0], [1], [4], [9]]
    assert sizes == [4]
    assert pool.coming == 0
