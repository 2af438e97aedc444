"""What was deleted and purged is in no file of the store, nor in any table, whatever held it before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hashsvc.catalog import open_catalog
from tests.cli.conftest import Run
from tests.postgresql import Cluster, name_of

WORDS = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath", "inlet", "jetty", "karst", "ledge"]
TRACES = ("whispered", "confidential", "nobodys-key")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def store(
    request: pytest.FixtureRequest, hashsvc: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Where a new store goes; its files lie below ``s`` on either database."""
    if request.param == "sqlite":
        yield "s"
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    url = cluster.create()
    assert name_of(url)
    monkeypatch.setenv("HASHSVC_FOLDER", str(tmp_path / "s"))
    plain = url.replace("+psycopg", "", 1)
    assert hashsvc("migrate", "--store", plain).status == 0
    yield plain
    cluster.drop(url)


def write(name: str, keys: list[str], *, told: str = "") -> Path:
    """Texts of some words; those with a secret key tell ``told``."""
    rng = np.random.default_rng(len(name))
    rows = [
        {
            "key": key,
            "text": " ".join([*rng.choice(WORDS, 8), told if key in TRACES else ""]),
            "note": "confidential" if key in TRACES else "open",
        }
        for key in keys
    ]
    path = Path(name)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("count", [40, 3], ids=["in a pack", "files of their own"])
def test_delete_and_purge_leave_no_trace(hashsvc: Run, store: str, count: int) -> None:
    at = ("--store", store)
    train = write("train.jsonl", [f"t{n}" for n in range(120)])
    assert hashsvc("train", "toy", train, "--kind", "text", "--bits", 32, "--model", "itq", *at).status == 0
    keys = [f"d{n}" for n in range(count - 1)]
    source = write("texts.jsonl", [*keys, "nobodys-key"], told="whispered")
    ingest = ("ingest", "texts", source, "--encoder", "toy", "--field", "note:string", *at, "--json")
    assert hashsvc(*ingest).document["counts"]["stored"] == count
    assert hashsvc("search", "texts", "--key", "d1", *at).status == 0  # makes an index
    assert traces(Path("s")) != set()
    assert hashsvc("items", "delete", "texts", "nobodys-key", *at).status == 0
    assert hashsvc("purge", *at, "--json").document == {"blobs": 1}
    assert traces(Path("s")) == set()
    dump = Path("dump")
    catalog = open_catalog(f"sqlite:///{Path('s/catalog.sqlite3').resolve()}" if store == "s" else url_of(store))
    catalog.dump(dump)
    catalog.close()
    assert traces(dump) == set()
    assert hashsvc("verify", *at).status == 0
    assert hashsvc("items", "count", "texts", *at, "--json").document == {"count": count - 1}


def url_of(store: str) -> str:
    return store.replace("postgresql://", "postgresql+psycopg://", 1)


def traces(folder: Path) -> set[tuple[str, str]]:
    """Where a secret can still be read: the file and the word."""
    held = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {(str(path), word) for path, data in held.items() for word in TRACES if word.encode() in data}
