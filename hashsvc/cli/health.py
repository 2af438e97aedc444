"""``hashsvc health``: whether a server serves, for those who watch over it."""

from __future__ import annotations

from typing import Annotated

import typer

from hashsvc.cli import access, options
from hashsvc.cli.screen import show


def register(tree: typer.Typer) -> None:
    """Add the verb to the program."""
    tree.command("health")(health)


def health(
    *,
    server: Annotated[str, typer.Option("--server", metavar="HOST:PORT", help="The server, or several: A,B,C")],
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds that an answer may take")] = 5.0,
    json: options.Json = False,
) -> None:
    """Ask a server whether it serves; it needs no token. Exit status 2 when it does not, or is about to stop."""
    from hashsvc.client import check_health

    tls = access.client_tls()
    for target in server.split(","):
        check_health(target.strip(), timeout=timeout, tls=tls)
    show({"serving": server}, f"{server} serves", json=json)
