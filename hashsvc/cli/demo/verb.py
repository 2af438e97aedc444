"""``hashsvc demo``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from hashsvc.cli import options
from hashsvc.cli.documents import as_line

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

    screen = Console(file=sys.stderr if json else sys.stdout, highlight=False)
    result = run_demo(folder, screen)
    sys.stdout.write(as_line(result) + "\n")
