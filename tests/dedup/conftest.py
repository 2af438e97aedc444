from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hashsvc.app import Store, open_store
from hashsvc.dedup.edits import EDITS, Strength
from hashsvc.domain.items import Item
from hashsvc.domain.kinds import Kind
from tests.dedup.material import plain_texts


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store folder with encoder toy@1 of 64 bits, trained on the texts of :func:`plain_texts`."""
    folder = tmp_path_factory.mktemp("dedup")
    (folder / "texts").mkdir()
    for number, text in enumerate(plain_texts(400)):
        (folder / "texts" / f"{number}.txt").write_text(text)
    with open_store(str(folder / "store")) as store:
        store.train("toy", [str(folder / "texts")], kind=Kind.TEXT, bits=64, model="itq")
    return folder / "store"


@pytest.fixture
def texts(trained: Path) -> Iterator[Store]:
    """A store whose collection "texts" holds 300 texts, light edits of 100 of them, and equal ones."""
    with open_store(str(trained)) as store:
        store.create_collection("texts", encoder="toy")
        store.upsert("texts", planted())
        yield store
        store.delete_collection("texts")


def planted() -> list[Item]:
    rng = np.random.default_rng(3)
    plain = plain_texts(300)
    items = [Item(f"a/{n}", text.encode(), metadata={"size": n % 7}) for n, text in enumerate(plain)]
    edits = list(EDITS[Kind.TEXT].values())
    items += [
        Item(f"b/{n}", edits[n % 4](plain[n].encode(), rng, Strength.LIGHT), metadata={"size": n % 5})
        for n in range(100)
    ]
    items += [Item(f"c/{n}", plain[n].encode()) for n in range(200, 220)]
    items += [Item(f"d/{n}", (plain[n].upper() + "!!").encode()) for n in range(210, 230)]
    random.Random(1).shuffle(items)
    return items
