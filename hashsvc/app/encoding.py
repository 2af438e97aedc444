"""Encoders: their folders on this machine, and as loaded, read and verified once a process."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from hashsvc.content import Depot
from hashsvc.errors import FailedPrecondition, InvalidContent, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from hashsvc.encoders import Decoded, Encoder
    from hashsvc.settings import Limits


class EncoderFolders:
    """One folder for each fingerprint on this machine; what other machines trained is fetched when first asked for.

    Args:
        folder: holds them.
        shared: fsspec URL of the depot through which machines share them; "" for none.
    """

    def __init__(self, folder: Path, shared: str = "") -> None:
        self.folder = folder
        self._depot = Depot(shared) if shared else None

    def path(self, fingerprint: str) -> Path:
        """The folder of an encoder; whoever loads it compares it with its fingerprint.

        Raises:
            FailedPrecondition: it is neither here nor shared.
            Corrupt: what was fetched is not what was sent.
            Unavailable: the depot does not answer.
        """
        folder = self.folder / fingerprint
        if not folder.is_dir() and self._depot is not None:
            with suppress(NotFound):
                self._depot.fetch(fingerprint, folder)
        if not folder.is_dir():
            raise FailedPrecondition(
                f"encoder folder {folder} is missing: copy it there from the machine that trained it",
                reason="ENCODER_MISSING",
            )
        return folder

    def share(self, fingerprint: str) -> None:
        """Let other machines fetch a folder that is complete; raises Unavailable."""
        if self._depot is not None:
            self._depot.send(fingerprint, self.folder / fingerprint)


class LoadedEncoders:
    """Encoders by fingerprint.

    Args:
        folders: where they are read from.
        limits: what one item's content may have.
        device: where codes are computed, "cpu" or "cuda:N".
    """

    def __init__(self, folders: EncoderFolders, limits: Limits, device: str = "cpu") -> None:
        self.folders = folders
        self._limits = limits
        self._device = device
        self._lock = threading.Lock()
        self._loaded: dict[str, Encoder] = {}

    def get(self, fingerprint: str) -> Encoder:
        """The encoder, loaded and checked against its golden codes at first use.

        Raises:
            FailedPrecondition: its folder is missing from this store.
            Unavailable: its folder is on another machine, and what they share does not answer.
            Corrupt: the folder does not match its fingerprint or its golden codes.
            InvalidArgument: there is no such device here.
        """
        encoder = self._loaded.get(fingerprint)
        if encoder is None:
            with self._lock:
                encoder = self._loaded.get(fingerprint) or self._load(fingerprint)
                self._loaded[fingerprint] = encoder
        return encoder

    def unbounded(self, fingerprint: str) -> Encoder:
        """As :meth:`get`, without the limit on contents."""
        found = self.get(fingerprint)
        return found.encoder if isinstance(found, Bounded) else found

    def _load(self, fingerprint: str) -> Encoder:
        from hashsvc.encoders import load, placed  # torch takes seconds to import: only those who encode pay for it

        encoder = placed(load(self.folders.path(fingerprint)), self._device)
        most = self._limits.content_bytes(encoder.spec.kind)
        return encoder if most is None else Bounded(encoder, most)


class Bounded:
    """An encoder that refuses longer contents before it looks at them.

    Args:
        encoder: without a limit.
        most: bytes of one content.
    """

    def __init__(self, encoder: Encoder, most: int) -> None:
        self.encoder = encoder
        self._most = most
        self.spec = encoder.spec
        self.model = encoder.model
        self.path = encoder.path

    def decode(self, content: bytes) -> Decoded:
        """See :meth:`Encoder.decode`."""
        if len(content) > self._most:
            raise InvalidContent(
                f"the {self.spec.kind} has {len(content):,} bytes, at most {self._most:,} are taken "
                f"(HASHSVC_MAX_{self.spec.kind.upper()}_BYTES)",
                field="content",
            )
        return self.encoder.decode(content)

    def features(self, items: Sequence[Decoded]) -> NDArray[np.float32]:
        """See :meth:`Encoder.features`."""
        return self.encoder.features(items)

    def encode(self, items: Sequence[Decoded]) -> NDArray[np.uint8]:
        """See :meth:`Encoder.encode`."""
        return self.encoder.encode(items)

    def tables(self, items: Sequence[Decoded]) -> NDArray[np.float32]:
        """See :meth:`Encoder.tables`."""
        return self.encoder.tables(items)
