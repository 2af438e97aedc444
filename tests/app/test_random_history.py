"""A store after any history of writes, merges, snapshots and restarts answers as a dictionary does."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from hashsvc.app import Store, open_store
from hashsvc.catalog import migrate
from hashsvc.codes import hamming
from hashsvc.domain.filters import Comparison, Filter, Node, Operator, matches
from hashsvc.domain.items import Item, Outcome, item_id
from hashsvc.domain.kinds import ContentMode, FieldType
from hashsvc.domain.metadata import Value
from hashsvc.domain.queries import CodeQuery, KeyQuery
from hashsvc.settings import Settings
from tests.long import rounds
from tests.postgresql import Cluster, name_of

OPERATIONS = rounds(400, 5_000)
RESTART = 0.001 if rounds(0, 1) else 0.01
KEYS = 300
WIDTH = 4
NAME = "things"
Held = tuple[bytes, dict[str, Value]]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Settings]]:
    if request.param == "sqlite":
        yield str(tmp_path / "store"), Settings()
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    url = cluster.create()
    migrate(url)
    yield url.replace("+psycopg", "", 1), Settings(folder=str(tmp_path / name_of(url)))
    cluster.drop(url)


@dataclass
class History:
    """A store and the dictionary it has to agree with."""

    place: tuple[str, Settings]
    chance: random.Random
    model: dict[str, Held] = field(default_factory=dict)
    watermark: int = 0
    restarts: int = 0

    def __post_init__(self) -> None:
        self.store = self.opened()
        fields = {"n": FieldType.INTEGER, "tags": FieldType.STRINGS}
        self.store.create_collection(NAME, bits=8 * WIDTH, content=ContentMode.NONE, fields=fields)

    def opened(self) -> Store:
        return open_store(self.place[0], settings=self.place[1])

    def key(self) -> str:
        return f"key {self.chance.randrange(KEYS)}"

    def item(self) -> Item:
        code = self.chance.choice((b"\x00" * WIDTH, b"\xff\x00" * (WIDTH // 2), self.chance.randbytes(WIDTH)))
        tags = tuple(self.chance.choices("abc", k=self.chance.randrange(3)))
        return Item(self.key(), code=code, metadata={"n": self.chance.randrange(10), "tags": tags, "free": 0.5})

    def where(self) -> Node:
        low = Comparison("n", Operator.GE, (self.chance.randrange(10),))
        tag = Comparison("tags", Operator.EQ, (self.chance.choice("abc"),))
        return self.chance.choice((low, tag, Filter(must=(low,), must_not=(tag,)), Filter(should=(low, tag))))

    def upsert(self) -> None:
        items = {item.key: item for item in (self.item() for _ in range(self.chance.choice((1, 1, 3, 40))))}
        wanted = []
        for item in items.values():
            assert item.code is not None
            new = (item.code, dict(item.metadata))
            wanted.append(Outcome.UNCHANGED if self.model.get(item.key) == new else Outcome.STORED)
            self.model[item.key] = new
        self.settle(self.store.upsert(NAME, list(items.values())).outcomes, tuple(wanted))

    def delete(self) -> None:
        keys = list(dict.fromkeys(self.key() for _ in range(self.chance.choice((1, 2, 20)))))
        wanted = tuple(Outcome.ABSENT if self.model.pop(key, None) is None else Outcome.DELETED for key in keys)
        self.settle(self.store.delete_items(NAME, keys=keys).outcomes, wanted)

    def delete_where(self) -> None:
        node = Filter(must=(self.where(), Comparison("n", Operator.EQ, (self.chance.randrange(10),))))
        gone = [key for key, (_, metadata) in self.model.items() if matches(node, metadata)]
        for key in gone:
            del self.model[key]
        written = self.store.delete_items(NAME, filter=node)
        self.settle(written.outcomes, (Outcome.DELETED,) * len(gone))

    def settle(self, outcomes: tuple[Outcome, ...], wanted: tuple[Outcome, ...]) -> None:
        assert outcomes == wanted
        self.watermark += sum(outcome in {Outcome.STORED, Outcome.DELETED} for outcome in outcomes)

    def search(self) -> None:
        node = self.chance.choice((None, self.where()))
        passing = [key for key, (_, metadata) in self.model.items() if node is None or matches(node, metadata)]
        k = self.chance.choice((1, 5, 50))
        if self.model and self.chance.random() < 0.3:
            own = self.chance.choice(sorted(self.model))
            query: CodeQuery | KeyQuery = KeyQuery(own)
            code = self.model[own][0]
            passing = [key for key in passing if key != own]
        else:
            code = self.chance.randbytes(WIDTH)
            query = CodeQuery(code)
        ranked = sorted((self.distance(code, key), item_id(key), key) for key in passing)
        [answer] = self.store.search(NAME, [query], k=k, filter=node)
        assert [(match.distance, match.id, match.key) for match in answer.matches] == ranked[:k]
        assert all(dict(match.metadata) == self.model[match.key][1] for match in answer.matches)
        assert answer.watermark == self.watermark
        radius = self.chance.randrange(8 * WIDTH)
        answer = self.store.within(NAME, query, radius=radius, filter=node)
        assert list(answer.keys) == [key for distance, _, key in ranked if distance <= radius]

    def distance(self, code: bytes, key: str) -> int:
        return int(hamming(np.frombuffer(code, np.uint8), np.frombuffer(self.model[key][0], np.uint8)))

    def restart(self) -> None:
        self.restarts += 1
        if self.chance.random() < 0.5:
            self.store.publish()
        if self.chance.random() < 0.5:
            self.store.close()
        else:
            self.store.catalog.close()  # what a process that dies leaves: no last snapshot
        self.store = self.opened()

    def step(self) -> None:
        if self.chance.random() < RESTART:
            self.restart()
        actions = (self.upsert, self.delete, self.delete_where, self.search, self.store.upkeep, self.store.publish)
        self.chance.choices(actions, (40, 12, 3, 40, 2, 1))[0]()

    def compare(self) -> None:
        assert self.store.count_items(NAME) == len(self.model)
        held = {
            item.key: (item.code, dict(item.metadata)) for item in self.store.list_items(NAME, page_size=1_000).items
        }
        assert held == self.model
        assert self.store.collection(NAME).watermark == self.watermark


@pytest.mark.timeout(600)
def test_any_history_equals_a_dictionary(place: tuple[str, Settings]) -> None:
    history = History(place, random.Random(7))
    for _ in range(OPERATIONS):
        history.step()
    history.restart()
    history.search()
    history.compare()
    history.store.close()
    print(f"{OPERATIONS} operations, {history.restarts} restarts, {len(history.model)} items")
