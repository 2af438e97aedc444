from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import random_codes, write_codes


def test_on_a_terminal_progress_is_a_bar_and_stdout_stays_one_document(tmp_path: Path) -> None:
    write_codes(tmp_path / "codes.jsonl", [code.tobytes() for code in random_codes(30)], bad=1)
    command = [sys.executable, "-m", "hashsvc", "ingest", "codes", "codes.jsonl", "--bits", "64", "--store", "s"]
    terminal, side = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "200"}
    done = subprocess.run(
        [*command, "--json"], stdout=subprocess.PIPE, stderr=side, text=True, cwd=tmp_path, env=environment, check=False
    )
    os.close(side)
    seen = os.read(terminal, 1 << 16).decode()
    os.close(terminal)
    assert done.returncode == 0, seen
    assert json.loads(done.stdout)["counts"]["stored"] == 30
    assert "\x1b[" in seen
    assert "30 stored, 1 set aside" in seen
