from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run

CODE = "00" * 8


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "No such command"),
        (["search"], "Missing argument"),
        (["search", "codes"], "exactly one query"),
        (["search", "codes", "text", "--key", "k1"], "not TEXT and --key"),
        (["search", "codes", "text"], "no encoder"),
        (["search", "codes", "--code", "00"], "8 bytes"),
        (["search", "codes", "--code", "zz"], "hexadecimal"),
        (["search", "codes", "--code", CODE, "-k", "0"], "k must be 1 to"),
        (["search", "codes", "--code", CODE, "-k", "1000000000"], "k must be 1 to"),
        (["search", "codes", "--code", CODE, "-k", "many"], "valid integer"),
        (["search", "codes", "--key", "nope"], "no item 'nope'"),
        (["search", "codes", "--key", "k1", "--rank-by", "content"], "say --oversampling"),
        (["search", "codes", "--key", "k1", "-k", "3", "--oversampling", "5000"], "3 x 5000 candidates are more than"),
        (["search", "codes", "\udcff"], "no valid UTF-8"),
        (["search", "codes", "--key", "\udcff"], "key must be valid Unicode"),
        (["jobs", "show", "99999999999999999999"], "no job"),
        (["train", "e", "data.txt", "--kind", "text", "--seed", "-1"], "--seed"),
        (["train", "e", "data.txt", "--kind", "text", "--limit", "0"], "--limit"),
        (["search", "nope", "--code", CODE], "no collection 'nope': see `hashsvc collections list`"),
        (["search", "codes", "--code", CODE, "--where", "year >"], "no value"),
        (["search", "codes", "--code", CODE, "--where", "year = 1 = 2"], "left over"),
        (["search", "codes", "--image", "missing.png"], "cannot read missing.png"),
        (["within", "codes", "--code", CODE, "-r", "-1"], "radius must be 0 to 64"),
        (["within", "codes", "--code", CODE, "-r", "65"], "radius must be 0 to 64"),
        (["items", "get", "codes", "nope"], "no item 'nope'"),
        (["items", "get", "codes", ""], "key must have"),
        (["items", "list", "codes", "--page-token", "zz"], "page"),
        (["items", "delete", "codes"], "--where"),
        (["items", "delete", "codes", "k1", "--where", "year = 1"], "--where"),
        (["ingest", "codes", "missing.jsonl"], "nothing at 'missing.jsonl'"),
        (["ingest", "nope", "missing.jsonl"], "name --encoder"),
        (["ingest", "codes", "data.txt"], "data.txt"),
        (["collections", "create", "codes", "--bits", "64"], "codes"),
        (["collections", "create", "Bad Name", "--bits", "64"], "no legal name"),
        (["collections", "create", "c", "--bits", "63"], "multiple of 8"),
        (["collections", "create", "c"], "encoder"),
        (["collections", "create", "c", "--encoder", "nope"], "nope"),
        (["collections", "create", "c", "--bits", "64", "--field", "year:number"], "NAME:TYPE"),
        (["collections", "update", "codes"], "nothing to change"),
        (["jobs", "show", "99"], "99"),
        (["jobs", "watch", "99"], "99"),
        (["encoders", "show", "nope"], "nope"),
        (["encode", "nope", "text"], "nope"),
        (["train", "e", "data.txt", "--kind", "code"], "need no encoder"),
        (["train", "e", "data.txt", "--kind", "sound"], "sound"),
        (["train", "e", "missing.jsonl", "--kind", "text"], "missing.jsonl"),
        (
            ["train", "e", "missing.jsonl", "--kind", "text", "--model", "nvae"],
            "no model 'nvae' for items of kind text: one",
        ),
        (["train", "e", "texts.jsonl", "--kind", "text", "--device", "tpu"], "no device 'tpu' here: give cpu"),
        (["train", "e", "texts.jsonl", "--kind", "text", "--device", "cuda:99"], "no device 'cuda:99' here: give cpu"),
        (["serve", "--listen", "nowhere"], "no HOST:PORT"),
    ],
)
@pytest.mark.parametrize("json", [(), ("--json",)])
def test_bad_input_is_one_line_and_status_2(
    hashsvc: Run, codes_store: Path, arguments: list[str], said: str, json: tuple[str, ...]
) -> None:
    Path("data.txt").write_text("neither folder nor table")
    Path("texts.jsonl").write_text("".join(f'{{"key": "k{n}", "content": "words {n}"}}\n' for n in range(20)))
    store = () if arguments == ["nonsense"] else ("--store", codes_store)
    assert said in hashsvc(*arguments, *store, *json).error


def test_a_store_that_does_not_exist_is_not_made_by_looking(hashsvc: Run) -> None:
    assert "no store in 'nowhere'" in hashsvc("collections", "list", "--store", "nowhere").error
    assert not Path("nowhere").exists()
    Path("elsewhere").mkdir()
    assert "no store in 'elsewhere'" in hashsvc("jobs", "list", "--store", "elsewhere").error
    assert not list(Path("elsewhere").iterdir())


def test_a_file_in_place_of_a_store(hashsvc: Run) -> None:
    Path("file").write_text("x")
    assert "'file' is a file" in hashsvc("migrate", "--store", "file").error
    assert "'file' is a file" in hashsvc("collections", "list", "--store", "file").error


def test_store_and_server_exclude_each_other(hashsvc: Run, codes_store: Path) -> None:
    assert "not both" in hashsvc("collections", "list", "--store", codes_store, "--server", "127.0.0.1:1").error


def test_a_server_that_is_away(hashsvc: Run) -> None:
    assert "127.0.0.1:1" in hashsvc("collections", "list", "--server", "127.0.0.1:1").error
    assert "HOST:PORT" in hashsvc("collections", "list", "--server", "nonsense").error


def test_a_setting_that_is_no_number(hashsvc: Run, codes_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HASHSVC_MAX_K", "many")
    assert "HASHSVC_MAX_K" in hashsvc("collections", "list", "--store", codes_store).error


def test_a_defect_is_one_line_too(hashsvc: Run, codes_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr("hashsvc.app.open_store", broken)
    ran = hashsvc("collections", "list", "--store", codes_store)
    assert ran.status == 70
    assert ran.err.splitlines() == [
        "hashsvc: internal error, please report it: RuntimeError: two lines (HASHSVC_LOG_LEVEL=DEBUG shows where)"
    ]


def test_ctrl_c_is_one_line_and_status_130(hashsvc: Run, codes_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hashsvc.app.open_store", interrupted)
    ran = hashsvc("collections", "list", "--store", codes_store)
    assert (ran.status, ran.out, ran.err) == (130, "", "hashsvc: interrupted\n")


def test_a_damaged_catalog_is_named_and_not_a_defect_of_ours(hashsvc: Run, tmp_path: Path) -> None:
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "catalog.sqlite3").write_bytes(bytes(range(256)) * 16)
    done = hashsvc("collections", "list", "--store", str(tmp_path / "damaged"))
    assert done.status == 2
    assert "restore the store from a backup" in done.err
