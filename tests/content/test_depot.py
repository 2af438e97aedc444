from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from hashsvc.content import Depot, discard
from hashsvc.errors import Corrupt, InvalidArgument, NotFound, Unavailable


@pytest.fixture(params=["memory", "local"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "local":
        yield str(tmp_path / "shared" / "things")
        return
    yield f"memory://{tmp_path.name}/things"
    filesystem: Any = fsspec.filesystem("memory")
    filesystem.rm(f"/{tmp_path.name}", recursive=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    (made / "deep").mkdir(parents=True)
    (made / "first").write_bytes(b"one")
    (made / "deep" / "second").write_bytes(b"two")
    (made / "deep" / "same").write_bytes(b"one")
    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_a_folder_arrives_as_it_was_sent(url: str, folder: Path, tmp_path: Path) -> None:
    depot = Depot(url)
    assert depot.names() == []
    depot.send("a", folder)
    depot.send("a", folder)
    assert Depot(url).names() == ["a"]
    Depot(url).fetch("a", tmp_path / "there" / "a")
    assert contents(tmp_path / "there" / "a") == contents(folder)
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["a"]


def test_what_is_in_place_stays(url: str, folder: Path, tmp_path: Path) -> None:
    Depot(url).send("a", folder)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine").write_bytes(b"mine")
    Depot(url).fetch("a", tmp_path / "there")
    assert contents(tmp_path / "there") == {"mine": b"mine"}


def test_folders_share_files_and_only_what_nobody_holds_goes(url: str, folder: Path, tmp_path: Path) -> None:
    depot = Depot(url)
    depot.send("a", folder)
    (folder / "first").write_bytes(b"three")
    depot.send("b", folder)
    filesystem, root = fsspec.core.url_to_fs(url)
    assert len(filesystem.find(f"{root}/files")) == 3
    depot.keep(["b"])
    assert depot.names() == ["b"]
    depot.fetch("b", tmp_path / "b")
    assert contents(tmp_path / "b") == contents(folder)
    depot.keep([])
    assert filesystem.find(f"{root}/files") == []


@pytest.mark.parametrize("damage", ["changed", "lost"])
def test_a_damaged_file_is_noticed_and_leaves_nothing(url: str, folder: Path, tmp_path: Path, damage: str) -> None:
    depot = Depot(url)
    depot.send("a", folder)
    filesystem, root = fsspec.core.url_to_fs(url)
    victim = sorted(filesystem.find(f"{root}/files"))[0]
    filesystem.pipe_file(victim, b"else") if damage == "changed" else filesystem.rm_file(victim)
    with pytest.raises(Corrupt, match="send its folder again"):
        depot.fetch("a", tmp_path / "there" / "a")
    assert list((tmp_path / "there").iterdir()) == []
    depot.keep([])
    depot.send("a", folder)
    depot.fetch("a", tmp_path / "there" / "a")
    assert contents(tmp_path / "there" / "a") == contents(folder)


@pytest.mark.parametrize("name", ["../outside", "/outside", ""])
def test_a_list_leads_nowhere_else(url: str, folder: Path, tmp_path: Path, name: str) -> None:
    depot = Depot(url)
    depot.send("a", folder)
    filesystem, root = fsspec.core.url_to_fs(url)
    listed = json.loads(filesystem.cat_file(f"{root}/folders/a.json"))
    filesystem.pipe_file(f"{root}/folders/a.json", json.dumps({name: listed["first"]}).encode())
    with pytest.raises(Corrupt, match="outside"):
        depot.fetch("a", tmp_path / "there" / "a")
    assert not (tmp_path / "there" / "outside").exists()


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"first": ["../../x", 3]}'])
def test_a_damaged_list_is_noticed(url: str, folder: Path, tmp_path: Path, text: bytes) -> None:
    depot = Depot(url)
    depot.send("a", folder)
    filesystem, root = fsspec.core.url_to_fs(url)
    filesystem.pipe_file(f"{root}/folders/a.json", text)
    with pytest.raises(Corrupt, match="damaged"):
        depot.fetch("a", tmp_path / "a")


def test_what_is_not_there_and_what_is_no_name(url: str, folder: Path, tmp_path: Path) -> None:
    depot = Depot(url)
    depot.send("a", folder)
    with pytest.raises(NotFound, match="no folder b"):
        depot.fetch("b", tmp_path / "b")
    with pytest.raises(InvalidArgument, match="no name"):
        depot.send("../b", folder)


def test_other_depots_go(url: str, folder: Path) -> None:
    above = url.rpartition("/")[0]
    discard(above, [])
    Depot(f"{above}/things").send("a", folder)
    Depot(f"{above}/others").send("a", folder)
    discard(above, ["things"])
    assert (Depot(f"{above}/things").names(), Depot(f"{above}/others").names()) == (["a"], [])


def test_a_file_system_that_does_not_answer(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable, match="does not answer"):
        Depot(str(tmp_path / "file")).send("a", folder)


@pytest.mark.parametrize("damage", ["changed", "lost"])
def test_sending_again_mends(url: str, folder: Path, tmp_path: Path, damage: str) -> None:
    depot = Depot(url)
    depot.send("a", folder)
    filesystem, root = fsspec.core.url_to_fs(url)
    for victim in filesystem.find(f"{root}/files"):
        filesystem.pipe_file(victim, b"xxx") if damage == "changed" else filesystem.rm_file(victim)
    depot.send("a", folder)
    depot.fetch("a", tmp_path / "there" / "a")
    assert contents(tmp_path / "there" / "a") == contents(folder)


def test_sending_again_mends_a_list(url: str, folder: Path, tmp_path: Path) -> None:
    depot = Depot(url)
    depot.send("a", folder)
    filesystem, root = fsspec.core.url_to_fs(url)
    filesystem.pipe_file(f"{root}/folders/a.json", b"{")
    depot.send("a", folder)
    depot.fetch("a", tmp_path / "a")
    assert contents(tmp_path / "a") == contents(folder)


def test_files_that_no_list_names_are_not_trusted(url: str, folder: Path, tmp_path: Path) -> None:
    depot = Depot(url)
    depot.send("a", folder)
    filesystem, root = fsspec.core.url_to_fs(url)
    for victim in filesystem.find(f"{root}/files"):
        filesystem.pipe_file(victim, b"xxx")
    filesystem.rm_file(f"{root}/folders/a.json")
    depot.send("a", folder)
    depot.fetch("a", tmp_path / "a")
    assert contents(tmp_path / "a") == contents(folder)


def test_files_that_another_folder_brought_are_not_read(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    depot = Depot(url)
    depot.send("a", folder)

    def read(depot: Depot, digest: str) -> str:
        raise AssertionError(digest)

    monkeypatch.setattr(Depot, "_sha256", read)
    depot.send("b", folder)


def test_what_no_depot_wrote_is_passed_over(url: str, folder: Path) -> None:
    depot = Depot(url)
    depot.send("a", folder)
    filesystem, root = fsspec.core.url_to_fs(url)
    filesystem.pipe_file(f"{root}/folders/stray (1).json", b"{}")
    assert depot.names() == ["a"]
    depot.keep(["a"])
    assert depot.names() == ["a"]


def test_a_damaged_list_does_not_stop_keeping(url: str, folder: Path, tmp_path: Path) -> None:
    depot = Depot(url)
    for name in ("a", "b"):
        (folder / "first").write_text(name)
        depot.send(name, folder)
    filesystem, root = fsspec.core.url_to_fs(url)
    filesystem.pipe_file(f"{root}/folders/a.json", b"{")
    depot.keep(["a", "b"])
    depot.fetch("b", tmp_path / "b")
    assert contents(tmp_path / "b") == contents(folder)
    assert len(filesystem.find(f"{root}/files")) == 3
