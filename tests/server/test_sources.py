"""What a job of the service may ask for, and read: files below the roots, for whoever opens them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hashsvc.app import open_store
from hashsvc.client import Client
from hashsvc.domain.jobs import JobKind
from hashsvc.errors import InvalidArgument, PermissionDenied
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


def train(client: Client, source: str, **further: object) -> int:
    spec = {"name": "toy", "kind": "text", "sources": [source], **further}
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


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"model": "bogus"}, "model"),
        ({"model": "vae\0"}, "model"),
        ({"model": "pq"}, "model"),
        ({"kind": "code"}, "kind"),
        ({"columns": {"content": "a\0"}}, "columns.content"),
        ({"columns": {"metadata": ["fine", "a\0"]}}, "columns.metadata[1]"),
        ({"sources": ["/a\0b"]}, "sources[0]"),
    ],
)
def test_a_training_that_cannot_be_is_refused_when_it_is_asked_for(
    client: Client, root: Path, wrong: dict[str, object], field: str
) -> None:
    before = client.jobs()
    with pytest.raises(InvalidArgument) as caught:
        train(client, f"{root / 'rows.jsonl'}", **wrong)
    assert caught.value.field == field
    assert client.jobs() == before


def test_a_training_is_checked_without_torch() -> None:
    program = """if True:
        import sys
        from hashsvc.app.work import TrainSpec
        TrainSpec.of({"name": "toy", "kind": "image", "sources": ["/a"], "model": "deep_vae"})
        sys.exit("torch" in sys.modules)
    """
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
