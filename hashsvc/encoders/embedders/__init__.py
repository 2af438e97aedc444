"""Embedders: models that others have trained, from a local folder; they turn texts and pictures into vectors.

A vector is content of its own kind: what an embedder gives is trained on, ingested and searched like any vectors.
Nothing is fetched from anywhere, and nothing but safetensors is read as weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hashsvc.domain.kinds import Kind
from hashsvc.encoders.embedders.embedder import Embedder, check_folder
from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Embedder", "embed", "open_embedder"]


def open_embedder(folder: Path, kind: Kind) -> Embedder:
    """The embedder in a folder: sentence-transformers for texts, timm for pictures.

    Raises:
        FailedPrecondition: there is no such folder, its weights are no safetensors, or the extra is not installed.
        InvalidArgument: no embedder for this kind.
        Corrupt: the folder cannot be read as a model.
    """
    if kind not in {Kind.TEXT, Kind.IMAGE}:
        raise InvalidArgument(f"items of kind {kind} need no embedder: text and image do", field="kind")
    check_folder(folder)
    if kind is Kind.TEXT:
        from hashsvc.encoders.embedders.sentences import open_sentences  # seconds to import, and an extra

        return open_sentences(folder)
    from hashsvc.encoders.embedders.pictures import open_pictures  # seconds to import, and an extra

    return open_pictures(folder)


def embed(embedder: Embedder, contents: Sequence[bytes]) -> list[bytes]:
    """Contents of kind VECTOR, one for each text or picture.

    Raises:
        InvalidContent: an item cannot be decoded; the field names it as ``contents[i]``.
    """
    return [row.astype("<f4").tobytes() for row in embedder.vectors(contents)]
