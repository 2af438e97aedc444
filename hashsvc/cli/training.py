"""``hashsvc train`` and ``hashsvc evaluate``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hashsvc.cli import options
from hashsvc.cli.doors import local_store, service
from hashsvc.cli.encoders import described
from hashsvc.cli.jobs import watched
from hashsvc.cli.screen import progress, show
from hashsvc.domain.jobs import JobKind
from hashsvc.domain.kinds import Kind

if TYPE_CHECKING:
    from hashsvc.app import Store
    from hashsvc.domain.encoders import EncoderVersion
    from hashsvc.encoders import Progress


def register(tree: typer.Typer) -> None:
    """Add the verbs to the program."""
    tree.command("train")(train)
