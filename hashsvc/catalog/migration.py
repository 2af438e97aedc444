"""Bringing a database to this version's schema, and refusing one that is of another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sqlalchemy import Connection, column, inspect, select, table

from hashsvc.catalog.database import SQLITE, Database
from hashsvc.catalog.faults import translated
from hashsvc.catalog.tables import HEAD
from hashsvc.durable import make_folder
from hashsvc.errors import FailedPrecondition, Internal

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

Phase = Literal["pre", "post"]
VERSIONS = table("alembic_version", column("version_num"))
LOCK = 4_203_317_113_904_228_225


def migrate(url: str, revision: str = "head", *, phase: Phase = "post") -> str:
    """Bring a database to ``revision``, creating what is missing; the answer is the revision it is at.

    Safe to call from several processes at once and again.

    Args:
        url: of the database.
        revision: "head", "base", or a revision.
        phase: "pre" stops before the first migration that may only run once no process of the older version is left.

    Raises:
        FailedPrecondition: the database was made by a newer version of hashsvc.
        Unavailable: the database does not answer.
    """
    from alembic import command
    from alembic.script import ScriptDirectory

    database = Database(url)
    try:
        if database.file:
            make_folder(Path(database.file).parent)
        with database.writing() as connection:
            if database.dialect != SQLITE:
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            held = revision_of(connection)
            if held is not None and held > HEAD:
                raise newer(held)
            config = configuration(connection)
            if phase == "pre" and (end := last_additive(ScriptDirectory.from_config(config), held)) is not None:
                revision = end
            move = command.downgrade if held is not None and _older(revision, held) else command.upgrade
            move(config, revision)
            return revision_of(connection) or "base"
    finally:
        database.close()


def last_additive(script: ScriptDirectory, held: str | None) -> str | None:
    """The revision before the first pending ``post`` migration; None when none is pending."""
    for revision in reversed(list(script.walk_revisions())):
        if (held is None or revision.revision > held) and revision.module.phase == "post":
            return str(revision.down_revision or "base")
    return None


def configuration(connection: Connection) -> Config:
    """Alembic's view of the migrations, on an open transaction."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def folder() -> Path:
    """Where the migrations lie: inside the package when installed, beside it in a checkout.

    Raises:
        Internal: this installation lacks them.
    """
    package = Path(__file__).resolve().parents[1]
    for place in (package / "migrations", package.parent / "migrations"):
        if (place / "env.py").is_file():
            return place
    raise Internal(f"the migrations are missing beside {package}: install hashsvc again")


def check_version(database: Database) -> None:
    """Refuse a database that is not at this version's schema.

    Raises:
        FailedPrecondition: it is absent, older or newer.
        Unavailable: it does not answer.
    """
    if database.file and not Path(database.file).exists():
        raise FailedPrecondition(
            f"no catalog at {database.file}: run 'hashsvc migrate'", reason="STORE_ABSENT", field="store"
        )
    with database.reading() as connection:
        held = revision_of(connection)
    if held is None:
        raise FailedPrecondition("the database holds no catalog: run 'hashsvc migrate'", reason="STORE_ABSENT")
    if held > HEAD:
        raise newer(held)
    if held < HEAD:
        raise FailedPrecondition(
            f"the catalog is at schema {held}, this version of hashsvc needs {HEAD}: run 'hashsvc migrate'",
            reason="SCHEMA_OLDER",
        )


def is_made(url: str) -> bool:
    """Whether a database holds a catalog; the file that a killed first start left does not.

    Raises:
        Unavailable: it does not answer.
    """
    database = Database(url)
    try:
        if database.file and not Path(database.file).exists():
            return False
        with database.reading() as connection:
            return revision_of(connection) is not None
    finally:
        database.close()


def newer(held: str) -> FailedPrecondition:
    """The refusal of a schema this version does not know."""
    return FailedPrecondition(
        f"the catalog is at schema {held}, newer than this version of hashsvc knows ({HEAD}): upgrade hashsvc",
        reason="SCHEMA_NEWER",
    )


def revision_of(connection: Connection) -> str | None:
    """Revision a database is at; None before the first migration."""
    with translated():
        if not inspect(connection).has_table(VERSIONS.name):
            return None
        return connection.execute(select(VERSIONS.c.version_num)).scalar()


def _older(revision: str, held: str) -> bool:
    return revision == "base" or (revision != "head" and revision < held)
