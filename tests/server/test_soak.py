"""The soak in its short form: mixed load without an error, and neither threads nor descriptors that pile up."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "soak.py"


def test_mixed_load_leaves_nothing_behind() -> None:
    command = [sys.executable, str(BENCHMARK), "--seconds", "8", "--items", "2000", "--clients", "3", "--json"]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    found = json.loads(told.stdout.splitlines()[-1])
    assert found["errors"] == {}
    assert found["calls"] > 20
    assert set(found["by_kind"]) >= {"search", "write"}
    assert found["growth"] < 0.25, found
    assert found["descriptors"][1] - found["descriptors"][0] <= 8, found
    assert found["threads"][1] <= 120, found
