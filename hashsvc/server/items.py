"""The Items service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hashsvc.domain.items import Outcome, Written, check_key
from hashsvc.errors import HashsvcError, InvalidArgument
from hashsvc.server.requests import collection_named, filter_of, mask_of, page_size_of, request_id_of
from hashsvc.v1 import items_pb2, items_pb2_grpc
from hashsvc.wire.enums import OUTCOME
from hashsvc.wire.errors import write_error
from hashsvc.wire.items import STORED_FIELDS, read_item, write_stored, write_witnesses

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import grpc

    from hashsvc.domain.items import Item, Witness
    from hashsvc.domain.kinds import Kind
    from hashsvc.domain.service import Service
    from hashsvc.settings import Limits


class ItemsServicer(items_pb2_grpc.ItemsServicer):
    """Translates; the store decides."""

    def __init__(self, store: Service, limits: Limits) -> None:
        self._store = store
        self._limits = limits

    def Upsert(self, request: items_pb2.UpsertRequest, context: grpc.ServicerContext) -> items_pb2.UpsertResponse:
        name = collection_named(request.collection)
        request_id = request_id_of(request)
        kind = self._store.collection(name).kind
        items = [read_item(item, kind, f"items[{i}]") for i, item in enumerate(request.items)]
        written = self._store.upsert(name, items, request_id=request_id, novelty=_novelty_of(request))
        return items_pb2.UpsertResponse(
            outcomes=_numbers(written), watermark=written.watermark, witnesses=write_witnesses(written.witnesses)
        )

    def UpsertStream(
        self, requests: Iterator[items_pb2.UpsertStreamRequest], context: grpc.ServicerContext
    ) -> Iterator[items_pb2.UpsertStreamResponse]:
        name, kind, novelty = "", None, None
        for request in requests:
            if not name or request.collection not in {"", name}:
                if name:
                    raise InvalidArgument(f"this stream writes to {name!r} only", field="collection")
                name = collection_named(request.collection)
            kind = kind or self._store.collection(name).kind
            novelty = _novelty_of(request) if request.HasField("novelty") else novelty
            yield self._write_batch(name, kind, request, novelty)

    def _write_batch(
        self, name: str, kind: Kind, request: items_pb2.UpsertStreamRequest, novelty: int | None
    ) -> items_pb2.UpsertStreamResponse:
        taken, errors = _read_rows(request.items, kind)
        outcomes = [Outcome.REFUSED] * len(request.items)
        witnesses: dict[int, Witness] = {}
        watermark = None
        done = 0
        for written in self._store.upsert_stream(name, list(taken.values()), novelty=novelty):
            positions = list(taken)[done : done + len(written.outcomes)]
            for position, outcome in zip(positions, written.outcomes, strict=True):
                outcomes[position] = outcome
            errors.update({positions[i]: _moved(error, i, positions[i]) for i, error in written.errors.items()})
            witnesses.update({positions[i]: witness for i, witness in written.witnesses.items()})
            watermark = written.watermark
            done += len(written.outcomes)
        response = items_pb2.UpsertStreamResponse(
            batch=request.batch,
            outcomes=[OUTCOME.write(outcome) for outcome in outcomes],  # type: ignore[misc]
            watermark=self._store.collection(name).watermark if watermark is None else watermark,
            witnesses=write_witnesses(witnesses),
        )
        for position in sorted(errors):
            write_error(response.errors.add(position=position).error, errors[position])
        return response

    def Get(self, request: items_pb2.GetItemsRequest, context: grpc.ServicerContext) -> items_pb2.GetItemsResponse:
        name = collection_named(request.collection)
        keys = [check_key(key, f"keys[{i}]") for i, key in enumerate(request.keys)]
        names = mask_of(request.read_mask, STORED_FIELDS, "read_mask")
        return items_pb2.GetItemsResponse(
            items=[write_stored(item, names) for item in self._store.get_items(name, keys)]
        )

    def GetContent(
        self, request: items_pb2.GetContentRequest, context: grpc.ServicerContext
    ) -> items_pb2.GetContentResponse:
        name = collection_named(request.collection)
        return items_pb2.GetContentResponse(content=self._store.content(name, check_key(request.key)))

    def List(self, request: items_pb2.ListItemsRequest, context: grpc.ServicerContext) -> items_pb2.ListItemsResponse:
        names = mask_of(request.read_mask, STORED_FIELDS, "read_mask")
        page = self._store.list_items(
            collection_named(request.collection),
            filter=filter_of(request),
            page_size=page_size_of(request, self._limits.max_page),
            page_token=request.page_token,
        )
        return items_pb2.ListItemsResponse(
            items=[write_stored(item, names) for item in page.items], next_page_token=page.next_token
        )

    def Delete(
        self, request: items_pb2.DeleteItemsRequest, context: grpc.ServicerContext
    ) -> items_pb2.DeleteItemsResponse:
        name = collection_named(request.collection)
        request_id = request_id_of(request)
        which = request.WhichOneof("selection")
        if which is None:
            raise InvalidArgument("say what to delete: keys, or a filter", field="keys")
        if which == "filter":
            written = self._store.delete_items(name, filter=filter_of(request), request_id=request_id)
        else:
            keys = [check_key(key, f"keys[{i}]") for i, key in enumerate(request.keys.keys)]
            written = self._store.delete_items(name, keys=keys, request_id=request_id)
        return items_pb2.DeleteItemsResponse(outcomes=_numbers(written), watermark=written.watermark)

    def Count(
        self, request: items_pb2.CountItemsRequest, context: grpc.ServicerContext
    ) -> items_pb2.CountItemsResponse:
        count = self._store.count_items(collection_named(request.collection), filter=filter_of(request))
        return items_pb2.CountItemsResponse(count=count)


def _numbers(written: Written) -> list[items_pb2.Outcome]:
    return [OUTCOME.write(outcome) for outcome in written.outcomes]  # type: ignore[misc]


def _novelty_of(request: items_pb2.UpsertRequest | items_pb2.UpsertStreamRequest) -> int | None:
    """The radius within which nothing may lie; None where it does not matter."""
    return request.novelty.radius if request.HasField("novelty") else None


def _read_rows(messages: Sequence[items_pb2.Item], kind: Kind) -> tuple[dict[int, Item], dict[int, HashsvcError]]:
    """The items that can be read and the errors of the others, both by position."""
    taken, errors = {}, {}
    for position, message in enumerate(messages):
        try:
            taken[position] = read_item(message, kind, f"items[{position}]")
        except HashsvcError as error:
            errors[position] = error
    return taken, errors


def _moved(error: HashsvcError, told: int, position: int) -> HashsvcError:
    """The error with its field under the item's position in the batch that the caller sent."""
    if error.field is not None:
        error.field = error.field.replace(f"items[{told}]", f"items[{position}]", 1)
    return error
