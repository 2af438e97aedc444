"""Where an ingest puts its items: a collection that is there, or one that is made once its sources were looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hashsvc.domain.collections import Collection
from hashsvc.domain.kinds import ContentMode, FieldType, IndexKind
from hashsvc.errors import FailedPrecondition, NotFound

if TYPE_CHECKING:
    from hashsvc.domain.service import Service
    from hashsvc.ingest import IngestSpec


@dataclass(frozen=True, slots=True)
class New:
    """What a collection is made with when it does not exist yet; None where nothing was said."""

    encoder: str | None = None
    bits: int | None = None
    content: ContentMode | None = None
    fields: Mapping[str, FieldType] = field(default_factory=dict)
    index: IndexKind | None = None


def ready(door: Service, name: str, new: New, spec: IngestSpec) -> Collection:
    """The collection, made as ``new`` says if it does not exist, after the sources were found to be readable.

    Raises:
        NotFound: it does not exist and nothing says how to make it, or there is nothing at a source.
        FailedPrecondition: it exists, and differs from what ``new`` asks for.
        InvalidArgument: a source is of no known format, or has not the columns that were asked for.
    """
    held = proposed(door, name, new)
    for source in spec.open(held):
        try:
            source.check()
        finally:
            source.close()
    if held.created_at is not None:
        return held
    return door.create_collection(
        name,
        encoder=new.encoder,
        bits=new.bits,
        content=held.content,
        fields=new.fields,
        index=held.index,
    )


def proposed(door: Service, name: str, new: New) -> Collection:
    """The collection as it is, or (without ``created_at``) as it would be made; raises as :func:`ready`."""
    try:
        held = door.collection(name)
    except NotFound as error:
        return _planned(door, name, new, error)
    for flag, asked, has in _differences(door, held, new):
        raise FailedPrecondition(
            f"collection {name!r} has {flag} {has}, not {asked}: leave out {flag}, or ingest into another collection",
            field=flag,
        )
    return held


def _planned(door: Service, name: str, new: New, error: NotFound) -> Collection:
    index = new.index or IndexKind.AUTO
    if new.encoder is not None:
        content = new.content or ContentMode.BYTES
        return Collection.encoded(name, door.encoder(new.encoder), content=content, fields=new.fields, index=index)
    if new.bits is None:
        raise NotFound(f"{error.message}; name --encoder to make it", field="collection") from error
    return Collection.ready(name, new.bits, fields=new.fields, index=index)


def _differences(door: Service, held: Collection, new: New) -> Iterator[tuple[str, Any, Any]]:
    """(flag, what it asks for, what the collection has) where the two are not the same."""
    if new.encoder is not None and held.encoder != (label := door.encoder(new.encoder).label):
        yield "--encoder", label, held.encoder or "none (ready codes)"
    for flag, asked, has in (
        ("--bits", new.bits, held.bits),
        ("--keep", new.content, held.content),
        ("--index", new.index, held.index),
    ):
        if asked is not None and asked != has:
            yield flag, asked, has
    for name, type_of in new.fields.items():
        if held.fields.get(name) != type_of:
            declared = ", ".join(f"{other}:{kind}" for other, kind in held.fields.items())
            yield "--field", f"{name}:{type_of}", declared or "none"
