from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple, cast

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, MetaData, Table, Text, inspect, make_url, text

from hashsvc.catalog import migrate, open_catalog
from hashsvc.catalog.database import Database
from hashsvc.catalog.migration import configuration, folder, last_additive
from hashsvc.catalog.tables import HEAD, metadata
from hashsvc.errors import FailedPrecondition, InvalidArgument, Unavailable
from tests.postgresql import Cluster


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/below/catalog.sqlite3"
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    url = cluster.create()
    yield url
    cluster.drop(url)


def differences(url: str, wanted: MetaData = metadata) -> list[object]:
    database = Database(url)
    with database.reading() as connection:
        found = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), wanted)
    database.close()
    return list(found)


def shape(url: str) -> str:
    """Every table as the database itself describes it."""
    database = Database(url)
    with database.reading() as connection:
        look = inspect(connection)
        tables = sorted(name for name in look.get_table_names() if name != "alembic_version")
        found = [
            (
                name,
                look.get_columns(name),
                look.get_pk_constraint(name),
                look.get_indexes(name),
                look.get_unique_constraints(name),
            )
            for name in tables
        ]
    database.close()
    return re.sub(r" object at 0x\w+", "", repr(found))


def test_up_down_up_leads_to_the_tables(empty_url: str) -> None:
    assert migrate(empty_url) == HEAD
    assert differences(empty_url) == []
    first = shape(empty_url)
    assert migrate(empty_url, "base") == "base"
    assert shape(empty_url) == "[]"
    assert migrate(empty_url) == HEAD
    assert differences(empty_url) == []
    assert shape(empty_url) == first


def test_the_tables_made_directly_have_the_same_shape(empty_url: str) -> None:
    database = Database(empty_url)
    Path(database.file).parent.mkdir(parents=True, exist_ok=True)
    with database.writing() as connection:
        metadata.create_all(connection)
    database.close()
    direct = shape(empty_url)
    with (again := Database(empty_url)).writing() as connection:
        metadata.drop_all(connection)
    again.close()
    migrate(empty_url)
    assert shape(empty_url) == direct


def test_a_missing_column_is_noticed(empty_url: str) -> None:
    migrate(empty_url)
    wanted = MetaData()
    for table in metadata.tables.values():
        table.to_metadata(wanted)
    Table("owners", wanted, Column("extra", Text), extend_existing=True)
    assert differences(empty_url, wanted)


def test_every_migration_says_its_phase(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with database.reading() as connection:
        script = ScriptDirectory.from_config(configuration(connection))
    database.close()
    revisions = list(script.walk_revisions())
    assert script.get_heads() == [HEAD]
    assert {revision.module.phase for revision in revisions} <= {"pre", "post"}
    for revision in revisions:
        if revision.module.phase == "pre" and revision.down_revision is not None:
            upgrade = Path(revision.path).read_text().partition("def downgrade")[0]
            assert not re.search(r"\b(drop|alter|rename)_", upgrade)
    assert len(list((folder() / "versions").glob("*.py"))) == len(revisions)


class Revision(NamedTuple):
    revision: str
    down_revision: str | None
    module: SimpleNamespace


@pytest.mark.parametrize(
    ("phases", "held", "end"),
    [
        (["pre", "pre"], None, None),
        (["pre", "post", "pre"], None, "0001"),
        (["pre", "post", "pre"], "0001", "0001"),
        (["pre", "post", "pre"], "0002", None),
        (["pre", "post", "pre", "post"], "0002", "0003"),
        (["post"], None, "base"),
    ],
)
def test_the_first_phase_stops_before_what_the_older_version_cannot_bear(
    phases: list[str], held: str | None, end: str | None
) -> None:
    names = [f"{number:04}" for number in range(1, len(phases) + 1)]
    revisions = [
        Revision(name, before, SimpleNamespace(phase=phase))
        for name, before, phase in zip(names, [None, *names], phases, strict=False)
    ]
    script = cast("ScriptDirectory", SimpleNamespace(walk_revisions=lambda: reversed(revisions)))
    assert last_additive(script, held) == end


def test_both_phases_lead_to_the_newest_schema(empty_url: str) -> None:
    migrate(empty_url, phase="pre")
    assert migrate(empty_url, phase="post") == HEAD


def test_another_schema_is_refused_in_one_line(empty_url: str) -> None:
    with pytest.raises(FailedPrecondition, match="hashsvc migrate"):
        open_catalog(empty_url)
    migrate(empty_url)
    database = Database(empty_url)
    for version, reason in (("9999", "SCHEMA_NEWER"), ("0000", "SCHEMA_OLDER")):
        with database.writing() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})
        with pytest.raises(FailedPrecondition) as refused:
            open_catalog(empty_url)
        assert refused.value.reason == reason
        assert "\n" not in str(refused.value)
        if reason == "SCHEMA_NEWER":
            with pytest.raises(FailedPrecondition, match="upgrade hashsvc"):
                migrate(empty_url)
    database.close()


@pytest.mark.parametrize("url", ["mysql://a/b", "sqlite://", "nonsense", "postgresql://h/d"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(InvalidArgument):
        open_catalog(url)


def test_a_database_that_is_away_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        open_catalog(f"postgresql+psycopg://nobody@/none?host={tmp_path}")


@pytest.mark.postgresql
def test_a_database_that_cannot_hold_every_text_is_refused(cluster: Cluster) -> None:
    url = cluster.create()
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE DATABASE ascii ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    narrow = make_url(url).set(database="ascii").render_as_string(hide_password=False)
    for opened in (migrate, open_catalog):
        with pytest.raises(FailedPrecondition, match=r"'ascii' is encoded as SQL_ASCII.*ENCODING 'UTF8'"):
            opened(narrow)
    cluster.drop(narrow)
    cluster.drop(url)
