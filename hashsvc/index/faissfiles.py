"""FAISS's own files: an index written for other programs, and theirs read.

The files carry no checksum, and FAISS loads damaged ones silently, so a ``.sha256`` file is put beside what is written
here and checked where one is found. FAISS's reader trusts its input: read files of your own only.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hashsvc.domain.kinds import IndexKind
from hashsvc.durable import fsync_folder, sha256_of, write_durably
from hashsvc.errors import Corrupt, InvalidArgument, NotFound
from hashsvc.index.durable import disk_errors
from hashsvc.index.faisskinds import faiss_module
from hashsvc.index.layout import set_places, to_codes, words_at
from hashsvc.index.live import LiveIndex

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.index.view import View


def export_faiss(view: View, path: Path) -> None:
    """Write every living item as a FAISS ``IndexBinaryIDMap2`` over ``IndexBinaryFlat``, and its sha256 beside it.

    Raises:
        InvalidArgument: the file exists.
        ResourceExhausted: the disk is full; nothing was left behind.
    """
    write_faiss(*living_items(view), path)


def write_faiss(ids: NDArray[np.int64], codes: NDArray[np.uint8], path: Path) -> None:
    """The same of items with these ids ``int64[n]`` and codes ``uint8[n, bits/8]``."""
    faiss, digest = faiss_module(), _digest_of(path)
    if path.exists():
        raise InvalidArgument(f"{path} exists: give another name or remove it", field="path")
    index = faiss.IndexBinaryIDMap2(faiss.IndexBinaryFlat(8 * codes.shape[1]))
    index.add_with_ids(codes, ids)
    try:
        with disk_errors(str(path)):
            found = write_durably(path, faiss.serialize_index_binary(index).data)
            digest.unlink(missing_ok=True)
            write_durably(digest, f"{found}  {path.name}\n".encode())
            fsync_folder(path.parent)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def import_faiss(path: Path, kind: IndexKind = IndexKind.AUTO, *, watermark: int = 0) -> LiveIndex:
    """A live index of the items of a FAISS binary index file; raises as :func:`read_faiss` does."""
    ids, codes, bits = read_faiss(path)
    live = LiveIndex(bits, kind)
    live.apply(ids, codes, np.zeros(0, np.int64), watermark)
    return live


def read_faiss(path: Path) -> tuple[NDArray[np.int64], NDArray[np.uint8], int]:
    """Ids ``int64[n]``, codes ``uint8[n, bits/8]`` and bits of a FAISS binary index file.

    It may be flat, IVF or HNSW, with or without an id map.

    Raises:
        NotFound: there is no such file.
        Corrupt: it differs from the sha256 beside it.
        InvalidArgument: FAISS cannot read it, it holds an id twice, or its codes cannot be had back.
    """
    if not path.is_file():
        raise NotFound(f"there is no file {path}", field="path")
    digest = _digest_of(path)
    if digest.exists() and digest.read_text().split()[:1] != [sha256_of(path)]:
        raise Corrupt(f"{path} does not match {digest}: export it again")
    ids, codes, bits = _read(path)
    if len(np.unique(ids)) < len(ids):
        raise InvalidArgument(f"{path} holds an id more than once", field="path")
    return ids, codes, bits


def living_items(view: View) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Ids ``int64[n]`` and codes ``uint8[n, bits/8]`` of every living item of a view."""
    rows = set_places(view.tail.items)
    ids, words = [view.tail.ids[rows]], [words_at(view.tail.blocks, rows)]
    for held in view.held:
        places = held.living()
        ids.append(held.segment.item_ids(places))
        words.append(held.segment.item_words(places))
    return np.concatenate(ids), to_codes(np.concatenate(words), view.bits)


def _read(path: Path) -> tuple[NDArray[np.int64], NDArray[np.uint8], int]:
    faiss = faiss_module()
    try:
        outer = faiss.read_index_binary(str(path))
        ids, inner = np.arange(outer.ntotal, dtype=np.int64), outer
        if isinstance(outer, faiss.IndexBinaryIDMap | faiss.IndexBinaryIDMap2):
            ids = faiss.vector_to_array(outer.id_map).astype(np.int64)
            # The outer index owns the inner one and has to outlive it.
            inner = faiss.downcast_IndexBinary(outer.index)
        return ids, _codes(faiss, inner), int(outer.d)
    except RuntimeError as error:
        raise InvalidArgument(f"FAISS cannot read {path}: {str(error).splitlines()[0]}", field="path") from error


def _codes(faiss: Any, index: Any) -> NDArray[np.uint8]:
    store = faiss.downcast_IndexBinary(index.storage) if isinstance(index, faiss.IndexBinaryHNSW) else index
    if isinstance(store, faiss.IndexBinaryIVF):
        store.make_direct_map()
    codes: NDArray[np.uint8] = store.reconstruct_n(0, store.ntotal)
    return codes


def _digest_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")
