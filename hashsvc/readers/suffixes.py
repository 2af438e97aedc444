"""Suffixes: what a file's name says about what it holds."""

from __future__ import annotations

from hashsvc.domain.kinds import Kind

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
TABLES = frozenset({".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".npy", ".tar", ".arrow"})
PACKED = (".jsonl", ".ndjson", ".csv", ".tsv")
NOT_TEXT = PICTURES | TABLES | {".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".pdf", ".so", ".pyc"}


def suffix_of(path: str) -> str:
    """The suffix that tells a file's format, in lower case; .gz is looked through for formats of lines."""
    name = path.rsplit("/", 1)[-1].lower()
    if name.endswith(".gz") and name.removesuffix(".gz").endswith(PACKED):
        name = name.removesuffix(".gz")
    return f".{name.rsplit('.', 1)[1]}" if "." in name.lstrip(".") else ""


def is_item(kind: Kind, path: str) -> bool:
    """Whether a file is one item of the kind by itself: a picture by its suffix, a text by having no other."""
    suffix = suffix_of(path)
    if kind is Kind.IMAGE:
        return suffix in PICTURES
    return kind is Kind.TEXT and suffix not in NOT_TEXT
