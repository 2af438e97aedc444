"""What encoders with a decoder make, as contents of their own kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hashsvc import ingest
from hashsvc.app.refusing import check_count
from hashsvc.errors import InvalidArgument, InvalidContent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hashsvc.app.encoding import LoadedEncoders
    from hashsvc.domain.encoders import Made
    from hashsvc.encoders import Decoded, Encoder

LAST_SEED = 2**32 - 1


class Maker:
    """One encoder, asked to lead back from latents.

    Args:
        loaded: the store's encoders.
        fingerprint: which of them.
        most: contents of one call.

    Raises:
        FailedPrecondition: it keeps no decoder.
    """

    def __init__(self, loaded: LoadedEncoders, fingerprint: str, most: int) -> None:
        from hashsvc.encoders.generation import looking  # torch takes seconds to import: only those who ask pay for it

        self._free = looking
        self._bounded = loaded.get(fingerprint)
        self._encoder: Encoder = looking.decoder_of(loaded.unbounded(fingerprint))[0]
        self._most = most

    def reconstruct(self, contents: Sequence[bytes]) -> list[Made]:
        """See :meth:`Service.reconstruct`."""
        check_count(len(contents), "contents", self._most)
        items = ingest.decode_all(self._bounded, contents)
        return self._free.made(self._encoder, self._free.reconstruct(self._encoder, items))

    def generate(self, count: int, seed: int) -> list[Made]:
        """See :meth:`Service.generate`."""
        check_count(count, "count", self._most)
        if not 0 <= seed <= LAST_SEED:
            raise InvalidArgument(f"seed must be 0 to {LAST_SEED}, not {seed}", field="seed")
        return self._free.made(self._encoder, self._free.generate(self._encoder, count, seed=seed))

    def interpolate(self, first: bytes, last: bytes, steps: int) -> list[Made]:
        """See :meth:`Service.interpolate`."""
        check_count(steps, "steps", self._most)
        path = self._free.interpolate(self._encoder, self._item(first, "first"), self._item(last, "last"), steps)
        return self._free.made(self._encoder, path)

    def _item(self, content: bytes, field: str) -> Decoded:
        try:
            return self._bounded.decode(content)
        except InvalidContent as error:
            raise error.at(field) from None
