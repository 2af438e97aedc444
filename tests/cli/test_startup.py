from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "faiss", "sqlalchemy", "grpc", "numba", "sklearn", "scipy", "pyarrow", "PIL")


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [["--help"], ["search", "--help"], ["search"]])
def test_help_and_usage_errors_load_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys\nfrom hashsvc.cli.program import run\n"
        f"status = run({arguments!r})\n"
        f"heavy = sorted(set({HEAVY!r}) & set(sys.modules))\n"
        "print('HEAVY', heavy, 'STATUS', status)\n"
    )
    done = _run("-c", script)
    assert done.stdout.splitlines()[-1] == f"HEAVY [] STATUS {2 if arguments == ['search'] else 0}", done.stderr


def test_a_client_verb_loads_neither_torch_nor_faiss_nor_sql() -> None:
    script = (
        "import sys\nfrom hashsvc.cli.program import run\n"
        "status = run(['collections', 'list', '--server', '127.0.0.1:1'])\n"
        "print(sorted({'torch', 'faiss', 'sqlalchemy', 'numba'} & set(sys.modules)), status)\n"
    )
    assert _run("-c", script).stdout.splitlines()[-1] == "[] 2"


def test_the_module_is_the_program() -> None:
    done = _run("-m", "hashsvc", "nonsense")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("hashsvc: No such command")
    version = _run("-m", "hashsvc", "--version")
    assert version.stdout.startswith("hashsvc ")


def test_a_reader_that_goes_away_is_no_error() -> None:
    script = f"{sys.executable} -m hashsvc --help | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
