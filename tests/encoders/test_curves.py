"""The one claim about the family of autoencoders that needs no data set: the benchmark's own row."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "models.py"


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_six_numbers_of_an_autoencoder_say_twice_what_eighteen_of_pca_say_of_a_curve() -> None:
    command = [sys.executable, str(BENCHMARK), "--member", "curves", "--seeds", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [row] = json.loads(done.stdout.splitlines()[-1])["curves"].values()
    assert row["holds"] is True
    assert row["beside"]["AE-6"] < 0.52 * row["beside"]["PCA-18"]
