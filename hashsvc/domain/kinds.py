"""The closed vocabularies: what an item can be, what a collection keeps of it, how it is indexed."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What an item's bytes are.

    TEXT is UTF-8; IMAGE is an encoded picture (PNG, JPEG, ...); VECTOR is float32 values, little-endian;
    CODE items have no bytes: their code is given, not computed.
    """

    TEXT = "text"
    IMAGE = "image"
    VECTOR = "vector"
    CODE = "code"


class ContentMode(StrEnum):
    """What a collection keeps of an item beside its code: its bytes, where it came from, int8 features, or nothing."""

    BYTES = "bytes"
    REFERENCE = "reference"
    FEATURES = "features"
    NONE = "none"


class IndexKind(StrEnum):
    """How a collection's codes are searched; AUTO lets the planner choose for each query.

    REFERENCE, SCAN, TABLES, FLAT and DEVICE (a GPU, for large batches) are exact; IVF and HNSW are approximate.
    """

    AUTO = "auto"
    REFERENCE = "reference"
    SCAN = "scan"
    TABLES = "tables"
    FLAT = "flat"
    IVF = "ivf"
    HNSW = "hnsw"
    DEVICE = "device"


class FieldType(StrEnum):
    """Type of a declared (indexed) metadata field."""

    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    STRINGS = "strings"
