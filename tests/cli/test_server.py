"""The same verbs over a server that runs as its own process, and what happens beside it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Run

WORDS = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath", "inlet", "jetty", "karst", "ledge"]
ITEMS = 120


@contextmanager
def serving(store: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "hashsvc", "serve", "--store", str(store), "--listen", "127.0.0.1:0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())["listening"]
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A .jsonl of short texts with one empty text at the end."""
    rng = np.random.default_rng(3)
    rows = [{"key": f"d{n}", "text": " ".join(rng.choice(WORDS, 8)), "size": n} for n in range(ITEMS)]
    file = tmp_path_factory.mktemp("texts") / "texts.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"key": "empty", "text": "", "size": 0}]))
    return file


@pytest.fixture(scope="module")
def server(texts: Path) -> Iterator[tuple[Path, str]]:
    """A store with the encoder ``toy``, served."""
    store = texts.parent / "store"
    command = [sys.executable, "-m", "hashsvc", "train", "toy", str(texts), "--kind", "text", "--bits", "32"]
    done = subprocess.run(
        [*command, "--model", "itq", "--limit", str(ITEMS), "--store", str(store), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "toy"
    with serving(store) as (_, address):
        yield store, address


def test_ingest_streams_and_every_answer_is_the_stores_own(
    hashsvc: Run, server: tuple[Path, str], texts: Path, tmp_path: Path
) -> None:
    _, address = server
    done = hashsvc("ingest", "docs", texts, "--encoder", "toy", "--server", address, "--json").document
    assert done["counts"] == {"read": ITEMS + 1, "stored": ITEMS, "unchanged": 0, "dead": 1}
    [letter] = done["dead_letters"]
    assert letter["key"] == "empty"
    assert "texts.jsonl" in letter["source"]
    again = hashsvc("ingest", "docs", texts, "--server", address, "--json").document
    assert again["counts"]["unchanged"] == ITEMS

    first = json.loads(texts.read_text().splitlines()[5])
    [answer] = hashsvc("search", "docs", first["text"], "-k", 3, "--server", address, "--json").document["answers"]
    assert answer["matches"][0]["distance"] == 0
    assert "d5" in [match["key"] for match in answer["matches"]]
    code = hashsvc("encode", "toy", first["text"], "--server", address, "--json").document["codes"][0]
    [by_code] = hashsvc("search", "docs", "--code", code, "-k", 3, "--server", address, "--json").document["answers"]
    assert by_code["matches"] == answer["matches"]
    [within] = hashsvc("within", "docs", "--key", "d5", "-r", 32, "--server", address, "--json").document["answers"]
    assert len(within["matches"]) == ITEMS - 1
    assert hashsvc("items", "count", "docs", "--where", "size >= 100", "--server", address, "--json").document == {
        "count": 20
    }
    assert hashsvc("collections", "show", "docs", "--server", address, "--json").document["encoder"] == "toy@1"
    assert hashsvc("encoders", "show", "toy", "--server", address, "--json").document["spec"]["bits"] == 32


def test_beside_a_server_the_store_is_owned_and_the_message_says_by_whom(
    hashsvc: Run, server: tuple[Path, str]
) -> None:
    store, address = server
    refused = hashsvc("search", "docs", "amber", "--store", store).error
    assert address in refused
    assert "--server" in refused
    listed = hashsvc("encoders", "list", "--store", store, "--json").document  # needs no live index: no ownership
    assert [encoder["name"] for encoder in listed["encoders"]] == ["toy"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search", "docs2", "x"], "docs2"),
        (["search", "docs", ""], "empty"),
        (["search", "docs", "x", "-k", "0"], "k"),
        (["search", "docs", "--vector", "1,2"], "vector"),
        (["search", "docs", "--vector", "nan"], "vector"),
        (["encode", "toy", "--vector", "1,2"], "toy@1"),
        (["collections", "create", "c", "--encoder", "toy@9"], "toy@9"),
    ],
)
def test_errors_cross_the_wire_as_one_line(
    hashsvc: Run, server: tuple[Path, str], texts: Path, arguments: list[str], said: str
) -> None:
    _, address = server
    hashsvc("ingest", "docs", texts, "--encoder", "toy", "--server", address)
    assert said in hashsvc(*arguments, "--server", address).error


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_server_stops_when_asked(codes_store: Path, number: signal.Signals, status: int) -> None:
    with serving(codes_store) as (process, _):
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert out == ""
    assert "Traceback" not in err
    assert err.splitlines()[-1] == ("hashsvc: stopping" if status == 0 else "hashsvc: interrupted")
