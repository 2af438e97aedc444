"""Requests from the arguments of the verbs, and answers that come in several parts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from google.protobuf import field_mask_pb2

from hashsvc.domain.kinds import Kind
from hashsvc.domain.neighbours import Answer, Neighbours
from hashsvc.errors import Internal, InvalidArgument
from hashsvc.v1 import collections_pb2, encoders_pb2, encoding_pb2, items_pb2, jobs_pb2, search_pb2
from hashsvc.wire.answers import read_matches
from hashsvc.wire.collections import write_fields
from hashsvc.wire.content import write_content
from hashsvc.wire.documents import write_document
from hashsvc.wire.enums import CONTENT_MODE, INDEX_KIND, JOB_KIND
from hashsvc.wire.filters import write_filter
from hashsvc.wire.items import write_item
from hashsvc.wire.queries import write_query, write_rerank

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from hashsvc.domain.encoders import EncoderVersion
    from hashsvc.domain.filters import Node
    from hashsvc.domain.items import Item
    from hashsvc.domain.jobs import JobKind
    from hashsvc.domain.kinds import ContentMode, FieldType, IndexKind
    from hashsvc.domain.queries import Query, Rerank

WITHOUT_METADATA = field_mask_pb2.FieldMask(paths=["ids", "distances", "keys"])
ONLY_NUMBERS = field_mask_pb2.FieldMask(paths=["ids", "distances"])
UINT32 = 2**32


def _unsigned(value: int, field: str) -> int:
    """``value`` if the wire can carry it: what is negative or huge would fail without naming its field."""
    if not 0 <= value < UINT32:
        raise InvalidArgument(f"{field} must not be negative or beyond 32 bits, but is {value}", field=field)
    return value


def create_collection(
    name: str,
    *,
    encoder: str | None,
    bits: int | None,
    content: ContentMode,
    fields: Mapping[str, FieldType],
    index: IndexKind,
) -> collections_pb2.CreateCollectionRequest:
    """See :meth:`Service.create_collection`."""
    request = collections_pb2.CreateCollectionRequest()
    wanted = request.collection
    wanted.name = name
    wanted.encoder = encoder or ""
    wanted.bits = _unsigned(bits or 0, "bits")
    wanted.content = CONTENT_MODE.write(content)  # type: ignore[assignment]
    wanted.index = INDEX_KIND.write(index)  # type: ignore[assignment]
    write_fields(wanted, fields)
    return request


def update_collection(
    name: str, fields: Mapping[str, FieldType] | None, index: IndexKind | None
) -> collections_pb2.UpdateCollectionRequest:
    """See :meth:`Service.update_collection`."""
    request = collections_pb2.UpdateCollectionRequest()
    request.collection.name = name
    if fields is not None:
        request.update_mask.paths.append("fields")
        write_fields(request.collection, fields)
    if index is not None:
        request.update_mask.paths.append("index")
        request.collection.index = INDEX_KIND.write(index)  # type: ignore[assignment]
    return request


def upsert(
    collection: str, kind: Kind, items: Sequence[Item], request_id: str, novelty: int | None = None
) -> items_pb2.UpsertRequest:
    """See :meth:`Service.upsert`."""
    return items_pb2.UpsertRequest(
        collection=collection,
        items=[write_item(item, kind, f"items[{i}]") for i, item in enumerate(items)],
        request_id=request_id,
        novelty=write_novelty(novelty),
    )


def write_novelty(radius: int | None) -> items_pb2.Novelty | None:
    """The message that asks to store only what has nothing within a radius."""
    return None if radius is None else items_pb2.Novelty(radius=_unsigned(radius, "novelty.radius"))


def list_items(collection: str, filter: Node | None, page_size: int, page_token: str) -> items_pb2.ListItemsRequest:
    """See :meth:`Service.list_items`."""
    return items_pb2.ListItemsRequest(
        collection=collection, filter=write_filter(filter), page_size=page_size, page_token=page_token
    )


def delete_items(
    collection: str, keys: Sequence[str], filter: Node | None, request_id: str
) -> items_pb2.DeleteItemsRequest:
    """See :meth:`Service.delete_items`."""
    if bool(keys) == (filter is not None):
        raise InvalidArgument("give keys or a filter, exactly one of the two", field="keys")
    if filter is not None:
        return items_pb2.DeleteItemsRequest(collection=collection, filter=write_filter(filter), request_id=request_id)
    return items_pb2.DeleteItemsRequest(collection=collection, keys=items_pb2.Keys(keys=keys), request_id=request_id)


def count_items(collection: str, filter: Node | None) -> items_pb2.CountItemsRequest:
    """See :meth:`Service.count_items`."""
    return items_pb2.CountItemsRequest(collection=collection, filter=write_filter(filter))


def search(
    collection: str,
    queries: Sequence[Query],
    k: int,
    filter: Node | None,
    *,
    keys: bool = True,
    metadata: bool,
    rerank: Rerank | None = None,
    effort: int = 0,
    exact: bool = False,
) -> search_pb2.SearchRequest:
    """See :meth:`Service.search`."""
    return search_pb2.SearchRequest(
        collection=collection,
        queries=[write_query(query, f"queries[{i}]") for i, query in enumerate(queries)],
        k=_unsigned(k, "k"),
        filter=write_filter(filter),
        read_mask=None if metadata else WITHOUT_METADATA if keys else ONLY_NUMBERS,
        rerank=write_rerank(rerank) if rerank else None,
        effort=_unsigned(effort, "effort"),
        exact=exact,
    )


def search_arrays(collection: str, queries: NDArray[Any], k: int, filter: Node | None) -> search_pb2.SearchRequest:
    """A search whose queries are the rows of an array: uint8 codes or float vectors."""
    if queries.ndim != 2 or queries.dtype.kind not in "uf" or (queries.dtype.kind == "u" and queries.itemsize != 1):
        raise InvalidArgument(
            f"queries are uint8[m, bits/8] codes or float32[m, d] vectors, not {queries.dtype}{list(queries.shape)}",
            field="queries",
        )
    if queries.dtype == np.uint8:
        messages = [search_pb2.Query(code=row.tobytes()) for row in queries]
    else:
        messages = [search_pb2.Query(vector=row.tobytes()) for row in queries.astype("<f4")]
    return search_pb2.SearchRequest(
        collection=collection,
        queries=messages,
        k=_unsigned(k, "k"),
        filter=write_filter(filter),
        read_mask=ONLY_NUMBERS,
    )


def read_neighbours(response: search_pb2.SearchResponse) -> Neighbours:
    """The columns of all answers, one behind the other."""
    counts = [len(answer.matches.ids) for answer in response.answers]
    return Neighbours(
        offsets=np.cumsum([0, *counts], dtype=np.int64),
        ids=np.concatenate([np.empty(0, np.int64), *(np.array(a.matches.ids, np.int64) for a in response.answers)]),
        distances=np.concatenate(
            [np.empty(0, np.int32), *(np.array(a.matches.distances, np.int32) for a in response.answers)]
        ),
        exact=all(answer.exact for answer in response.answers),
        complete=all(answer.complete for answer in response.answers),
    )


def within(
    collection: str, query: Query, radius: int, filter: Node | None, *, metadata: bool
) -> search_pb2.WithinRequest:
    """See :meth:`Service.within`."""
    return search_pb2.WithinRequest(
        collection=collection,
        query=write_query(query, "query"),
        radius=_unsigned(radius, "radius"),
        filter=write_filter(filter),
        read_mask=None if metadata else WITHOUT_METADATA,
    )


def read_within(parts: Iterable[search_pb2.WithinResponse]) -> Answer:
    """The answer whose summary and pieces ``parts`` are."""
    pieces = list(read_pieces(parts))
    matches = tuple(match for piece in pieces for match in piece.matches)
    return replace(pieces[-1], matches=matches, total=len(matches))


def read_pieces(parts: Iterable[search_pb2.WithinResponse]) -> Iterator[Answer]:
    """The pieces of an answer, at least one; the last is not complete where fewer came than were announced."""
    answer, seen = None, 0
    for part in parts:
        if part.WhichOneof("part") == "summary":
            one = part.summary
            answer = Answer((), one.watermark, one.exact, one.complete, one.encoder, one.total)
        elif answer is not None:
            if seen:
                yield answer
            answer = replace(answer, matches=read_matches(part.matches))
            seen += len(answer.matches)
    if answer is None or seen > answer.total:
        raise Internal("the server's answer is not whole")
    yield replace(answer, complete=answer.complete and seen == answer.total)


def encode(version: EncoderVersion, contents: Sequence[bytes]) -> encoding_pb2.EncodeRequest:
    """See :meth:`Service.encode`."""
    request = encoding_pb2.EncodeRequest(encoder=version.label)
    for position, content in enumerate(contents):
        write_content(request.contents.add(), version.spec.kind, content, f"contents[{position}]")
    return request


def reconstruct(version: EncoderVersion, contents: Sequence[bytes]) -> encoders_pb2.ReconstructRequest:
    """See :meth:`Service.reconstruct`."""
    request = encoders_pb2.ReconstructRequest(encoder=version.label)
    for position, content in enumerate(contents):
        write_content(request.contents.add(), version.spec.kind, content, f"contents[{position}]")
    return request


def generate(encoder: str, count: int, seed: int) -> encoders_pb2.GenerateRequest:
    """See :meth:`Service.generate`."""
    return encoders_pb2.GenerateRequest(encoder=encoder, count=_unsigned(count, "count"), seed=_unsigned(seed, "seed"))


def interpolate(version: EncoderVersion, first: bytes, last: bytes, steps: int) -> encoders_pb2.InterpolateRequest:
    """See :meth:`Service.interpolate`."""
    request = encoders_pb2.InterpolateRequest(encoder=version.label, steps=_unsigned(steps, "steps"))
    write_content(request.first, version.spec.kind, first, "first")
    write_content(request.last, version.spec.kind, last, "last")
    return request


def create_job(kind: JobKind, spec: Mapping[str, Any], request_id: str) -> jobs_pb2.CreateJobRequest:
    """See :meth:`Service.create_job`."""
    request = jobs_pb2.CreateJobRequest(request_id=request_id)
    request.kind = JOB_KIND.write(kind)  # type: ignore[assignment]
    write_document(request.spec, spec, "spec")
    return request
