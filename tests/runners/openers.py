"""Benches that other processes open without importing an encoder: they start in a second."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hashsvc.catalog import open_catalog
from hashsvc.content import Blobs
from hashsvc.ingest import Bench, IngestSpec


def open_codes(folder: Path, spec: Mapping[str, Any]) -> Bench:
    return open_codes_at(f"sqlite:///{folder / 'catalog.sqlite3'}", folder, spec)


def open_codes_at(url: str, folder: Path, spec: Mapping[str, Any]) -> Bench:
    catalog = open_catalog(url)
    held = catalog.collections.get("codes")
    return Bench(catalog, Blobs(str(folder / "blobs")), held, None, IngestSpec.of(spec).open(held))


def die_at_once() -> Bench:
    os._exit(7)
