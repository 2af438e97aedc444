"""Readers: files and tables on any fsspec file system, as items and dead letters."""

from hashsvc.readers.columns import Columns
from hashsvc.readers.files import UNIT_BYTES, UNIT_ROWS, Spec, local_path
from hashsvc.readers.source import Source, open_source, prefixes, read_all

__all__ = [
    "UNIT_BYTES",
    "UNIT_ROWS",
    "Columns",
    "Source",
    "Spec",
    "local_path",
    "open_source",
    "prefixes",
    "read_all",
]
