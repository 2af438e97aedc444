from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hashsvc.catalog.tables import HEAD
from hashsvc.cli import doors
from hashsvc.codes import hamming
from tests.cli.conftest import Run, random_codes, write_codes


def test_a_collection_of_codes_from_file_to_answer(hashsvc: Run, tmp_path: Path) -> None:
    codes = random_codes(50)
    write_codes(Path("codes.jsonl"), [code.tobytes() for code in codes], bad=2)
    done = hashsvc("ingest", "codes", "codes.jsonl", "--bits", 64, "--store", "s", "--json")
    assert done.document["counts"] == {"read": 52, "stored": 50, "unchanged": 0, "dead": 2}
    assert [letter["row"] for letter in done.document["dead_letters"]] == [50, 51]
    assert done.document["dead_letters"][0]["source"].endswith("codes.jsonl")
    assert "ingest into codes" in done.err

    query = random_codes(1, seed=9)[0]
    found = hashsvc("search", "codes", "--code", query.tobytes().hex(), "-k", 5, "--store", "s", "--json").document
    [answer] = found["answers"]
    distances = np.sort(hamming(codes, query))[:5].tolist()
    assert [match["distance"] for match in answer["matches"]] == distances
    assert answer["exact"]
    assert answer["complete"]

    again = hashsvc("ingest", "codes", "codes.jsonl", "--store", "s", "--json")
    assert again.document["counts"] == {"read": 52, "stored": 0, "unchanged": 50, "dead": 2}
    letters = hashsvc("jobs", "dead-letters", again.document["job"], "--store", "s", "--json").document
    assert len(letters["dead_letters"]) == 2


def test_the_store_may_come_from_the_environment(
    hashsvc: Run, monkeypatch: pytest.MonkeyPatch, codes_store: Path
) -> None:
    monkeypatch.setenv("HASHSVC_STORE", str(codes_store))
    assert [c["name"] for c in hashsvc("collections", "list", "--json").document["collections"]] == ["codes"]


def test_search_by_key_leaves_the_item_out_and_within_is_complete(hashsvc: Run, codes_store: Path) -> None:
    codes = random_codes(100)
    distances = hamming(codes, codes[7])
    [near] = hashsvc("search", "codes", "--key", "k7", "-k", 3, "--store", codes_store, "--json").document["answers"]
    assert "k7" not in [match["key"] for match in near["matches"]]
    assert [m["distance"] for m in near["matches"]] == np.sort(np.delete(distances, 7))[:3].tolist()
    radius = 26
    [all_of] = hashsvc("within", "codes", "--key", "k7", "-r", radius, "--store", codes_store, "--json").document[
        "answers"
    ]
    expected = {f"k{i}" for i in np.flatnonzero(distances <= radius)} - {"k7"}
    assert {match["key"] for match in all_of["matches"]} == expected
    assert all_of["complete"]


def test_verbs_load_the_kernel_where_they_ask_more_than_loading_costs(
    hashsvc: Run, codes_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[list[int]] = []
    monkeypatch.setattr("hashsvc.app.collections.warm", lambda cache, bits: loaded.append(list(bits)))
    code = "00" * 8
    hashsvc("collections", "list", "--store", codes_store)
    hashsvc("items", "count", "codes", "--store", codes_store)
    assert loaded == []
    hashsvc("search", "codes", "--code", code, "--store", codes_store)
    assert loaded == [[]]
    monkeypatch.setattr(doors, "NUMPY_COMPARES", 100)
    hashsvc("search", "codes", "--code", code, "--store", codes_store)
    hashsvc("within", "codes", "--code", code, "-r", 3, "--store", codes_store)
    assert loaded[1:] == [[64], [64]]


def test_filters_reach_search_list_and_count(hashsvc: Run, codes_store: Path) -> None:
    where = ("--where", "year >= 2008", "--where", "lang = en")
    counted = hashsvc("items", "count", "codes", *where, "--store", codes_store, "--json")
    assert counted.document == {"count": 10}
    listed = hashsvc("items", "list", "codes", *where, "--store", codes_store, "--json").document
    assert {item["metadata"]["year"] for item in listed["items"]} == {2009}
    [answer] = hashsvc("search", "codes", "--key", "k0", "-k", 99, *where, "--store", codes_store, "--json").document[
        "answers"
    ]
    assert {match["key"] for match in answer["matches"]} == {item["key"] for item in listed["items"]}


def test_a_list_that_was_cut_off_goes_on_where_it_ended(hashsvc: Run, codes_store: Path) -> None:
    keys: list[str] = []
    token = ""
    for _ in range(10):
        page = hashsvc(
            "items", "list", "codes", "--limit", 40, "--page-token", token, "--store", codes_store, "--json"
        ).document
        keys += [item["key"] for item in page["items"]]
        token = page["next_page_token"]
        if not token:
            break
    assert sorted(keys) == sorted(f"k{i}" for i in range(100))
    said = hashsvc("items", "list", "codes", "--limit", 3, "--store", codes_store)
    assert "--page-token" in said.out


def test_what_a_person_sees(hashsvc: Run, codes_store: Path) -> None:
    shown = hashsvc("search", "codes", "--key", "k7", "-k", 3, "--store", codes_store).out
    assert "k7: 3 matches" in shown
    assert "distance" in shown
    assert "codes" in hashsvc("collections", "list", "--store", codes_store).out
    assert "2000" in hashsvc("items", "get", "codes", "k0", "--store", codes_store).out
    assert "ingest" in hashsvc("jobs", "list", "--store", codes_store).out


def test_a_collection_is_made_changed_and_deleted(hashsvc: Run) -> None:
    made = hashsvc("collections", "create", "c", "--bits", 32, "--field", "year:integer", "--store", "s", "--json")
    assert made.document["fields"] == {"year": "integer"}
    changed = hashsvc("collections", "update", "c", "--index", "flat", "--store", "s", "--json").document
    assert (changed["index"], changed["fields"]) == ("flat", {"year": "integer"})
    assert "--yes" in hashsvc("collections", "delete", "c", "--store", "s").error
    assert hashsvc("collections", "delete", "c", "--yes", "--store", "s", "--json").document == {"deleted": "c"}
    assert hashsvc("collections", "list", "--store", "s", "--json").document == {"collections": []}


def test_items_are_deleted_by_key_or_filter(hashsvc: Run) -> None:
    write_codes(Path("codes.jsonl"), [code.tobytes() for code in random_codes(20)])
    assert hashsvc("ingest", "codes", "codes.jsonl", "--bits", 64, "--store", "s").status == 0
    by_key = hashsvc("items", "delete", "codes", "k0", "nope", "--store", "s", "--json").document
    assert (by_key["deleted"], by_key["absent"]) == (1, 1)
    by_filter = hashsvc("items", "delete", "codes", "--where", "year = 2001", "--store", "s", "--json").document
    assert by_filter["deleted"] == 2
    assert hashsvc("items", "count", "codes", "--store", "s", "--json").document == {"count": 17}


def test_migrate_makes_a_store_and_may_run_again(hashsvc: Run) -> None:
    for phase in ("pre", "post", "post"):
        document = hashsvc("migrate", "--phase", phase, "--store", "s", "--json").document
        assert document == {"migrated": "s", "revision": HEAD}
    assert hashsvc("collections", "list", "--store", "s", "--json").document == {"collections": []}
