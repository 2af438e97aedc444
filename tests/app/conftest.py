from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hashsvc.app import Store, open_store
from hashsvc.domain.items import Item
from hashsvc.domain.kinds import FieldType, Kind
from hashsvc.settings import Limits, Settings

WORDS = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath", "inlet", "jetty", "karst", "ledge"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "store")) as opened:
        yield opened


@pytest.fixture
def codes() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (200, 8), np.uint8)


@pytest.fixture
def raw(store: Store, codes: np.ndarray) -> Store:
    """A store with collection "raw": 200 ready codes of 64 bits, keys k0.., metadata n."""
    store.create_collection("raw", bits=64, fields={"n": FieldType.INTEGER})
    store.upsert("raw", [Item(f"k{n}", code=code.tobytes(), metadata={"n": n}) for n, code in enumerate(codes)])
    return store


@pytest.fixture(scope="session")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 short texts as .jsonl, keys d0.."""
    rng = np.random.default_rng(3)
    lines = [{"key": f"d{n}", "text": " ".join(rng.choice(WORDS, 8)), "size": n} for n in range(200)]
    path = tmp_path_factory.mktemp("documents") / "documents.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, documents: Path) -> Path:
    """A store folder with encoder toy@1 of 32 bits."""
    folder = tmp_path_factory.mktemp("trained") / "store"
    with open_store(str(folder)) as store:
        store.train("toy", [str(documents)], kind=Kind.TEXT, bits=32, model="itq")
    return folder


@pytest.fixture
def texts(trained: Path, documents: Path, tmp_path: Path) -> Iterator[Store]:
    """A store of its own with collection "texts" under encoder toy@1, empty at first."""
    settings = Settings(roots=(str(documents.parent),), limits=Limits(max_k=50, max_queries=8, max_items=300))
    folder = tmp_path / "texts" / "store"
    shutil.copytree(trained, folder)
    with open_store(str(folder), settings=settings) as store:
        store.create_collection("texts", encoder="toy")
        yield store
