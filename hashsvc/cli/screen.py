"""What a person sees: answers on stdout, progress and news on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hashsvc.cli.documents import as_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Advance = Callable[[int, int, str], None]
"""Tell how far the work is: ``(done, total, note)``; a total of 0 means not known yet."""

SECONDS_BETWEEN_LINES = 2.0


def console() -> Console:
    """A console on stdout that never breaks what is piped into a file."""
    from rich.console import Console

    return Console(file=sys.stdout, highlight=False, soft_wrap=not sys.stdout.isatty())


def show(document: Any, *renderables: Any, json: bool) -> None:
    """Print an answer: with ``json`` the one document and nothing else, else the renderables for a person."""
    if json:
        sys.stdout.write(as_line(document) + "\n")
        sys.stdout.flush()
        return
    screen = console()
    for renderable in renderables:
        screen.print(renderable)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> Table:
    """A plain table; numbers stand to the right."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    made = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    held = [list(row) for row in rows]
    for position, name in enumerate(columns):
        numbers = bool(held) and all(isinstance(row[position], int | float) for row in held)
        made.add_column(name, justify="right" if numbers else "left", overflow="fold")
    for row in held:
        made.add_row(*(escape(_cell(value)) for value in row))
    return made


def facts(pairs: Iterable[tuple[str, Any]], *, title: str | None = None) -> Table:
    """A list of names and values."""
    from rich.markup import escape
    from rich.table import Table

    made = Table.grid(padding=(0, 2))
    made.title, made.title_justify = title, "left"
    for name, value in pairs:
        made.add_row(f"[bold]{escape(name)}[/]", escape(_cell(value)))
    return made


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else str(value)


def tell(line: str) -> None:
    """One plain line on stderr."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


@contextmanager
def progress(title: str) -> Iterator[Advance]:
    """Show how far long work is: a bar on a terminal, plain lines elsewhere; always on stderr."""
    with _bar(title) if sys.stderr.isatty() else _lines(title) as advance:
        yield advance


@contextmanager
def _bar(title: str) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=False) as bar:
        task = bar.add_task(title, total=None, note="")

        def advance(done: int, total: int, note: str = "") -> None:
            bar.update(task, completed=done, total=total or None, note=note)

        yield advance


@contextmanager
def _lines(title: str) -> Iterator[Advance]:
    spoken = time.monotonic()
    last: tuple[int, int, str] | None = None
    said: tuple[int, int, str] | None = None

    def say() -> None:
        nonlocal said, spoken
        if last is not None and last != said:
            done, total, note = last
            tell(f"{title}: {done:,}{f' of {total:,}' if total else ''}{f', {note}' if note else ''}")
            said, spoken = last, time.monotonic()

    def advance(done: int, total: int, note: str = "") -> None:
        nonlocal last
        last = (done, total, note)
        if time.monotonic() - spoken >= SECONDS_BETWEEN_LINES:
            say()

    yield advance
    say()
