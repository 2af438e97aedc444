"""Queries of the table of encoder versions."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, func, insert, select

from hashsvc.catalog.tables import encoders
from hashsvc.domain.encoders import CodeSpec, EncoderVersion, check_name, parse_label
from hashsvc.domain.kinds import Kind
from hashsvc.errors import Aborted, AlreadyExists, NotFound

if TYPE_CHECKING:
    from hashsvc.catalog.database import Database


class Encoders:
    """The encoder versions of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self, encoder: EncoderVersion) -> EncoderVersion:
        """Register it as the next version of its name; one with the same fingerprint is that version already.

        Raises:
            Aborted: another process registered a version of this name at the same moment.
        """
        check_name(encoder.name)
        try:
            with self._database.writing() as connection:
                known = select(encoders).where(
                    encoders.c.name == encoder.name, encoders.c.fingerprint == encoder.spec.fingerprint
                )
                row = connection.execute(known).first()
                return _version(row) if row else self._add(connection, encoder)
        except AlreadyExists as error:
            raise Aborted(f"another version of encoder {encoder.name!r} was just registered: retry") from error

    def _add(self, connection: Connection, encoder: EncoderVersion) -> EncoderVersion:
        newest = select(func.max(encoders.c.version)).where(encoders.c.name == encoder.name)
        version = (connection.execute(newest).scalar() or 0) + 1
        connection.execute(insert(encoders).values({**_columns(encoder), "version": version}))
        added = select(encoders).where(encoders.c.name == encoder.name, encoders.c.version == version)
        return _version(connection.execute(added).one())

    def get(self, label: str) -> EncoderVersion:
        """The version of ``name@version``, or the newest of ``name``; NotFound."""
        name, version = parse_label(label)
        query = select(encoders).where(encoders.c.name == name).order_by(encoders.c.version.desc()).limit(1)
        if version is not None:
            query = query.where(encoders.c.version == version)
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotFound(f"no encoder {label!r}: see `hashsvc encoders list`", field="encoder")
        return _version(row)

    def list(self) -> builtins.list[EncoderVersion]:
        """Every version, by name and version."""
        query = select(encoders).order_by(encoders.c.name, encoders.c.version)
        with self._database.reading() as connection:
            return [_version(row) for row in connection.execute(query)]


def _columns(encoder: EncoderVersion) -> dict[str, Any]:
    return {
        "name": encoder.name,
        "fingerprint": encoder.spec.fingerprint,
        "kind": str(encoder.spec.kind),
        "bits": encoder.spec.bits,
        "metric": encoder.spec.metric,
        "margin": encoder.spec.margin,
        "model": encoder.model,
        "location": encoder.location,
        "report": dict(encoder.report),
        "created_at": encoder.created_at,
    }


def _version(row: Row[Any]) -> EncoderVersion:
    return EncoderVersion(
        name=row.name,
        version=row.version,
        spec=CodeSpec(row.bits, Kind(row.kind), row.fingerprint, row.metric, row.margin),
        model=row.model,
        location=row.location,
        created_at=row.created_at,
        report=row.report,
    )
