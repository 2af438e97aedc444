"""The collections of a store: made, changed, deleted, with the live index and the kernel that go with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hashsvc.app.refusing import check_fields
from hashsvc.domain.collections import Collection
from hashsvc.domain.encoders import check_name
from hashsvc.errors import InvalidArgument
from hashsvc.index import prepare_device, warm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hashsvc.app.live import LiveIndexes
    from hashsvc.catalog import Catalog
    from hashsvc.domain.kinds import ContentMode, FieldType, IndexKind
    from hashsvc.settings import Settings


class Collections:
    """Rows of collections and what is made ready for each.

    Args:
        live: forgets what was changed or deleted.
        warmed: compile the search kernel, or load it, for the code length of each new collection.
    """

    def __init__(self, catalog: Catalog, live: LiveIndexes, settings: Settings, *, warmed: bool) -> None:
        self._rows = catalog.collections
        self._encoders = catalog.encoders
        self._live = live
        self._settings = settings
        self._warmed = warmed

    def create(
        self,
        name: str,
        *,
        encoder: str | None,
        bits: int | None,
        content: ContentMode,
        fields: Mapping[str, FieldType] | None,
        index: IndexKind,
    ) -> Collection:
        """See :meth:`Service.create_collection`."""
        check_name(name)
        check_fields(fields)
        if encoder is None:
            if bits is None:
                raise InvalidArgument("name an encoder, or give bits for a collection of ready codes", field="encoder")
            collection = Collection.ready(name, bits, fields=fields, index=index)
        else:
            version = self._encoders.get(encoder)
            if bits not in {None, version.spec.bits}:
                raise InvalidArgument(
                    f"encoder {version.label} makes {version.spec.bits} bits, not {bits}", field="bits"
                )
            collection = Collection.encoded(name, version, content=content, fields=fields, index=index)
        prepare_device(index, collection.bits, self._settings.device)
        made = self._rows.create(collection)
        if self._warmed:
            warm(self._settings.kernel_cache, [made.bits])
        return made

    def update(self, name: str, *, fields: Mapping[str, FieldType] | None, index: IndexKind | None) -> Collection:
        """See :meth:`Service.update_collection`."""
        check_fields(fields)
        if index is not None:
            prepare_device(index, self._rows.get(name).bits, self._settings.device)
        collection = self._rows.update(name, fields=fields, index=index)
        self._live.forget(collection)
        return collection

    def delete(self, name: str) -> None:
        """See :meth:`Service.delete_collection`."""
        collection = self._rows.get(name)
        self._rows.delete(name)
        self._live.forget(collection)

    def warm_kernel(self, least: int) -> None:
        """Compile the search kernel, or load it, for the code lengths of the collections of ``least`` items or more."""
        lengths = {collection.bits for collection in self._rows.list() if collection.items >= least}
        warm(self._settings.kernel_cache, sorted(lengths))
