"""Snapshots: a published index folder that never changes, with a manifest of checksums.

Publish writes into a temporary folder, flushes the files, then the manifest, renames, flushes the parent folder, and
keeps the newest two. A segment's files that an earlier snapshot holds are linked, not written again: a large index is
published in the time its changes take. SQL stays the truth if the disk damages a file that two snapshots share.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from hashsvc.domain.kinds import IndexKind
from hashsvc.durable import fsync_folder, make_folder, write_durably
from hashsvc.errors import Corrupt, NotFound
from hashsvc.failpoints import reach
from hashsvc.index.durable import disk_errors
from hashsvc.index.faisskinds import FaissStructure
from hashsvc.index.held import Held, hold
from hashsvc.index.layout import GROUP, frozen, set_places, word_count, words_at
from hashsvc.index.manifest import NAME, Manifest, read_manifest, verify_files
from hashsvc.index.segment import Segment, build_segment
from hashsvc.index.tables import Tables

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.index.view import View

Home = dict[str, tuple[Path, list[Any]]]
# Where a segment's files lie, by role, with their [sha256, size].
_HOMES: WeakKeyDictionary[Segment, Home] = WeakKeyDictionary()
KEPT = 2
PARTIAL = ".partial-"
DAMAGED = "damaged-"
TABLES = {
    "cuts": np.int64,
    "bases": np.int64,
    "offsets": np.uint32,
    "entries": np.uint32,
    "signatures": np.uint16,
}
COLUMNS = {
    "blocks": np.uint64,
    "ids": np.int64,
    "shared": np.uint64,
    "shared_codes": np.uint32,
    "shared_offsets": np.uint32,
    "extra_ids": np.int64,
    "extra_order": np.uint32,
}


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A loaded snapshot: code length, watermark, segments with their tombstones, and what the owner said of it."""

    bits: int
    watermark: int
    held: tuple[Held, ...]
    about: Mapping[str, str]


