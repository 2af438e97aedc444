"""``hashsvc backup``, ``hashsvc restore`` and ``hashsvc purge``: a store kept safe, and what was deleted truly gone."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hashsvc.cli import options
from hashsvc.cli.doors import local_store
from hashsvc.cli.screen import show
from hashsvc.settings import Settings

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the backup")]


def register(tree: typer.Typer) -> None:
    """Add the verbs to the program."""
    tree.command("backup")(backup)
    tree.command("restore")(restore)
    tree.command("purge")(purge)


def backup(folder: Folder, *, store: options.Store = None, json: options.Json = False) -> None:
    """Write everything the store holds into a new folder; a server of the store may go on meanwhile."""
    from hashsvc.app.backup import backup as write

    with local_store(store, role="worker") as held:
        done = write(held, folder)
    show(
        asdict(done), f"{done.items:,} items, {done.blobs:,} blobs and {done.encoders} encoders in {folder}", json=json
    )


def restore(folder: Folder, *, store: options.Store = None, json: options.Json = False) -> None:
    """Make a new store from a backup; indexes are built when it is opened."""
    from hashsvc.app.backup import restore as read

    settings = Settings.read()
    location = store or settings.store
    done = read(folder, location, settings)
    show(asdict(done), f"{done.items:,} items in {done.collections} collections restored to {location}", json=json)


def purge(*, store: options.Store = None, json: options.Json = False) -> None:
    """Overwrite what was deleted in database, blobs and snapshots; the store must not be served meanwhile."""
    from hashsvc.app.purging import purge as erase

    with local_store(store) as held:
        swept = erase(held)
    show({"blobs": swept}, f"purged; {swept:,} blobs removed", json=json)
