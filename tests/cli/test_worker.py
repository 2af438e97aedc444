"""Long work asked for over a server and done by a worker, each as its own process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.test_server import serving


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    file = tmp_path / "texts.jsonl"
    rows = [{"key": f"d{n}", "text": f"amber birch {n % 7} cedar {n % 5} delta {n}"} for n in range(40)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_a_worker_trains_what_was_asked_of_the_server(
    hashsvc: Run, texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HASHSVC_ROOTS", str(tmp_path))
    store = tmp_path / "store"
    command = [sys.executable, "-m", "hashsvc", "work", "--store", str(store), "--json"]
    with serving(store) as (_, address):
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with worker:
            asked = ("train", "toy", texts, "--kind", "text", "--bits", 16, "--model", "itq")
            trained = hashsvc(*asked, "--server", address, "--json").document
            assert (trained["name"], trained["version"], trained["spec"]["bits"]) == ("toy", 1, 16)
            failed = hashsvc("train", "toy", texts, "--kind", "image", "--server", address)
            assert failed.status == 2
            assert "failed" in failed.err.splitlines()[-1]
            outside = hashsvc("train", "toy", "/etc/hostname", "--kind", "text", "--server", address).error
            assert "outside" in outside
            states = [job["state"] for job in hashsvc("jobs", "list", "--server", address, "--json").document["jobs"]]
            assert states == ["failed", "done"]
            worker.send_signal(signal.SIGTERM)
            out, err = worker.communicate(timeout=60)
    assert worker.returncode == 0, err
    assert json.loads(out) == {"jobs": 2}
    assert "Traceback" not in err