def publish(view: View, folder: Path, about: Mapping[str, str] | None = None) -> Path:
    """Publish what ``view`` holds as the newest snapshot under ``folder``; returns the snapshot's own folder.

    Raises:
        ResourceExhausted: the disk is full; nothing was published.
    """
    with disk_errors(f"a snapshot under {folder}"):
        make_folder(folder)
        _sweep(folder)
        draft = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=folder))
    reach("publish.begun")
    try:
        with disk_errors(f"a snapshot under {folder}"):
            manifest = _write(view, draft, about or {})
            write_durably(draft / NAME, manifest.to_bytes())
            fsync_folder(draft)
            final = folder / f"{view.watermark:020d}-{time.time_ns():020d}"
            reach("publish.before_rename")
            draft.rename(final)
            _moved(view, draft, final)
            reach("publish.after_rename")
            fsync_folder(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    for old in _snapshots(folder)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def newest_snapshot(folder: Path) -> Path:
    """The newest snapshot under ``folder``; raises NotFound when there is none."""
    found = _snapshots(folder)
    if not found:
        raise NotFound(f"no snapshot under {folder}")
    return found[-1]


def load_snapshot(folder: Path, about: Mapping[str, str] | None = None) -> Snapshot:
    """Map a snapshot's segments from its files, read-only, after checking every checksum.

    Args:
        folder: the snapshot's own.
        about: what it must have been published with.

    Raises:
        Corrupt: a file is not what was published; the folder was renamed, so that nobody uses it.
    """
    try:
        manifest = read_manifest(folder)
        if any(manifest.about.get(name) != value for name, value in (about or {}).items()):
            raise Corrupt(f"{folder} was published of something else ({manifest.about}): it was set aside")
        verify_files(folder, manifest)
    except Corrupt:
        _rename(folder)
        raise
    held = tuple(_load(folder, entry, manifest) for entry in manifest.segments)
    return Snapshot(manifest.bits, manifest.watermark, held, manifest.about)


def _snapshots(folder: Path) -> list[Path]:
    """Published snapshots, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and path.name[:1].isdigit())


def _sweep(folder: Path) -> None:
    """Remove what an interrupted publish left, and all but the newest damaged snapshot."""
    for path in folder.glob(f"{PARTIAL}*"):
        shutil.rmtree(path, ignore_errors=True)
    for path in sorted(folder.glob(f"{DAMAGED}*"))[:-1]:
        shutil.rmtree(path, ignore_errors=True)


def set_aside(folder: Path, watermark: int) -> Path:
    """Rename the newest snapshot under ``folder``, which is of ``watermark``, so that nobody uses it; its new name.

    Raises:
        NotFound: there is none of this watermark.
    """
    newest = newest_snapshot(folder)
    if int(newest.name.partition("-")[0]) != watermark:
        raise NotFound(f"no snapshot of watermark {watermark} under {folder}")
    return _rename(newest)


def _rename(folder: Path) -> Path:
    aside = folder.with_name(f"{DAMAGED}{folder.name}")
    shutil.rmtree(aside, ignore_errors=True)  # one of this name that came from another machine before
    folder.rename(aside)
    fsync_folder(folder.parent)
    return aside


def _write(view: View, draft: Path, about: Mapping[str, str]) -> Manifest:
    segments, files = [], {}
    for number, held in enumerate(_all_held(view)):
        entry, written = _write_segment(held, draft, number)
        segments.append(entry)
        files.update(written)
    return Manifest(view.bits, view.watermark, view.items, segments, files, about)


def _all_held(view: View) -> list[Held]:
    rows = set_places(view.tail.items)
    if not len(rows):
        return list(view.held)
    words = words_at(view.tail.blocks, rows)
    return [*view.held, hold(build_segment(view.tail.ids[rows], words, view.bits))]


def _write_segment(held: Held, draft: Path, number: int) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    segment, home = held.segment, _HOMES.setdefault(held.segment, {})
    arrays: dict[str, Callable[[], NDArray[Any]]] = {role: partial(getattr, segment, role) for role in COLUMNS}
    if segment.tables is not None:
        arrays |= {f"tables_{role}": partial(getattr, segment.tables, role) for role in TABLES}
    if segment.structure is not None:
        # Making the bytes of a graph takes seconds: only where the file is not linked.
        arrays[f"faiss_{segment.structure.kind}"] = segment.structure.to_bytes
    files = {}
    for role, array in arrays.items():
        name = f"{number}-{role}.bin"
        files[name] = _link(home.get(role), draft / name) or _place(array(), draft / name)
        home[role] = (draft / name, files[name])
    if held.dead:
        for role, bitmap in (("items", held.items), ("extras", held.extras)):
            files[f"{number}-living_{role}.bin"] = _place(bitmap, draft / f"{number}-living_{role}.bin")
    kind = "" if segment.structure is None else str(segment.structure.kind)
    entry = {"codes": segment.codes, "dead": held.dead, "tables": segment.tables is not None, "faiss": kind}
    return {"number": number, **entry}, files


def _link(known: tuple[Path, list[Any]] | None, path: Path) -> list[Any] | None:
    """Give a file that another snapshot holds a second name; its [sha256, size], None when that cannot be."""
    if known is None:
        return None
    try:
        path.hardlink_to(known[0])
    except OSError:
        return None
    return known[1]


def _place(array: NDArray[Any], path: Path) -> list[Any]:
    """Write an array's bytes; returns their [sha256, size]."""
    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return [write_durably(path, data.data), data.nbytes]


def _moved(view: View, draft: Path, final: Path) -> None:
    """Remember where the files of a renamed draft lie now."""
    for held in view.held:
        home = _HOMES.get(held.segment, {})
        for role, (path, known) in home.items():
            if path.parent == draft:
                home[role] = (final / path.name, known)


def _load(folder: Path, entry: Mapping[str, Any], manifest: Manifest) -> Held:
    number, bits = entry["number"], manifest.bits
    arrays: dict[str, Any] = {role: _map(folder / f"{number}-{role}.bin", kind) for role, kind in COLUMNS.items()}
    arrays["blocks"] = arrays["blocks"].reshape(-1, word_count(bits), GROUP)
    if entry["tables"]:
        arrays["tables"] = _load_tables(folder, number, entry["codes"])
    if entry["faiss"]:
        data = _map(folder / f"{number}-faiss_{entry['faiss']}.bin", np.uint8)
        arrays["structure"] = FaissStructure.from_bytes(IndexKind(entry["faiss"]), data)
    segment = Segment(bits, **arrays)
    prefix = f"{number}-"
    _HOMES[segment] = {
        name[len(prefix) : -len(".bin")]: (folder / name, known)
        for name, known in manifest.files.items()
        if name.startswith(prefix) and not name.startswith(f"{prefix}living_")
    }
    if not entry["dead"]:
        return hold(segment)
    living = [_map(folder / f"{number}-living_{role}.bin", np.uint64) for role in ("items", "extras")]
    return hold(segment, *living)


def _load_tables(folder: Path, number: int, codes: int) -> Tables:
    columns = {role: _map(folder / f"{number}-tables_{role}.bin", kind) for role, kind in TABLES.items()}
    cuts, entries = columns["cuts"].reshape(-1, 3), columns["entries"].reshape(-1, codes)
    signatures = columns["signatures"].reshape(len(cuts), -1)
    return Tables(cuts, columns["bases"], columns["offsets"], entries, signatures)


def _map(path: Path, kind: Any) -> NDArray[Any]:
    """A file's bytes as a read-only array, mapped: pages come when they are read, shared between processes."""
    if not path.stat().st_size:
        return frozen(np.zeros(0, kind))
    return frozen(np.asarray(np.memmap(path, kind, "r")))
