from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import event

from hashsvc.catalog import Catalog
from hashsvc.catalog.database import POSTGRESQL
from hashsvc.domain.collections import Collection
from hashsvc.domain.items import Row
from hashsvc.errors import HashsvcError, InvalidArgument, NotFound
from tests.catalog.samples import collection, everything, row


def test_writes_that_arrive_during_a_commit_share_the_next(catalog: Catalog, held: Collection) -> None:
    """The first commit is held up until every other write waits in line."""
    commits: list[int] = []
    crowd = 24
    started, go = threading.Event(), threading.Event()

    @event.listens_for(catalog.database.engine, "commit")
    def held_up(_connection: object) -> None:
        commits.append(len(commits))
        if len(commits) == 1:
            started.set()
            go.wait(30)

    with ThreadPoolExecutor(crowd + 1) as pool:
        first = pool.submit(catalog.items.write, held, [row("first")])
        started.wait(30)
        others = [pool.submit(catalog.items.write, held, [row(f"k{i}")]) for i in range(crowd)]
        lane = next(iter(catalog.items._writers._lanes.values()))
        while len(lane.waiting) < crowd:
            pass
        go.set()
        done = [first.result(), *(other.result() for other in others)]
    assert len(commits) == 2
    assert sorted(commit.watermark for commit in done) == list(range(1, crowd + 2))
    assert all(commit.watermark - commit.before == 1 for commit in done)
    assert len(everything(catalog, held)[0]) == crowd + 1


def test_a_wrong_write_fails_alone(catalog: Catalog, held: Collection) -> None:
    gone = catalog.collections.create(collection("gone"))
    catalog.collections.delete("gone")
    catalog.items.write(held, [row("a")], request_id="taken")
    unstorable: Any = "nul\x00" if catalog.database.dialect == POSTGRESQL else object()
    poison = Row("p", b"\x00" * 32, b"\x00" * 8, {}, reference=unstorable)

    def attempt(number: int) -> type[BaseException] | None:
        try:
            match number % 4:
                case 0:
                    catalog.items.write(gone, [row(f"k{number}")])
                case 1:
                    catalog.items.write(held, [row(f"k{number}")], request_id="taken")
                case 2:
                    catalog.items.write(held, [row(f"k{number}"), poison])
                case _:
                    catalog.items.write(held, [row(f"k{number}")])
        except HashsvcError as error:
            return type(error)
        return None

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(attempt, range(64)))
    assert outcomes[0::4] == [NotFound] * 16
    assert outcomes[1::4] == [InvalidArgument] * 16
    assert None not in outcomes[2::4]
    assert outcomes[3::4] == [None] * 16
    assert set(catalog.items.keys(held)) == {"a", *(f"k{number}" for number in range(3, 64, 4))}


def test_many_threads_write_each_row_once(catalog: Catalog, held: Collection) -> None:
    beside = catalog.collections.create(collection("beside"))

    def write(number: int) -> None:
        target = held if number % 2 else beside
        for attempt in range(2):
            again = catalog.items.write(target, [row(f"k{number}")], request_id=f"r{number}")
            assert again.replayed == bool(attempt)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(100)))
    assert catalog.items.count(held) == catalog.items.count(beside) == 50
    assert catalog.collections.get("things").watermark == 50


@pytest.mark.parametrize("size", [1, 300])
def test_an_interrupted_leader_leaves_the_lane_usable(
    catalog: Catalog, held: Collection, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    def interrupt(*_arguments: object) -> None:
        raise KeyboardInterrupt

    rows = [row(f"k{i}") for i in range(size)]
    with monkeypatch.context() as patch:
        patch.setattr("hashsvc.catalog.grouping.perform", interrupt)
        with pytest.raises(KeyboardInterrupt):
            catalog.items.write(held, rows)
    assert catalog.items.count(held) == 0
    assert catalog.items.write(held, rows).watermark == size


def test_a_write_that_cannot_even_be_sent_fails_alone(catalog: Catalog, held: Collection) -> None:
    """Its neighbours in the group are stored, whatever kind of error it raises."""
    broken = Row("broken", b"\x00" * 32, b"\x00" * 8, {"\ud800": 1})

    def attempt(number: int) -> bool:
        try:
            catalog.items.write(held, [broken if number % 4 == 0 else row(f"k{number}")])
        except (HashsvcError, UnicodeError):
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        stored = list(pool.map(attempt, range(64)))
    assert [number for number in range(64) if stored[number] == (number % 4 == 0)] == []
    assert len(everything(catalog, held)[0]) == 48


def test_a_waiter_that_is_interrupted_does_not_hold_up_the_others(catalog: Catalog, held: Collection) -> None:
    from hashsvc.catalog.grouping import _Ticket

    writers = catalog.items._writers
    catalog.items.write(held, [row("first")])
    lane = next(iter(writers._lanes.values()))
    interrupted, after = (_Ticket(None), _Ticket(None))  # type: ignore[arg-type]
    with lane.lock:
        lane.waiting.extend([interrupted, after])
        lane.led = True
        interrupted.turn.set()
    writers._leave(lane, interrupted)
    assert after.turn.is_set()
    writers._leave(lane, after)
    assert not lane.led
    assert catalog.items.write(held, [row("next")]).watermark == 2
