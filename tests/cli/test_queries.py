from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hashsvc.cli.queries import Asked, parse_queries
from hashsvc.domain.kinds import Kind
from hashsvc.domain.queries import CodeQuery, ContentQuery, KeyQuery
from hashsvc.errors import InvalidArgument


def _asked(
    *,
    text: str | None = None,
    image: Path | None = None,
    vector: str | None = None,
    code: str | None = None,
    key: str | None = None,
) -> list[Asked]:
    return parse_queries(text=text, image=image, vector=vector, code=code, key=key)


def test_each_kind_of_query(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(b"png")
    assert _asked(text="wörter")[0].query == ContentQuery(Kind.TEXT, "wörter".encode())
    assert _asked(image=picture)[0].query == ContentQuery(Kind.IMAGE, b"png")
    assert _asked(code="00ff")[0].query == CodeQuery(b"\x00\xff")
    assert _asked(key="a/b")[0].query == KeyQuery("a/b")
    numbers = np.array([1, -2.5, 3], "<f4").tobytes()
    assert _asked(vector="1,-2.5, 3")[0].query == ContentQuery(Kind.VECTOR, numbers)


def test_a_file_of_vectors_is_one_query_a_row(tmp_path: Path) -> None:
    rows = np.arange(6, dtype=np.float64).reshape(2, 3)
    np.save(tmp_path / "rows.npy", rows)
    np.save(tmp_path / "row.npy", rows[1])
    asked = _asked(vector=str(tmp_path / "rows.npy"))
    assert [one.query for one in asked] == [ContentQuery(Kind.VECTOR, row.astype("<f4").tobytes()) for row in rows]
    assert [one.label for one in asked] == [f"{tmp_path}/rows.npy#0", f"{tmp_path}/rows.npy#1"]
    assert [one.query for one in _asked(vector=str(tmp_path / "row.npy"))] == [asked[1].query]


def test_exactly_one_query() -> None:
    with pytest.raises(InvalidArgument, match="exactly one"):
        _asked()
    with pytest.raises(InvalidArgument, match="not TEXT and --key"):
        _asked(text="a", key="b")


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"missing\.png: No such file"):
        _asked(image=tmp_path / "missing.png")
    with pytest.raises(InvalidArgument, match="hexadecimal"):
        _asked(code="0g")
    with pytest.raises(InvalidArgument, match="commas"):
        _asked(vector="1,two")
    (tmp_path / "text.npy").write_text("no numbers")
    with pytest.raises(InvalidArgument, match=r"no \.npy file"):
        _asked(vector=str(tmp_path / "text.npy"))
    np.save(tmp_path / "cube.npy", np.zeros((2, 2, 2)))
    with pytest.raises(InvalidArgument, match="shape"):
        _asked(vector=str(tmp_path / "cube.npy"))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InvalidArgument, match=r"no \.npy file"):
        _asked(vector=str(tmp_path / "objects.npy"))
