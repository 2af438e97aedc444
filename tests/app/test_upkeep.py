"""Upkeep follows the log, and one collection in trouble does not hold up the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from hashsvc.app import open_store
from hashsvc.app.following import Follower
from hashsvc.domain.items import Item
from hashsvc.domain.queries import CodeQuery
from hashsvc.errors import NotFound, ResourceExhausted


def test_a_store_that_leaves_the_log_to_upkeep_sees_its_own_writes_at_once(tmp_path: Path) -> None:
    query = CodeQuery(b"8 bytes!")
    with open_store(str(tmp_path), eager=False) as owner:
        owner.create_collection("raw", bits=64)
        owner.warm()
        owner.upsert("raw", [Item("mine", code=query.code)])
        assert owner.search("raw", [query])[0].keys == ("mine",)
        with open_store(str(tmp_path), role="worker") as worker:
            worker.upsert("raw", [Item("theirs", code=query.code), Item("mine", code=query.code, metadata={"n": 1})])
        owner.upkeep()
        [answer] = owner.search("raw", [query])
        assert {match.key: dict(match.metadata) for match in answer.matches} == {"mine": {"n": 1}, "theirs": {}}
        owner.delete_collection("raw")
        with pytest.raises(NotFound):
            owner.search("raw", [query])


def test_one_collection_in_trouble_does_not_hold_up_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(str(tmp_path), eager=False) as owner:
        for name in ("a", "b"):
            owner.create_collection(name, bits=64)
        owner.warm()
        with open_store(str(tmp_path), role="worker") as worker:
            worker.upsert("b", [Item("theirs", code=b"8 bytes!")])
        merge = Follower.merge

        def full(self: Follower) -> None:
            if self is owner._live.follower(owner.collection("a")):
                raise ResourceExhausted("no space")
            merge(self)

        monkeypatch.setattr(Follower, "merge", full)
        with pytest.raises(ResourceExhausted):
            owner.upkeep()
        assert owner.search("b", [CodeQuery(b"8 bytes!")])[0].keys == ("theirs",)
