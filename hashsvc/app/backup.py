"""Backup and restore: a store as a folder that any later store can be made from. Works beside a running service."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hashsvc.app.layout import Layout
from hashsvc.app.opening import open_store
from hashsvc.catalog import blobs_of, check_dump, check_empty, migrate
from hashsvc.content import Blobs, discard
from hashsvc.durable import fsync_folder, make_folder, sha256_of, write_durably
from hashsvc.errors import Corrupt, FailedPrecondition, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hashsvc.app.store import Store
    from hashsvc.settings import Settings

MANIFEST = "backup.json"
FORMAT = 2
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
    are left out: they are made from the catalog. The manifest is written last: without it there is no backup.

    Raises:
        FailedPrecondition: the folder holds something already, or a registered encoder has no folder.
        Corrupt: a blob or an encoder of the store is damaged or lost.
        ResourceExhausted: the disk is full.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FailedPrecondition(f"{folder} holds something already: give a new folder", field="folder")
    make_folder(folder)
    encoders = _check_encoders(store)
    with store.blobs.pinned():
        catalog = store.catalog.dump(folder / "catalog")
        blobs = _copy_blobs(blobs_of(folder / "catalog"), store.blobs, Blobs(str(folder / "blobs")))
    hashes = {name: _copy_folder(store.folders.path(name), folder / "encoders" / name) for name in encoders}
    body = {"format": FORMAT, "catalog": catalog, "encoders": hashes}
    text = json.dumps({"sha256": _sha256(body), "body": body}, sort_keys=True)
    write_durably(folder / MANIFEST, text.encode())
    fsync_folder(folder)
    digests = catalog["digests"]
    return Backup(str(folder), len(digests), catalog["tables"]["items"]["rows"], blobs, len(encoders), digests)


def _check_encoders(store: Store) -> list[str]:
    """Fingerprints of the registered encoders, each of whose folders was loaded and checked."""
    names = sorted({version.spec.fingerprint for version in store.encoders()})
    if names:
        from hashsvc.encoders import load  # torch takes seconds to import

        for name in names:
            load(store.folders.path(name))
    return names


def _copy_blobs(names: Iterable[str], source: Blobs, target: Blobs) -> int:
    count = 0
    waiting = iter(names)
    while batch := list(islice(waiting, COPIED_TOGETHER)):
        target.put_all([_present(source, name) for name in batch])
        count += len(batch)
    return count


def _present(blobs: Blobs, name: str) -> bytes:
    try:
        return blobs.get(name)
    except NotFound:
        raise Corrupt(f"blob {name} is lost, items need it: write them again, or use a backup that holds it") from None


def _copy_folder(source: Path, target: Path) -> dict[str, str]:
    """Copy files and their folders, on disk when this returns; sha256 (hex) of each by its path."""
    found = {}
    for path in sorted(source.rglob("*")):
        if path.is_file():
            name = path.relative_to(source)
            make_folder((target / name).parent)
            found[name.as_posix()] = write_durably(target / name, path.read_bytes())
            fsync_folder((target / name).parent)
    return found


def restore(folder: Path, location: str, settings: Settings) -> Backup:
    """Make a new store from a backup; nothing changes anywhere unless the backup is whole and the store empty.

    Raises:
        NotFound: there is no backup in the folder.
        FailedPrecondition: the store holds something already, or the backup is of another version.
        Owned: another process owns the store.
        Corrupt: the backup is damaged.
        Unavailable: what the machines of the store share does not answer.
    """
    body = check_backup(folder)
    layout = Layout.of(location, settings.folder, settings.shared)
    with _opened(location, layout, settings) as store:
        check_empty(store.catalog.database)
        # Of whatever lived here before: indexes are made from the catalog.
        shutil.rmtree(layout.snapshots, ignore_errors=True)
        if layout.shared:
            discard(layout.depot("snapshots"), [])
        for name in body["encoders"]:
            _place_encoder(folder / "encoders" / name, layout.encoders / name)
            store.folders.share(name)
        with store.blobs.pinned():
            blobs = _copy_blobs(blobs_of(folder / "catalog"), Blobs(str(folder / "blobs")), store.blobs)
            store.catalog.load(folder / "catalog", body["catalog"])
    rows = body["catalog"]["tables"]["items"]["rows"]
    digests = body["catalog"]["digests"]
    return Backup(str(folder), len(digests), rows, blobs, len(body["encoders"]), digests)


def _opened(location: str, layout: Layout, settings: Settings) -> Store:
    """The store, owned by this process; the tables are made where a database has none."""
    try:
        return open_store(location, settings=settings)
    except FailedPrecondition as error:
        if error.reason != "STORE_ABSENT":
            raise
    migrate(layout.database)
    return open_store(location, settings=settings)


def _place_encoder(source: Path, target: Path) -> None:
    """Copy an encoder folder, whole or not at all, in place of whatever has its name."""
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        _copy_folder(source, draft)
        shutil.rmtree(target, ignore_errors=True)
        draft.rename(target)
        fsync_folder(target.parent)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def check_backup(folder: Path) -> dict[str, Any]:
    """Compare every byte of a backup with its manifest; the manifest's body.

    Raises:
        NotFound: there is no backup in the folder.
        FailedPrecondition: it is of another version of hashsvc.
        Corrupt: a part is damaged or missing.
    """
    body = _manifest(folder)
    check_dump(folder / "catalog", body["catalog"])
    for name, files in body["encoders"].items():
        for part, wanted in files.items():
            path = folder / "encoders" / name / part
            if not path.is_file() or sha256_of(path) != wanted:
                raise Corrupt(f"{path} is not what the backup wrote: use another backup")
    blobs = Blobs(str(folder / "blobs"))
    for name in blobs_of(folder / "catalog"):
        try:
            blobs.get(name)
        except (NotFound, Corrupt):
            raise Corrupt(f"blob {name} of the backup in {folder} is damaged or missing: use another backup") from None
    return body


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        outer = json.loads(path.read_bytes())
        body: dict[str, Any] = outer["body"]
        intact = outer["sha256"] == _sha256(body)
        written = body["format"]
    except FileNotFoundError:
        raise NotFound(f"no backup in {folder}: {MANIFEST} is missing", field="folder") from None
    except (ValueError, KeyError, TypeError):
        intact = False
    if not intact:
        raise Corrupt(f"{path} is not what the backup wrote: use another backup")
    if written != FORMAT:
        raise FailedPrecondition(
            f"{path} has format {written}, this version reads {FORMAT}: restore it with the version that wrote it"
        )
    return body


def _sha256(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
