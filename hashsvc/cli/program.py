"""The program: every verb in one tree, and the one place where errors become a line and an exit status."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Sequence
from functools import cache
from typing import Annotated

import typer
from typer.exceptions import TyperException

from hashsvc import __version__
from hashsvc.cli import (
    backup,
    cluster,
    collections,
    dedup,
    encoders,
    evaluation,
    health,
    ingest,
    items,
    jobs,
    picture,
    processes,
    search,
    training,
    verifying,
)
from hashsvc.cli.demo import verb as demo
from hashsvc.cli.screen import tell
from hashsvc.errors import HashsvcError, Internal

BAD_INPUT = 2
DEFECT = 70  # sysexits.h: internal software error
INTERRUPTED = 130


@cache
def program() -> typer.Typer:
    """The tree of verbs; made once, as rooms add to trees of their own."""
    tree = typer.Typer(
        name="hashsvc",
        help="Compact binary codes for documents, images and embeddings, made searchable.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    tree.callback(invoke_without_command=True)(_options)
    for room in (demo, training, evaluation, encoders, collections, ingest, items, search, dedup, jobs, processes):
        room.register(tree)
    for room in (picture, verifying, backup, cluster, health):
        room.register(tree)
    return tree


def _options(
    *, version: Annotated[bool, typer.Option("--version", help="Print the version and leave")] = False
) -> None:
    if version:
        typer.echo(f"hashsvc {__version__}")
        raise typer.Exit


def run(arguments: Sequence[str]) -> int:
    """Run one command line.

    Returns:
        0 when it worked, 2 for bad input or a failed request (one line on stderr), 130 after Ctrl-C,
        70 for a defect of hashsvc.
    """
    logging.basicConfig(stream=sys.stderr, level=_log_level(), format="%(levelname)s %(name)s: %(message)s")
    try:
        status = int(program()(args=list(arguments), prog_name="hashsvc", standalone_mode=False) or 0)
    except BaseException as error:
        return _explained(error)
    return _say("interrupted", INTERRUPTED) if status == INTERRUPTED else status


def _explained(error: BaseException) -> int:
    """Say in one line what went wrong; the exit status."""
    match error:
        case KeyboardInterrupt():
            return _say("interrupted", INTERRUPTED)
        case TyperException():
            return _say(error.format_message() or "see hashsvc --help", BAD_INPUT)
        case HashsvcError() if not isinstance(error, Internal):
            return _say(_described(error), BAD_INPUT)
        case BrokenPipeError():
            return _reader_went_away()
        case OSError():
            return _say(f"{error.filename or 'input or output'}: {error.strerror or error}", BAD_INPUT)
        case Exception():
            return _defect(error)
    raise error


def _log_level() -> str:
    level = os.environ.get("HASHSVC_LOG_LEVEL", "WARNING").upper()
    return level if level in logging.getLevelNamesMapping() else "WARNING"


def _described(error: HashsvcError) -> str:
    named = error.field is None or error.field in error.message
    return error.message if named else f"{error.message} (field {error.field})"


def _say(message: str, status: int) -> int:
    tell(f"hashsvc: {' '.join(message.split())}")
    return status


def _defect(error: Exception) -> int:
    if _log_level() == "DEBUG":
        traceback.print_exception(error)
    return _say(
        f"internal error, please report it: {type(error).__name__}: {error} (HASHSVC_LOG_LEVEL=DEBUG shows where)",
        DEFECT,
    )


def _reader_went_away() -> int:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered has nowhere to go
    return 0
