"""The wire: lint clean, and the committed code is what the protos give."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GENERATED = ROOT / "hashsvc" / "v1"


def test_buf_finds_nothing_to_say() -> None:
    buf = Path(sys.executable).parent / "buf"
    for command in (["lint"], ["format", "--diff", "--exit-code"]):
        done = subprocess.run([buf, *command], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_committed_code_is_what_the_protos_give(tmp_path: Path) -> None:
    tools = subprocess.run(
        ["make", ".proto-tools/.installed"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=240
    )
    if tools.returncode:
        pytest.skip(f"the generator cannot be installed here: {tools.stderr.strip().splitlines()[-1]}")
    done = subprocess.run(
        ["make", "proto", f"PROTO_OUT={tmp_path}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    fresh = {path.name: path.read_text() for path in (tmp_path / "hashsvc" / "v1").iterdir()}
    held = {path.name: path.read_text() for path in GENERATED.glob("*_pb2*")}
    assert sorted(fresh) == sorted(held)
    assert [name for name in fresh if fresh[name] != held[name]] == []
