"""Backup and restore: a store as a folder that any later store can be made from. Works beside a running service."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hashsvc.app.layout import Layout
from hashsvc.app.store import open_store
from hashsvc.catalog import blobs_of, migrate
from hashsvc.content import Blobs
from hashsvc.errors import Aborted, Corrupt, FailedPrecondition, NotFound
from hashsvc.index.durable import fsync_folder, write_durably

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hashsvc.app.store import Store
    from hashsvc.settings import Settings

MANIFEST = "backup.json"
FORMAT = 1
COPIED_TOGETHER = 256


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds.

    Args:
        digests: sha256 over key, content hash, code and metadata of every item, by collection.
    """

    folder: str
    collections: int
    items: int
    blobs: int
    encoders: int
    digests: dict[str, str]


def backup(store: Store, folder: Path) -> Backup:
    """Write everything a store holds into a new folder; the service may run and write meanwhile.

    The catalog is one state. Bytes are put before the rows that need them, so every row in it has its bytes. Indexes
    are left out: they are made from the catalog.

    Raises:
        FailedPrecondition: the folder holds something already.
        ResourceExhausted: the disk is full.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FailedPrecondition(f"{folder} holds something already: give a new folder", field="folder")
    folder.mkdir(parents=True, exist_ok=True)
    catalog = store.catalog.dump(folder / "catalog")
    blobs = _copy_blobs(blobs_of(folder / "catalog"), store.blobs, Blobs(str(folder / "blobs")))
    encoders = _copy_encoders(store, folder / "encoders")
    body = {"format": FORMAT, "catalog": catalog, "encoders": encoders}
    text = json.dumps({"sha256": _sha256(body), "body": body}, sort_keys=True)
    write_durably(folder / MANIFEST, text.encode())
    fsync_folder(folder)
    digests = catalog["digests"]
    return Backup(str(folder), len(digests), catalog["tables"]["items"]["rows"], blobs, len(encoders), digests)


def _copy_blobs(names: Iterable[str], source: Blobs, target: Blobs) -> int:
    count = 0
    waiting = iter(names)
    while batch := list(islice(waiting, COPIED_TOGETHER)):
        target.put_all([_still_there(source, name) for name in batch])
        count += len(batch)
    return count


def _still_there(source: Blobs, name: str) -> bytes:
    try:
        return source.get(name)
    except NotFound:
        raise Aborted(f"blob {name} was swept meanwhile: back up again into another folder") from None


def _copy_encoders(store: Store, target: Path) -> list[str]:
    """Copy the folder of every registered encoder; their fingerprints."""
    names = sorted({version.spec.fingerprint for version in store.encoders()})
    held = [name for name in names if (store.layout.encoders / name).is_dir()]
    for name in held:
        shutil.copytree(store.layout.encoders / name, target / name)
    return held


def restore(folder: Path, location: str, settings: Settings) -> Backup:
    """Make a new store from a backup.

    Raises:
        NotFound: there is no backup in the folder.
        FailedPrecondition: the store holds something already.
        Corrupt: the backup is damaged, or what was restored is not what was written.
    """
    body = _manifest(folder)
    layout = Layout.of(location, settings.folder)
    layout.folder.mkdir(parents=True, exist_ok=True)
    migrate(layout.database)
    shutil.rmtree(layout.snapshots, ignore_errors=True)  # of whatever lived here: indexes are made from the catalog
    with open_store(location, settings=settings, role="worker") as store:
        source = Blobs(str(folder / "blobs"))
        blobs = _copy_blobs(source.names(), source, store.blobs)
        for name in body["encoders"]:
            shutil.copytree(folder / "encoders" / name, layout.encoders / name, dirs_exist_ok=True)
        store.catalog.load(folder / "catalog", body["catalog"])
        held = store.collections()
        digests = {collection.name: store.catalog.items.digest(collection) for collection in held}
        if digests != body["catalog"]["digests"]:
            raise Corrupt(f"what was restored from {folder} does not have its digests: report it")
        items = sum(collection.items for collection in held)
    return Backup(str(folder), len(digests), items, blobs, len(body["encoders"]), digests)


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        outer = json.loads(path.read_bytes())
        body: dict[str, Any] = outer["body"]
        intact = outer["sha256"] == _sha256(body) and body["format"] == FORMAT
    except FileNotFoundError:
        raise NotFound(f"no backup in {folder}: {MANIFEST} is missing", field="folder") from None
    except (ValueError, KeyError, TypeError):
        intact = False
    if not intact:
        raise Corrupt(f"{path} is not what the backup wrote: use another backup")
    return body


def _sha256(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
