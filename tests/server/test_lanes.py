"""Lanes: how much a pool takes in before it refuses."""

import threading
from collections.abc import Iterator

import pytest

from hashsvc.server.lanes import LONGEST_WAIT, SHORTEST_WAIT, Pool, Size
from hashsvc.server.methods import Lane


@pytest.fixture
def pool() -> Iterator[Pool]:
    with Pool(Lane.SEARCH, Size(threads=2, waiting=3)) as made:
        yield made


def test_it_holds_what_runs_and_what_waits(pool: Pool) -> None:
    gate = threading.Event()
    calls = []
    while not pool.full:
        calls.append(pool.submit(gate.wait, 10))
    assert pool.held == len(calls) == 5
    gate.set()
    assert all(call.result() for call in calls)
    assert (pool.held, pool.full) == (0, False)


def test_slow_calls_shorten_the_queue_and_lengthen_the_delay(pool: Pool) -> None:
    assert pool.wait == SHORTEST_WAIT
    for _ in range(20):
        pool.submit(threading.Event().wait, 0.01).result()
    gate = threading.Event()
    pool._seconds = 2 * LONGEST_WAIT
    calls = [pool.submit(gate.wait, 10) for _ in range(2)]
    assert pool.full
    assert pool.wait > LONGEST_WAIT / 2
    gate.set()
    assert all(call.result() for call in calls)
    assert not pool.full


def test_an_error_of_a_call_frees_its_place(pool: Pool) -> None:
    assert isinstance(pool.submit(int, "x").exception(), ValueError)
    assert pool.held == 0


def test_a_closed_pool_holds_nothing(pool: Pool) -> None:
    pool.shutdown()
    with pytest.raises(RuntimeError):
        pool.submit(int)
    assert pool.held == 0
