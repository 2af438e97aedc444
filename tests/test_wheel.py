"""The wheel, installed outside the checkout: what a user gets, migrations and all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
CARRIED = ("hashsvc", "migrations", "pyproject.toml", "setup.py", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the sources so that nothing is written into the checkout."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in CARRIED:
        subprocess.run(["cp", "-r", ROOT / name, source], check=True)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    subprocess.run([*command, "--disable-pip-version-check", "-w", built, source], check=True, capture_output=True)
    [wheel] = built.glob("hashsvc-*.whl")
    return wheel


@pytest.fixture(scope="module")
def hashsvc(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed program. Its environment sees the dependencies of this one, but not the checkout."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    own = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet", "--no-compile"]
    subprocess.run([*command, "--disable-pip-version-check", "--target", own, wheel], check=True, capture_output=True)
    (own / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    program = folder / "bin" / "hashsvc"
    program.write_text(f"#!{folder / 'bin' / 'python'}\nfrom hashsvc.__main__ import main\nmain()\n")
    program.chmod(0o755)
    return program


def _run(program: Path, folder: Path, *arguments: object) -> Any:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HASHSVC_", "PYTHON"))}
    command = [str(program), *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def _serving(program: Path, folder: Path) -> Iterator[str]:
    command = [str(program), "serve", "--store", "store", "--listen", "127.0.0.1:0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=folder) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["listening"]
        finally:
            process.terminate()
            process.wait(60)


def test_the_wheel_carries_migrations_types_and_no_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert any(name.startswith("hashsvc/migrations/versions/") for name in names)
    assert "hashsvc/cli/demo/queries.py" in names
    assert "hashsvc/py.typed" in names
    assert not any(name.startswith(("tests/", "benchmarks/", "migrations/")) for name in names)


@pytest.mark.slow
def test_the_installed_wheel_migrates_ingests_serves_and_searches(hashsvc: Path, tmp_path: Path) -> None:
    where = subprocess.run(
        [hashsvc.parent / "python", "-c", "import hashsvc; print(hashsvc.__file__)"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    assert Path(where.stdout.strip()).is_relative_to(hashsvc.parent.parent)

    rows = [{"key": f"k{i}", "code": f"{i:016x}"} for i in range(20)]
    (tmp_path / "codes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert _run(hashsvc, tmp_path, "migrate", "--store", "store")["migrated"] == "store"
    done = _run(hashsvc, tmp_path, "ingest", "codes", "codes.jsonl", "--bits", 64, "--store", "store")
    assert done["counts"]["stored"] == 20
    with _serving(hashsvc, tmp_path) as address:
        found = _run(hashsvc, tmp_path, "search", "codes", "--code", f"{7:016x}", "-k", 1, "--server", address)
    assert [match["key"] for match in found["answers"][0]["matches"]] == ["k7"]
