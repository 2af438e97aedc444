"""The line of steps: order, bounded queues, errors, an early end."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from hashsvc.ingest.line import Line


def test_results_come_in_order_through_every_step() -> None:
    line = Line({"double": lambda x: 2 * x, "add": lambda x: x + 1}, depth=2)
    assert list(line.run(range(100))) == [2 * x + 1 for x in range(100)]
    assert set(line.clocks) == {"source", "double", "add"}


def test_what_is_in_flight_is_bounded() -> None:
    drawn = 0
    gate = threading.Event()

    def numbers() -> Iterator[int]:
        nonlocal drawn
        for number in range(100):
            drawn += 1
            yield number

    def wait(number: int) -> int:
        gate.wait(5)
        return number

    line = Line({"wait": wait}, depth=2)
    results = line.run(numbers())
    timer = threading.Timer(0.3, gate.set)
    timer.start()
    assert next(results) == 0
    timer.join()
    results.close()  # type: ignore[attr-defined]
    assert drawn <= 12


@pytest.mark.parametrize("where", ["source", "first", "second"])
def test_an_error_anywhere_is_raised_after_what_was_done_before_it(where: str) -> None:
    def fail(name: str, number: int) -> int:
        if name == where and number == 5:
            raise ValueError(where)
        return number

    line = Line({"first": lambda n: fail("first", n), "second": lambda n: fail("second", n)})
    done: list[int] = []
    with pytest.raises(ValueError, match=where):
        done.extend(line.run(fail("source", n) for n in range(10)))
    assert done == list(range(5))


def test_closing_it_ends_every_thread() -> None:
    before = threading.active_count()
    results = Line({"same": lambda n: n}).run(iter(int, 1))
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
