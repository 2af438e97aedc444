"""Collections of the index kind device, on machines with and without the device that the settings name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hashsvc.app import Store, open_store
from hashsvc.domain.items import Item
from hashsvc.domain.kinds import IndexKind
from hashsvc.domain.queries import CodeQuery
from hashsvc.errors import InvalidArgument
from hashsvc.index.device import comparing
from hashsvc.settings import Settings

ABSENT = replace(Settings(), device="cuda:99")


def items_of(codes: np.ndarray) -> list[Item]:
    return [Item(f"k{n}", code=code.tobytes()) for n, code in enumerate(codes)]


def nearest(store: Store, codes: np.ndarray) -> list[tuple[str, ...]]:
    answers = store.search("some", [CodeQuery(code.tobytes()) for code in codes[:3]], k=4)
    return [tuple(answer.keys) for answer in answers]


def test_a_kind_that_cannot_be_searched_here_is_refused_before_anything_is_kept(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "store"), settings=ABSENT) as store:
        with pytest.raises(InvalidArgument, match="no device 'cuda:99' here"):
            store.create_collection("some", bits=64, index=IndexKind.DEVICE)
        assert store.collections() == []
        store.create_collection("some", bits=64)
        with pytest.raises(InvalidArgument, match="no device 'cuda:99' here"):
            store.update_collection("some", index=IndexKind.DEVICE)
        assert store.collection("some").index is IndexKind.AUTO
        assert store.update_collection("some", index=IndexKind.SCAN).index is IndexKind.SCAN


def test_a_device_that_is_gone_costs_no_write_and_no_answer(
    tmp_path: Path, codes: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    place = str(tmp_path / "store")
    with open_store(place) as store:
        store.create_collection("some", bits=64, index=IndexKind.DEVICE)
        store.upsert("some", items_of(codes[:100]))
    with open_store(place, settings=ABSENT) as store:
        assert store.upsert("some", items_of(codes)[100:]).watermark == 200
        found = nearest(store, codes)
        assert store.collection("some").index is IndexKind.DEVICE
    assert any("'some' is searched on the processor: no device 'cuda:99' here" in line for line in caplog.messages)
    with open_store(place) as store:
        assert nearest(store, codes) == found


def test_a_device_is_measured_when_a_collection_is_made_not_when_it_is_searched(
    tmp_path: Path, codes: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing._Known, "comparing", {})
    with open_store(str(tmp_path / "store")) as store:
        store.create_collection("some", bits=64, index=IndexKind.DEVICE)
        assert list(comparing._Known.comparing) == [("cpu", 1)]
        store.create_collection("other", bits=128)
        store.update_collection("other", index=IndexKind.DEVICE)
        assert list(comparing._Known.comparing) == [("cpu", 1), ("cpu", 2)]
