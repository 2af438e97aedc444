"""``hashsvc items``: get, list, delete, count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from hashsvc.cli import options
from hashsvc.cli.doors import service
from hashsvc.cli.filters import parse_filters
from hashsvc.cli.screen import show, table
from hashsvc.domain.items import Outcome
from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from rich.table import Table

    from hashsvc.domain.filters import Node
    from hashsvc.domain.items import StoredItem
    from hashsvc.domain.service import Page, Service

verbs = typer.Typer(no_args_is_help=True, help="Stored items, by key or by filter.")

Keys = Annotated[list[str], typer.Argument(metavar="KEY", help="Keys of items")]
PAGE = 1_000


def register(tree: typer.Typer) -> None:
    """Add the verbs to the program."""
    tree.add_typer(verbs, name="items")


def _described(items: Sequence[StoredItem]) -> Table:
    rows = [
        (item.key, str(item.id), item.code.hex(), " ".join(f"{n}={v}" for n, v in item.metadata.items()))
        for item in items
    ]
    return table(("key", "id", "code", "metadata"), rows)


@verbs.command("get")
def get_items(
    name: options.CollectionName,
    keys: Keys,
    *,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """The stored items with these keys."""
    with service(store, server, role="worker") as door:
        items = door.get_items(name, keys)
    show({"items": items}, _described(items), json=json)


@verbs.command("list")
def list_items(
    name: options.CollectionName,
    *,
    where: options.Where = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many items to list at most")] = 100,
    page_token: Annotated[str, typer.Option("--page-token", help="Go on where an earlier list ended")] = "",
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Items in order of id; a list that was cut off says so, and how to go on."""
    passing = parse_filters(where or ())
    items: list[StoredItem] = []
    with service(store, server, role="worker") as door:
        for page in _pages(door, name, passing, limit, page_token):
            items.extend(page.items)
            page_token = page.next_token
    more = f"more items follow: --page-token {page_token}" if page_token else f"{len(items):,} items, no more follow"
    show({"items": items, "next_page_token": page_token}, _described(items), more, json=json)


def _pages(door: Service, name: str, filter: Node | None, limit: int, token: str) -> Iterator[Page]:
    left = limit
    while left:
        page = door.list_items(name, filter=filter, page_size=min(left, PAGE), page_token=token)
        yield page
        left -= len(page.items)
        token = page.next_token
        if not token:
            return


@verbs.command("count")
def count_items(
    name: options.CollectionName,
    *,
    where: options.Where = None,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """How many items pass the filter."""
    with service(store, server, role="worker") as door:
        count = door.count_items(name, filter=parse_filters(where or ()))
    show({"count": count}, f"{count:,}", json=json)


@verbs.command("delete")
def delete_items(
    name: options.CollectionName,
    keys: Annotated[list[str] | None, typer.Argument(metavar="KEY", help="Keys of items")] = None,
    *,
    where: options.Where = None,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Delete items by key, or every item that passes a filter."""
    if bool(keys) == bool(where):
        raise InvalidArgument("give keys or --where: one of the two", field="--where")
    with service(store, server) as door:
        written = door.delete_items(name, keys=keys or (), filter=parse_filters(where or ()))
    deleted, absent = written.count(Outcome.DELETED), written.count(Outcome.ABSENT)
    document = {"deleted": deleted, "absent": absent, "watermark": written.watermark}
    show(document, f"deleted {deleted:,}, not there {absent:,}", json=json)
