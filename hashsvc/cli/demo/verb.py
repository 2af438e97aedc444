"""``hashsvc demo``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from hashsvc.cli import options
from hashsvc.cli.documents import as_line
from hashsvc.errors import Internal

PLAIN_WIDTH = 120
Folder = Annotated[Path, typer.Option("--folder", help="Everything the demo writes lies below this folder")]


def register(tree: typer.Typer) -> None:
    """Add the verb to the program."""
    tree.command("demo")(demo)


def demo(*, folder: Folder = Path("demo"), json: options.Json = False) -> None:
    """From files to answers: train, ingest, serve and search on texts and images this machine has; no network.

    Ends with one JSON line on stdout; with --json nothing else is printed there.
    """
    from rich.console import Console

    from hashsvc.cli.demo.flow import run_demo

    stream = sys.stderr if json else sys.stdout
    screen = Console(file=stream, highlight=False, width=None if stream.isatty() else PLAIN_WIDTH)
    result = run_demo(folder, screen)
    sys.stdout.write(as_line(result) + "\n")
    if not result["same_after_restart"]:
        raise Internal(f"the server answered otherwise after a restart: see {folder}")
