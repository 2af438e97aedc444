"""The demo's texts: the documentation of the running Python's standard library, as one .jsonl file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from hashsvc.cli.demo import inspector
from hashsvc.errors import Unavailable

SECONDS = 120


def write_documents(file: Path) -> int:
    """Write one line per module, class and function that is documented; the number of lines.

    Every run of one Python writes the same file: the order is sorted, and nothing that changes from run to run is kept.

    Raises:
        Unavailable: the standard library could not be inspected.
    """
    # A program of its own (importing everything has side effects), silent, and without the user's own packages.
    command = [sys.executable, "-s", "-P", "-B", "-W", "ignore", inspector.__file__, str(file)]
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONUTF8": "1", "PYTHONPATH": ""}
    try:
        subprocess.run(
            command, check=True, env=environment, timeout=SECONDS, capture_output=True, stdin=subprocess.DEVNULL
        )
    except (subprocess.SubprocessError, OSError) as error:
        raise Unavailable(f"the standard library of {sys.executable} could not be inspected: {error}") from error
    with file.open(encoding="utf-8") as lines:
        return sum(1 for _ in lines)
