"""Benches that other processes open; most without importing an encoder: they start in a second."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hashsvc.catalog import open_catalog
from hashsvc.content import Blobs
from hashsvc.ingest import Bench, IngestSpec
from hashsvc.ingest.helpers import Decoder, Helpers

if TYPE_CHECKING:
    from hashsvc.encoders.contract import Decoded


def open_codes(folder: Path, spec: Mapping[str, Any]) -> Bench:
    return open_codes_at(f"sqlite:///{folder / 'catalog.sqlite3'}", folder, spec)


def open_codes_at(url: str, folder: Path, spec: Mapping[str, Any]) -> Bench:
    catalog = open_catalog(url)
    held = catalog.collections.get("codes")
    return Bench(catalog, Blobs(str(folder / "blobs")), held, None, IngestSpec.of(spec).open(held))


def die_at_once() -> Bench:
    os._exit(7)


class Poisoned:
    """A decoder that dies of one content."""

    def __init__(self, inner: Decoder) -> None:
        self._inner = inner

    def decode(self, content: bytes) -> Decoded:
        if content == b"POISON":
            os._exit(9)
        return self._inner.decode(content)


def open_poisoned(folder: Path) -> Decoder:
    from hashsvc.encoders import load

    return Poisoned(load(folder / "encoder"))


def open_with_helper(folder: Path, spec: dict[str, object]) -> Bench:
    from tests.ingest.workplace import open_bench

    return replace(open_bench(folder, spec), decode=Helpers(partial(open_poisoned, folder), 1).decode)
