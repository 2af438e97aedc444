"""JSON objects as Struct."""

import math

import pytest
from google.protobuf import struct_pb2

from hashsvc.errors import InvalidArgument
from hashsvc.wire.documents import read_document, write_document

DOCUMENT = {"a": None, "b": [1, 2.5, -(2**53), "x", [], {}], "c": {"d": True, "e": {"f": "☃"}}, "g": 0}


def test_a_document_comes_back() -> None:
    message = struct_pb2.Struct()
    write_document(message, DOCUMENT, "spec")
    assert read_document(message) == DOCUMENT
    assert isinstance(read_document(message)["g"], int)


def test_not_a_number_survives() -> None:
    message = struct_pb2.Struct()
    write_document(message, {"loss": math.nan, "far": math.inf}, "report")
    read = read_document(message)
    assert math.isnan(read["loss"])
    assert read["far"] == math.inf


@pytest.mark.parametrize(
    ("document", "field"),
    [({"a": {"b": [1, object()]}}, "spec.a.b[1]"), ({"big": 2**53 + 1}, "spec.big"), ({"bytes": b"x"}, "spec.bytes")],
)
def test_what_is_not_json_is_named(document: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        write_document(struct_pb2.Struct(), document, "spec")
    assert caught.value.field == field
