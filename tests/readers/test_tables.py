"""Every table format gives the same items, whatever the unit size and the order of units."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractBufferedFile

from hashsvc.domain.items import Item
from hashsvc.domain.jobs import DeadLetter
from hashsvc.domain.kinds import FieldType, Kind
from hashsvc.errors import FailedPrecondition, InvalidArgument, NotFound
from hashsvc.readers import Columns, Source, open_source, prefixes

ROWS = [{"id": f"k{i}", "text": f'text, number {i}\n“quoted” "{i}"', "label": i % 3} for i in range(57)]


def write_jsonl(path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))


def write_gz(path: Path) -> None:
    with gzip.open(path, "wt") as out:
        out.writelines(json.dumps(row) + "\n" for row in ROWS)


def write_csv(path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8-sig") as out:
        writer = csv.DictWriter(out, ["id", "text", "label"])
        writer.writeheader()
        writer.writerows(ROWS)


def write_parquet(path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=20)


FORMATS: list[tuple[str, Callable[[Path], None]]] = [
    ("rows.jsonl", write_jsonl),
    ("rows.jsonl.gz", write_gz),
    ("rows.csv", write_csv),
    ("rows.parquet", write_parquet),
]


def items(source: Source, rows: int = 10) -> list[Item]:
    return [row for spec in source.units(rows) for row in source.read(spec) if isinstance(row, Item)]


def everything(source: Source, rows: int = 10) -> list[Item | DeadLetter]:
    return [row for spec in source.units(rows) for row in source.read(spec)]


class RangedFile(AbstractBufferedFile):  # type: ignore[misc]
    """Reads ranges, as the files of object stores do."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        return Path(self.path).read_bytes()[start:end]


class RangedFileSystem(LocalFileSystem):  # type: ignore[misc]
    """The local disk through the file class that fsspec's object stores and servers share."""

    protocol = "ranged"

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **others: object) -> RangedFile:
        return RangedFile(self, path, mode, block_size or 1 << 12, size=Path(path).stat().st_size)

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.removeprefix("ranged://")))


fsspec.register_implementation("ranged", RangedFileSystem)


