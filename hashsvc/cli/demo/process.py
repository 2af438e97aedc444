"""A server as a process of its own, started and stopped by the demo."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hashsvc.errors import Unavailable

STOP_SECONDS = 30


@contextmanager
def server(store: Path, log: Path) -> Iterator[str]:
    """Run ``hashsvc serve`` on a free port; gives its HOST:PORT once it serves, stops it at the end.

    Args:
        store: folder of the store.
        log: file that takes what the server says.

    Raises:
        Unavailable: it ended before it served.
    """
    command = [sys.executable, "-m", "hashsvc", "serve", "--store", str(store), "--listen", "127.0.0.1:0", "--json"]
    with log.open("ab") as news, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=news, text=True) as process:
        try:
            yield _address(process, log)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _address(process: subprocess.Popen[str], log: Path) -> str:
    """The server's first line says where it listens; it comes when it serves."""
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise Unavailable(f"the server ended with status {process.wait()} before it served: see {log}")
    return str(json.loads(line)["listening"])
