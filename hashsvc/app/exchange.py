"""Codes of a collection as FAISS's own file, for other programs, and theirs as a collection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.domain.items import Item
from hashsvc.durable import fsync_folder, write_durably
from hashsvc.errors import FailedPrecondition, InvalidArgument, NotFound
from hashsvc.index.faissfiles import read_faiss, write_faiss

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hashsvc.app.store import Store
    from hashsvc.domain.collections import Collection

TOGETHER = 1_000


def export_collection(store: Store, name: str, path: Path) -> int:
    """Write the codes of a collection as a FAISS file, and beside it the key of each id as lines of JSON.

    The ids in the file are the items' own. Three files are made: ``path``, its ``.sha256`` and its ``.keys.jsonl``.

    Returns:
        How many items were written.

    Raises:
        NotFound: no such collection.
        InvalidArgument: one of the files exists.
    """
    held, keys = store.collection(name), path.with_name(f"{path.name}.keys.jsonl")
    if keys.exists():
        raise InvalidArgument(f"{keys} exists: give another name or remove it", field="path")
    items = list(_items(store, held))
    codes = np.frombuffer(b"".join(code for _, code, _ in items), np.uint8).reshape(-1, held.bits // 8)
    write_faiss(np.array([number for number, _, _ in items], np.int64), codes, path)
    write_durably(keys, b"".join(line for _, _, line in items))
    fsync_folder(path.parent)
    return len(items)


def import_collection(store: Store, name: str, path: Path) -> int:
    """Store the codes of a FAISS file, each under its id in the file as its key; the collection is made if need be.

    Doing it again changes nothing.

    Returns:
        How many items the file holds.

    Raises:
        Corrupt: the file differs from the sha256 beside it.
        InvalidArgument: FAISS cannot read it, it holds an id twice, or its codes cannot be had back.
        FailedPrecondition: the collection is under an encoder, or holds codes of another length.
    """
    ids, codes, bits = read_faiss(path)
    held = _target(store, name, bits)
    for start in range(0, len(ids), TOGETHER):
        rows = slice(start, start + TOGETHER)
        pairs = zip(ids[rows].tolist(), codes[rows], strict=True)
        store.upsert(held.name, [Item(str(number), code=code.tobytes()) for number, code in pairs])
    return len(ids)


def _target(store: Store, name: str, bits: int) -> Collection:
    try:
        held = store.collection(name)
    except NotFound:
        return store.create_collection(name, bits=bits)
    if held.encoder is not None or held.bits != bits:
        what = f"is under encoder {held.encoder}" if held.encoder else f"holds codes of {held.bits} bits"
        raise FailedPrecondition(
            f"collection {name!r} {what}, the file has ready codes of {bits} bits: name another collection"
        )
    return held


def _items(store: Store, held: Collection) -> Iterator[tuple[int, bytes, bytes]]:
    """Id, code and line of every item, in order of id."""
    ids = store.catalog.items.ids(held)
    for start in range(0, len(ids), TOGETHER):
        rows = store.catalog.items.by_ids(held, ids[start : start + TOGETHER])
        for number in sorted(rows):
            line = json.dumps({"id": number, "key": rows[number].key}, ensure_ascii=False)
            yield number, rows[number].code, f"{line}\n".encode()
