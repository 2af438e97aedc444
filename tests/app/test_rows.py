"""Rows kept in memory: none is older than its change, and no more than fit."""

from __future__ import annotations

from hashsvc.app.rows import RowCache
from hashsvc.domain.items import StoredItem


def test_rows_read_before_a_change_are_not_kept_after_it() -> None:
    def row(sequence: int) -> StoredItem:
        return StoredItem(1, "k", b"", b"", {}, sequence)

    sequence = 1

    def read(ids: list[int]) -> dict[int, StoredItem]:
        found = {number: row(sequence) for number in ids if number == 1}
        if sequence == 1:
            cache.evict([1])  # the item changes while its row is on its way
        return found

    cache = RowCache(read, 10)
    assert cache.get([1, 2]) == {1: row(1)}
    sequence = 2
    assert cache.get([1]) == {1: row(2)}
    sequence = 3
    assert cache.get([1]) == {1: row(2)}
    cache.evict([1])
    assert cache.get([1]) == {1: row(3)}


def test_the_cache_of_rows_stays_within_its_size() -> None:
    asked: list[int] = []

    def read(ids: list[int]) -> dict[int, StoredItem]:
        asked.extend(ids)
        return {number: StoredItem(number, str(number), b"", b"", {}, 1) for number in ids}

    cache = RowCache(read, 8)
    for number in range(20):
        assert cache.get([number])[number].key == str(number)
    cache.get([19])
    cache.get([0])
    assert asked == [*range(20), 0]
