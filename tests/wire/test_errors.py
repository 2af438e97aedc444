"""Every kind of error crosses the wire as itself."""

import pytest
from google.rpc import code_pb2, status_pb2

from hashsvc import errors
from hashsvc.errors import HashsvcError
from hashsvc.v1 import types_pb2
from hashsvc.wire.errors import CODES, code_of, read_error, read_status, write_error, write_status

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, HashsvcError) and kind is not HashsvcError
]


def parts(error: HashsvcError) -> tuple[object, ...]:
    return type(error), error.message, error.field, error.reason, error.retry_after


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_a_code_and_comes_back(kind: type[HashsvcError]) -> None:
    assert kind in CODES
    for error in (kind("plain"), kind("all", field="queries[3].vector", reason="SPECIAL", retry_after=1.25)):
        assert parts(read_status(write_status(error))) == parts(error)
    message = types_pb2.Error()
    write_error(message, kind("in a row", field="items[2]", retry_after=0.5))
    assert parts(read_error(message)) == (kind, "in a row", "items[2]", kind.reason, 0.5)


def test_a_kind_of_tomorrow_has_its_parents_code() -> None:
    class Odd(errors.NotFound):
        pass

    assert code_of(Odd("x")) == code_pb2.NOT_FOUND
    assert type(read_status(write_status(Odd("x")))) is errors.NotFound


def test_a_status_of_another_server_still_has_a_kind() -> None:
    for code, kind in ((code_pb2.UNAVAILABLE, errors.Unavailable), (code_pb2.OUT_OF_RANGE, errors.Internal)):
        assert type(read_status(status_pb2.Status(code=code, message="proxy"))) is kind


def test_long_messages_fit_a_header() -> None:
    status = write_status(errors.InvalidArgument("x" * 10**6, field="y" * 10**6))
    assert status.ByteSize() < 8_000
