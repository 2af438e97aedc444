"""What a search starts from, as given on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hashsvc.domain.kinds import Kind
from hashsvc.domain.queries import CodeQuery, ContentQuery, KeyQuery, Query
from hashsvc.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Asked:
    """A query and the words to show it by."""

    query: Query
    label: str


def parse_queries(
    *, text: str | None, image: Path | None, vector: str | None, code: str | None, key: str | None
) -> list[Asked]:
    """The queries of one command: exactly one of the arguments; only a ``.npy`` file can hold several.

    Args:
        text: the text itself.
        image: file of a picture.
        vector: a ``.npy`` file of shape [d] or [n, d], or numbers with commas between them.
        code: hexadecimal digits.
        key: key of a stored item.

    Raises:
        InvalidArgument: none or several were given, or it cannot be read.
    """
    given = {"TEXT": text, "--image": image, "--vector": vector, "--code": code, "--key": key}
    chosen = [name for name, value in given.items() if value is not None]
    if len(chosen) != 1:
        raise InvalidArgument(
            f"give exactly one query: {', '.join(given)}" + (f"; not {' and '.join(chosen)}" if chosen else ""),
            field=chosen[-1] if chosen else "TEXT",
        )
    if image is not None:
        return [Asked(ContentQuery(Kind.IMAGE, read_bytes(image, "--image")), str(image))]
    if vector is not None:
        return _vectors(vector)
    if code is not None:
        return [Asked(CodeQuery(parse_code(code)), code)]
    if key is not None:
        return [Asked(KeyQuery(key), key)]
    return [Asked(ContentQuery(Kind.TEXT, _utf8(text or "")), text or "")]


def read_bytes(path: Path, field: str) -> bytes:
    """The bytes of a file; InvalidArgument names it and the reason when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidArgument(f"cannot read {path}: {error.strerror}", field=field) from None


def parse_code(digits: str) -> bytes:
    """A code from hexadecimal digits."""
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise InvalidArgument(f"--code {digits!r} is not hexadecimal", field="--code") from None


def _vectors(given: str) -> list[Asked]:
    if not given.endswith(".npy"):
        return [Asked(ContentQuery(Kind.VECTOR, _numbers(given)), "vector")]
    rows = read_rows(Path(given))
    return [
        Asked(ContentQuery(Kind.VECTOR, row.tobytes()), f"{given}#{number}" if len(rows) > 1 else given)
        for number, row in enumerate(rows)
    ]


def read_rows(path: Path) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Vectors ``float32[n, d]`` of a ``.npy`` file of shape [d] or [n, d]."""
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or "it is no .npy file of numbers"
        raise InvalidArgument(f"cannot read {path}: {reason}", field="--vector") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu" or array.ndim not in {1, 2} or not array.size:
        raise InvalidArgument(f"{path} must hold numbers of shape [d] or [n, d]", field="--vector")
    rows: np.ndarray[tuple[int, int], np.dtype[np.float32]] = np.atleast_2d(array).astype("<f4")
    return rows


def _numbers(given: str) -> bytes:
    try:
        return np.array([float(part) for part in given.split(",")], "<f4").tobytes()
    except ValueError:
        raise InvalidArgument(
            f"--vector {given[:40]!r} is neither a .npy file nor numbers with commas between them", field="--vector"
        ) from None


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidArgument("the text is no valid UTF-8", field="TEXT") from None
