"""An encoder with a decoder and the items it is shown: behind a door, or loaded from the store itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from hashsvc.cli.doors import local_store, service
from hashsvc.cli.made import file_for
from hashsvc.domain.items import Item
from hashsvc.domain.kinds import Kind
from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hashsvc.domain.encoders import EncoderVersion
    from hashsvc.domain.service import Service
    from hashsvc.encoders import Decoded, Encoder


@dataclass(frozen=True, slots=True)
class Looked:
    """An encoder as loaded, and items it has decoded with the group each belongs to."""

    encoder: Encoder
    items: Sequence[Decoded]
    groups: Sequence[str]


@contextmanager
def asking(
    label: str, store: str | None, server: str | None, out: Path | None
) -> Iterator[tuple[Service, EncoderVersion]]:
    """The store or the server, and the encoder there.

    Raises:
        InvalidArgument: it makes pictures, and there is no file for them.
    """
    with service(store, server, role="worker") as door:
        version = door.encoder(label)
        if version.spec.kind is not Kind.TEXT:
            file_for(out)
        yield door, version


@contextmanager
def looking(
    label: str,
    store: str | None,
    sources: Sequence[str] = (),
    count: int = 0,
    content: str | None = None,
    *,
    by: str | None = None,
    seed: int = 0,
) -> Iterator[Looked]:
    """The encoder and ``count`` items of the sources, drawn by the seed.

    Raises:
        FailedPrecondition: the encoder keeps no decoder.
        InvalidArgument: the sources hold nothing that can be read.
    """
    with local_store(store, role="worker") as held:
        version = held.encoder(label)
        from hashsvc.encoders import load
        from hashsvc.encoders.generation.looking import decoder_of

        encoder, _ = decoder_of(load(held.folders.path(version.spec.fingerprint)))
        found = drawn(sources, version.spec.kind, count, content, seed) if sources else []
        groups = [_group(item, by) for item in found]
        yield Looked(encoder, [encoder.decode(item.content or b"") for item in found], groups)


def drawn(sources: Sequence[str], kind: Kind, count: int, content: str | None, seed: int) -> list[Item]:
    """``count`` items of the sources, drawn by the seed.

    Raises:
        InvalidArgument: the sources hold nothing that can be read.
    """
    import numpy as np

    from hashsvc.readers import Columns, open_source, prefixes, read_all

    opened = [
        open_source(location, kind=kind, columns=Columns(content=content), prefix=prefix)
        for location, prefix in zip(sources, prefixes(sources), strict=True)
    ]
    try:
        for source in opened:
            source.check()
        found = [row for row in read_all(opened) if isinstance(row, Item) and row.content is not None]
    finally:
        for source in opened:
            source.close()
    if not found:
        raise InvalidArgument(f"the sources hold no {kind} that can be read", field="SOURCE")
    order = np.random.default_rng(seed).permutation(len(found)).tolist()
    return [found[place] for place in islice(order, count)]


def _group(item: Item, by: str | None) -> str:
    if by is None:
        return item.key.rpartition("/")[0].rpartition("/")[2]
    if by not in item.metadata:
        raise InvalidArgument(f"item {item.key!r} has no metadata field {by!r} to take its colour from", field="--by")
    return str(item.metadata[by])
