"""Arrays: row numbers or an ids file beside them as keys."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hashsvc.domain.items import Item
from hashsvc.domain.kinds import Kind
from hashsvc.errors import InvalidArgument
from hashsvc.readers import open_source


def read(path: Path, kind: Kind = Kind.VECTOR, rows: int = 7) -> list[Item]:
    source = open_source(str(path), kind=kind)
    source.check()
    specs = list(source.units(rows))
    found = [row for spec in reversed(specs) for row in reversed(list(source.read(spec)))]
    source.close()
    return [row for row in reversed(found) if isinstance(row, Item)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int16])
def test_rows_become_float32(tmp_path: Path, dtype: type[np.generic]) -> None:
    array = (np.random.default_rng(0).normal(size=(40, 6)) * 10).astype(dtype)
    np.save(tmp_path / "v.npy", array)
    found = read(tmp_path / "v.npy")
    assert [item.key for item in found] == [str(i) for i in range(40)]
    assert b"".join(item.content or b"" for item in found) == array.astype("<f4").tobytes()


def test_keys_from_lines_and_from_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.ones((20, 2), np.float32))
    keys = [f"schlüssel {i}" for i in range(20)]
    (tmp_path / "v.ids.txt").write_text("\n".join(keys))
    assert [item.key for item in read(tmp_path / "v.npy", rows=3)] == keys
    (tmp_path / "v.ids.txt").unlink()
    np.save(tmp_path / "v.ids.npy", np.arange(100, 120))
    assert [item.key for item in read(tmp_path / "v.npy", rows=3)] == [str(i) for i in range(100, 120)]


def test_codes(tmp_path: Path) -> None:
    codes = np.random.default_rng(0).integers(0, 256, (9, 4), dtype=np.uint8)
    np.save(tmp_path / "c.npy", codes)
    assert b"".join(item.code or b"" for item in read(tmp_path / "c.npy", Kind.CODE)) == codes.tobytes()


def test_a_folder_of_arrays_keeps_rows_apart(tmp_path: Path) -> None:
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", np.ones((2, 2), np.float32))
    assert [item.key for item in read(tmp_path)] == ["a.npy#0", "a.npy#1", "b.npy#0", "b.npy#1"]


@pytest.mark.parametrize(
    "array",
    [np.ones(3), np.ones((2, 2, 2)), np.array([["a"]]), np.asfortranarray(np.ones((3, 2)))],
    ids=["1d", "3d", "text", "fortran"],
)
def test_arrays_that_are_no_table_are_refused(tmp_path: Path, array: NDArray[np.generic]) -> None:
    np.save(tmp_path / "v.npy", array)
    with pytest.raises(InvalidArgument, match="row-major array of numbers with two axes"):
        open_source(str(tmp_path / "v.npy"), kind=Kind.VECTOR).check()


def test_object_arrays_cut_files_and_wrong_ids_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "o.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(InvalidArgument, match="two axes"):
        open_source(str(tmp_path / "o.npy"), kind=Kind.VECTOR).check()
    np.save(tmp_path / "v.npy", np.ones((5, 5)))
    (tmp_path / "v.ids.txt").write_text("a\nb\n")
    with pytest.raises(InvalidArgument, match="2 ids for the 5 rows"):
        open_source(str(tmp_path / "v.npy"), kind=Kind.VECTOR).check()
    (tmp_path / "v.npy").write_bytes((tmp_path / "v.npy").read_bytes()[:-1])
    with pytest.raises(InvalidArgument, match="cut off"):
        open_source(str(tmp_path / "v.npy"), kind=Kind.VECTOR).check()
