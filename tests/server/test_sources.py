"""What a job of the service may read: files below the configured roots, for whoever opens them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hashsvc.app import open_store
from hashsvc.client import Client
from hashsvc.domain.jobs import JobKind
from hashsvc.errors import PermissionDenied
from hashsvc.server import serve
from hashsvc.settings import Settings

ROW = '{"key": "a", "text": "amber"}\n'


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The only folder that jobs may read; beside it lies another, to which a link in it leads."""
    around = tmp_path_factory.mktemp("around")
    for name in ("root", "home", "outside"):
        (around / name).mkdir()
        (around / name / "rows.jsonl").write_text(ROW)
    (around / "root" / "link").symlink_to(around / "outside")
    return around / "root"


@pytest.fixture(scope="module")
def asked(root: Path) -> Iterator[Client]:
    settings = Settings(roots=(str(root),))
    with (
        open_store(str(root.parent / "store"), settings=settings) as store,
        serve(store, "127.0.0.1:0") as server,
        Client(server.address) as client,
    ):
        yield client


@pytest.fixture
def client(asked: Client, root: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A client of a server whose working folder is the root, and whose ``~`` is not."""
    monkeypatch.chdir(root)
    monkeypatch.setenv("HOME", str(root.parent / "home"))
    return asked


def train(client: Client, source: str) -> int:
    spec = {"name": "toy", "kind": "text", "sources": [source]}
    return client.create_job(JobKind.TRAIN, spec).id


@pytest.mark.parametrize("protocol", ["", "file:", "file://", "local:", "local://"])
def test_files_below_a_root_are_read_however_they_are_named(client: Client, root: Path, protocol: str) -> None:
    assert train(client, f"{protocol}{root / 'rows.jsonl'}") > 0


@pytest.mark.parametrize(
    "source",
    [
        "file:OUTSIDE/rows.jsonl",
        "local:OUTSIDE/rows.jsonl",
        "local://OUTSIDE/rows.jsonl",
        "file:~/rows.jsonl",
        "~/rows.jsonl",
        "rows.jsonl",
        "file:rows.jsonl",
        "ROOT/../outside/rows.jsonl",
        "ROOT/*/../../outside/rows.jsonl",
        "ROOT/x.zip::file://OUTSIDE/rows.jsonl",
        "ROOT/rows.jsonl::OUTSIDE/rows.jsonl",
        "file://file:OUTSIDE/rows.jsonl",
        "ROOT/link/rows.jsonl",
        "memory://rows.jsonl",
        "ROOT/a\0b",
        "",
    ],
)
def test_no_name_of_a_file_leads_out_of_the_roots(client: Client, root: Path, source: str) -> None:
    named = source.replace("ROOT", str(root)).replace("OUTSIDE", str(root.parent / "outside"))
    before = client.jobs()
    with pytest.raises(PermissionDenied, match="outside the configured roots") as caught:
        train(client, named)
    assert caught.value.field == "sources[0]"
    assert client.jobs() == before
