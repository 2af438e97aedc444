"""The Collections service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf import empty_pb2

from hashsvc.domain.kinds import ContentMode, IndexKind
from hashsvc.errors import InvalidArgument, PermissionDenied
from hashsvc.server.guard import CALLER
from hashsvc.server.methods import Need
from hashsvc.server.requests import collection_named, mask_of, page_of, page_size_of
from hashsvc.v1 import collections_pb2, collections_pb2_grpc
from hashsvc.wire.collections import read_fields, write_collection
from hashsvc.wire.enums import CONTENT_MODE, INDEX_KIND

if TYPE_CHECKING:
    import grpc

    from hashsvc.domain.service import Service
    from hashsvc.settings import Limits

MUTABLE = ("fields", "index")


class CollectionsServicer(collections_pb2_grpc.CollectionsServicer):
    """Translates; the store decides."""

    def __init__(self, store: Service, limits: Limits) -> None:
        self._store = store
        self._limits = limits

    def Create(
        self, request: collections_pb2.CreateCollectionRequest, context: grpc.ServicerContext
    ) -> collections_pb2.Collection:
        wanted = request.collection
        created = self._store.create_collection(
            collection_named(wanted.name, "collection.name"),
            encoder=wanted.encoder or None,
            bits=wanted.bits or None,
            content=CONTENT_MODE.read_or(wanted.content, ContentMode.BYTES, "collection.content"),
            fields=read_fields(wanted, "collection"),
            index=INDEX_KIND.read_or(wanted.index, IndexKind.AUTO, "collection.index"),
        )
        return write_collection(created)

    def Get(
        self, request: collections_pb2.GetCollectionRequest, context: grpc.ServicerContext
    ) -> collections_pb2.Collection:
        return write_collection(self._store.collection(collection_named(request.name, "name")))

    def List(
        self, request: collections_pb2.ListCollectionsRequest, context: grpc.ServicerContext
    ) -> collections_pb2.ListCollectionsResponse:
        size = page_size_of(request, self._limits.max_page)
        caller = CALLER.get()
        seen = [held for held in self._store.collections() if caller.may(Need.READ, held.name)]
        page, token = page_of(seen, lambda held: [held.name], size, request.page_token)
        return collections_pb2.ListCollectionsResponse(
            collections=[write_collection(collection) for collection in page], next_page_token=token
        )

    def Update(
        self, request: collections_pb2.UpdateCollectionRequest, context: grpc.ServicerContext
    ) -> collections_pb2.Collection:
        wanted = request.collection
        name = collection_named(wanted.name, "collection.name")
        if not request.update_mask.paths:
            raise InvalidArgument(
                f"update_mask is empty: name what to change, {' or '.join(MUTABLE)}", field="update_mask"
            )
        paths = mask_of(request.update_mask, MUTABLE, "update_mask")
        updated = self._store.update_collection(
            name,
            fields=read_fields(wanted, "collection") if "fields" in paths else None,
            index=INDEX_KIND.read(wanted.index, "collection.index") if "index" in paths else None,
        )
        return write_collection(updated)

    def Delete(
        self, request: collections_pb2.DeleteCollectionRequest, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        self._store.delete_collection(collection_named(request.name, "name"))
        return empty_pb2.Empty()

    def Switch(
        self, request: collections_pb2.SwitchCollectionRequest, context: grpc.ServicerContext
    ) -> collections_pb2.Collection:
        name, other = collection_named(request.name, "name"), collection_named(request.other, "other")
        if not CALLER.get().may(Need.ADMIN, other):
            raise PermissionDenied(f"switching takes admin of both collections, {other!r} too", field="other")
        return write_collection(self._store.switch_collection(name, other))
