"""What the database says, in the words of :mod:`hashsvc.errors`: no exception of SQLAlchemy leaves this room."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from hashsvc.errors import Aborted, AlreadyExists, Corrupt, HashsvcError, Internal, ResourceExhausted, Unavailable

DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM)
RETRY_AFTER = 1.0


@contextmanager
def translated() -> Iterator[None]:
    """Raise the database's errors as the kinds of hashsvc.

    Raises:
        ResourceExhausted: the disk is full.
        Unavailable: the database is away or busy.
        Aborted: a concurrent transaction won.
        AlreadyExists: a unique name is taken.
        Internal: anything else.
    """
    try:
        yield
    except exc.TimeoutError as error:
        raise Unavailable("every connection to the catalog is busy: retry", retry_after=RETRY_AFTER) from error
    except exc.SQLAlchemyError as error:
        raise _kind(error) from error
    except sqlite3.Error as error:
        raise _of_sqlite(error) from error


def _kind(error: exc.SQLAlchemyError) -> HashsvcError:
    if not isinstance(error, exc.DBAPIError):
        return Internal(f"the catalog failed: {_line(error)}")
    origin = error.orig
    if isinstance(origin, sqlite3.Error):
        return _of_sqlite(origin)
    return _of_postgresql(error)


def _of_sqlite(error: sqlite3.Error) -> HashsvcError:
    number = getattr(error, "sqlite_errorcode", 0)
    code = number & 0xFF
    if code in BUSY:
        return Unavailable("the catalog is busy with another writer: retry", retry_after=RETRY_AFTER)
    if code in FULL:
        return ResourceExhausted(
            f"the catalog cannot write ({_line(error)}): the disk is likely full, make room and retry",
            reason="DISK_FULL",
            retry_after=RETRY_AFTER,
        )
    if isinstance(error, sqlite3.IntegrityError):
        return AlreadyExists(f"already taken: {_line(error)}")
    if code in DAMAGED:
        return Corrupt(f"the catalog file is damaged ({_line(error)}): restore the store from a backup")
    return Internal(f"the catalog failed: {_line(error)}")


def _of_postgresql(error: exc.DBAPIError) -> HashsvcError:
    state = str(getattr(error.orig, "sqlstate", None) or "")
    if state == "23505":
        return AlreadyExists(f"already taken: {_line(error.orig)}")
    if state in {"53100", "53200", "58030"}:
        return ResourceExhausted(
            f"the database cannot write ({_line(error.orig)}): make room and retry",
            reason="DISK_FULL",
            retry_after=RETRY_AFTER,
        )
    if state[:2] == "40":
        return Aborted(f"a concurrent transaction won ({_line(error.orig)}): retry", retry_after=RETRY_AFTER)
    away = error.connection_invalidated or isinstance(error, exc.OperationalError | exc.InterfaceError)
    if away or state[:2] in {"08", "53", "57"}:
        return Unavailable(f"the database is away ({_line(error.orig)}): retry", retry_after=RETRY_AFTER)
    return Internal(f"the catalog failed: {_line(error.orig)}")


def _line(error: object) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
