from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hashsvc.cli.program import run


@dataclass(frozen=True, slots=True)
class Ran:
    """What one command line did."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        assert self.status == 0, self.err
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one line of a command that failed."""
        assert self.status == 2, (self.status, self.out, self.err)
        assert self.out == ""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("hashsvc: ")
        return lines[0]


Run = Callable[..., Ran]


@pytest.fixture
def hashsvc(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs a command line in this process, in a folder of its own, with no setting from outside."""
    for name in ("HASHSVC_STORE", "HASHSVC_FOLDER", "HASHSVC_SHARED", "HASHSVC_LISTEN", "HASHSVC_LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def command(*arguments: object) -> Ran:
        capsys.readouterr()
        status = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    return command


def random_codes(count: int, seed: int = 0) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (count, 8), dtype=np.uint8)


def write_codes(file: Path, codes: Sequence[bytes], *, bad: int = 0) -> None:
    """A table of codes under keys k0, k1, ...; the last ``bad`` rows hold no code."""
    rows = [
        {"key": f"k{i}", "code": code.hex(), "year": 2000 + i % 10, "lang": "en" if i % 2 else "de"}
        for i, code in enumerate(codes)
    ]
    rows += [{"key": f"bad{i}", "code": "xyz", "year": 2000, "lang": "en"} for i in range(bad)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="session")
def codes_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose collection ``codes`` holds 100 ready codes of 64 bits; read it, do not write."""
    folder = tmp_path_factory.mktemp("codes")
    write_codes(folder / "codes.jsonl", [row.tobytes() for row in random_codes(100)])
    store = folder / "store"
    arguments = ["ingest", "codes", folder / "codes.jsonl", "--bits", 64, "--field", "year:integer", "--store", store]
    assert run([str(argument) for argument in arguments]) == 0
    return store
