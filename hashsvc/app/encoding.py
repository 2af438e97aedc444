"""Encoders as loaded: each encoder version is read and verified once a process."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from hashsvc.errors import FailedPrecondition

if TYPE_CHECKING:
    from pathlib import Path

    from hashsvc.encoders import Encoder


class LoadedEncoders:
    """Encoders of one folder by fingerprint.

    Args:
        folder: holds one encoder folder for each fingerprint.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._loaded: dict[str, Encoder] = {}

    def get(self, fingerprint: str) -> Encoder:
        """The encoder, loaded and checked against its golden codes at first use.

        Raises:
            FailedPrecondition: its folder is missing from this store.
            Corrupt: the folder does not match its fingerprint or its golden codes.
        """
        encoder = self._loaded.get(fingerprint)
        if encoder is None:
            with self._lock:
                encoder = self._loaded.get(fingerprint) or self._load(fingerprint)
                self._loaded[fingerprint] = encoder
        return encoder

    def _load(self, fingerprint: str) -> Encoder:
        from hashsvc.encoders import load  # torch takes seconds to import: only those who encode pay for it

        folder = self._folder / fingerprint
        if not folder.is_dir():
            raise FailedPrecondition(
                f"encoder folder {folder} is missing: copy it there from the machine that trained it",
                reason="ENCODER_MISSING",
            )
        return load(folder)