@pytest.fixture(params=["", "ranged://"], ids=["local", "ranged"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=FORMATS, ids=[name for name, _ in FORMATS])
def table(request: pytest.FixtureRequest, tmp_path: Path, protocol: str) -> Iterator[Source]:
    name, write = request.param
    write(tmp_path / name)
    location = f"{protocol}{tmp_path / name}"
    source = open_source(location, kind=Kind.TEXT, columns=Columns(types={"label": FieldType.INTEGER}))
    source.check()
    yield source
    source.close()


@pytest.mark.parametrize("rows", [1, 7, 57, 1000])
def test_units_give_every_row_once(table: Source, rows: int) -> None:
    found = items(table, rows)
    assert [item.key for item in found] == [row["id"] for row in ROWS]
    assert [(item.content or b"").decode() for item in found] == [row["text"] for row in ROWS]
    assert [item.metadata["label"] for item in found] == [row["label"] for row in ROWS]


def test_units_are_json_and_readable_alone_in_any_order(table: Source) -> None:
    specs = [json.loads(json.dumps(spec)) for spec in table.units(8)]
    forward = [list(table.read(spec)) for spec in specs]
    backward = [list(table.read(spec)) for spec in reversed(specs)]
    assert forward == backward[::-1]
    assert len(specs) >= 7


def test_units_are_cut_by_bytes_too(table: Source) -> None:
    specs = list(table.units(10_000, 500))
    assert len(specs) > 2
    assert sum(len(list(table.read(spec))) for spec in specs) == len(ROWS)


@pytest.mark.parametrize(("name", "write"), FORMATS, ids=[name for name, _ in FORMATS])
def test_a_missing_column_is_named_with_those_that_exist(
    name: str, write: Callable[[Path], None], tmp_path: Path
) -> None:
    write(tmp_path / name)
    for columns in (Columns(content="body"), Columns(key="nr"), Columns(metadata=["lable"])):
        with pytest.raises(InvalidArgument, match="id, text, label") as caught:
            open_source(str(tmp_path / name), kind=Kind.TEXT, columns=columns).check()
        assert str(caught.value.field).startswith("columns.")


def test_no_content_column_lists_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": "a", "wording": "x"}\n')
    with pytest.raises(InvalidArgument, match=r"name one of its columns: id, wording"):
        open_source(str(path), kind=Kind.TEXT).check()


def test_keys_are_file_and_row_without_a_key_column(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a"}\n\n{"text": "b"}\n')
    assert [item.key for item in items(open_source(str(path), kind=Kind.TEXT))] == ["rows.jsonl#0", "rows.jsonl#2"]


def test_chosen_metadata_columns_only(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": 1, "text": "a", "x": 1, "y": {"no": "metadata"}}\n')
    with pytest.raises(InvalidArgument, match="column 'y' cannot be metadata"):
        open_source(str(path), kind=Kind.TEXT).check()
    [item] = items(open_source(str(path), kind=Kind.TEXT, columns=Columns(metadata=["x"])))
    assert (item.key, dict(item.metadata)) == ("1", {"x": 1})


def test_bad_json_rows_cost_only_themselves(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    lines = [
        b'{"text": "a"}',
        b"{oops",
        b"[1]",
        b'{"text": 3}',
        b'"x"',
        b'{"text": "\\ud800"}',
        b'{"no": 1}',
    ]
    path.write_bytes(b"\n".join([*lines, b'{"text": "z"}']))
    rows = everything(open_source(str(path), kind=Kind.TEXT, columns=Columns(metadata=[])), 3)
    assert [isinstance(row, Item) for row in rows] == [True, *[False] * 3, False, False, False, True]
    dead = [row for row in rows if isinstance(row, DeadLetter)]
    assert [letter.row for letter in dead] == [1, 2, 3, 4, 5, 6]
    assert {letter.source for letter in dead} == {str(path)}
    assert "line 2 is no valid JSON" in dead[0].reason
    assert "content is missing" in dead[-1].reason


def test_bad_csv_rows_cost_only_themselves(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    good = [f'k{i},"line {i}\nand more",{i}\n' for i in range(20)]
    good[5] = 'k5,"never closed,5\n'
    good[9] = "k9,too,many,fields\n"
    path.write_text("id,text,n\n" + "".join(good))
    rows = everything(open_source(str(path), kind=Kind.TEXT), 4)
    assert [row.key for row in rows if isinstance(row, Item)] == [f"k{i}" for i in range(20) if i not in {5, 9}]
    assert len([row for row in rows if isinstance(row, DeadLetter)]) == 2


def test_csv_text_becomes_the_declared_type(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,text,n,f,b,s\na,x,3,0.5,true,u\nb,x,three,1,true,u\nc,x,,,,\n")
    types = {"n": FieldType.INTEGER, "f": FieldType.FLOAT, "b": FieldType.BOOLEAN, "s": FieldType.STRINGS}
    rows = everything(open_source(str(path), kind=Kind.TEXT, columns=Columns(types=types)))
    assert isinstance(rows[0], Item)
    assert dict(rows[0].metadata) == {"n": 3, "f": 0.5, "b": True, "s": ("u",)}
    assert isinstance(rows[1], DeadLetter)
    assert "'three' is no integer" in rows[1].reason
    assert isinstance(rows[2], Item)
    assert rows[2].metadata == {}


def test_a_cut_off_gzip_gives_what_can_be_read_and_one_dead_letter(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    rng = np.random.default_rng(0)
    body = "".join(json.dumps({"text": rng.bytes(60).hex()}) + "\n" for _ in range(500)).encode()
    path.write_bytes(gzip.compress(body)[:-2000])
    rows = everything(open_source(str(path), kind=Kind.TEXT), 50)
    dead = [row for row in rows if isinstance(row, DeadLetter)]
    assert len(dead) == 1
    assert "damaged or cut off" in dead[0].reason
    assert len(rows) > 100


def test_rows_of_a_damaged_parquet_page_are_dead_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=20, compression="snappy")
    first = pq.ParquetFile(path).metadata.row_group(1).column(1)
    raw = bytearray(path.read_bytes())
    start = first.dictionary_page_offset or first.data_page_offset
    raw[start : start + first.total_compressed_size] = b"\xff" * first.total_compressed_size
    path.write_bytes(raw)
    rows = everything(open_source(str(path), kind=Kind.TEXT), 10)
    assert [row.row for row in rows if isinstance(row, DeadLetter)] == list(range(20, 40))
    assert len([row for row in rows if isinstance(row, Item)]) == len(ROWS) - 20


def test_a_changed_file_is_noticed(table: Source) -> None:
    spec = next(iter(table.units(10)))
    path = Path(spec["file"])
    table.close()
    path.write_bytes(path.read_bytes() + b"\n")
    again = open_source(str(path), kind=Kind.TEXT)
    with pytest.raises(FailedPrecondition, match="changed since"):
        list(again.read(spec))


def test_mended_rows_are_read_again_alone(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a"}\n{oops\n{"text": "c"}\n{"text": 1}\n')
    source = open_source(str(path), kind=Kind.TEXT)
    dead = [row for row in everything(source) if isinstance(row, DeadLetter)]
    path.write_text('{"text": "a"}\n{"text": "mended"}\n{"text": "c"}\n{"text": "mended too"}\n')
    again = open_source(str(path), kind=Kind.TEXT)
    rows = [row for spec in again.again(dead) for row in again.read(spec)]
    assert [(row.key, row.content) for row in rows if isinstance(row, Item)] == [
        ("rows.jsonl#1", b"mended"),
        ("rows.jsonl#3", b"mended too"),
    ]


def test_vectors_from_parquet_lists_and_json(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 8)
    pq.write_table(pa.table({"id": list(range(30)), "embedding": column}), tmp_path / "v.parquet")
    (tmp_path / "v.jsonl").write_text(
        "".join(json.dumps({"id": i, "vector": row.tolist()}) + "\n" for i, row in enumerate(vectors))
    )
    for name in ("v.parquet", "v.jsonl"):
        found = items(open_source(str(tmp_path / name), kind=Kind.VECTOR))
        assert [item.key for item in found] == [str(i) for i in range(30)]
        assert b"".join(item.content or b"" for item in found) == vectors.tobytes()


def test_codes_from_hex_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("key,code\na,00ff\nb,zz\n")
    rows = everything(open_source(str(tmp_path / "c.csv"), kind=Kind.CODE))
    assert isinstance(rows[0], Item)
    assert rows[0].code == b"\x00\xff"
    assert rows[0].content is None
    assert isinstance(rows[1], DeadLetter)


def test_pictures_of_a_table_lie_under_its_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(b"picture")
    (tmp_path / "secret").write_bytes(b"secret")
    lines = ["image", "a.png", "../secret", "/etc/passwd", "data:image/png;base64,cGljdHVyZQ==", "gone.png"]
    (tmp_path / "in" / "p.csv").write_text("\n".join(line if "," not in line else f'"{line}"' for line in lines))
    rows = everything(open_source(str(tmp_path / "in" / "p.csv"), kind=Kind.IMAGE))
    assert [row.content for row in rows if isinstance(row, Item)] == [b"picture", b"picture"]
    assert [row.row for row in rows if isinstance(row, DeadLetter)] == [1, 2, 4]


def test_locations_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "x.pdf").write_bytes(b"%PDF")
    (tmp_path / "bad.parquet").write_bytes(b"no parquet")
    with pytest.raises(NotFound, match="nothing at"):
        open_source(str(tmp_path / "gone"), kind=Kind.TEXT)
    with pytest.raises(InvalidArgument, match="neither a folder nor"):
        open_source(str(tmp_path / "x.pdf"), kind=Kind.TEXT)
    with pytest.raises(InvalidArgument, match="Protocol not known"):
        open_source("nosuch://bucket/x", kind=Kind.TEXT)
    with pytest.raises(InvalidArgument, match="no readable Parquet"):
        open_source(str(tmp_path / "bad.parquet"), kind=Kind.TEXT).check()


def test_several_locations_keep_their_names_apart() -> None:
    assert prefixes(["/data/a.jsonl"]) == [""]
    assert prefixes(["/data/one/a.jsonl", "/data/two/a.jsonl"]) == ["one/a.jsonl", "two/a.jsonl"]
    assert prefixes(["/data/one", "/data/two"]) == ["one", "two"]
    assert prefixes(["/data", "/data/two"]) == ["data", "data/two"]


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        (Kind.TEXT, {"key": [1], "text": "a"}),
        (Kind.TEXT, {"key": {}, "text": "a"}),
        (Kind.CODE, {"key": "a", "code": 8}),
        (Kind.CODE, {"key": "a", "code": 10**12}),
        (Kind.IMAGE, {"key": "a", "image": "a\x00b.png"}),
    ],
)
def test_a_cell_of_a_strange_type_costs_its_row_only(tmp_path: Path, kind: Kind, row: dict[str, object]) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    source = open_source(str(tmp_path / "rows.jsonl"), kind=kind)
    [letter] = everything(source)
    assert isinstance(letter, DeadLetter)
    assert letter.row == 0
