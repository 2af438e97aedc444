"""Queries of the table of owners: one process owns what it publishes, and a fence tells an old owner from a new one.

The lock itself is the system's, so that it falls with its process: an flock on a file beside a SQLite database, an
advisory lock of a PostgreSQL session. The row says who holds it and how to reach them.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import Connection, func, insert, select, update

from hashsvc.catalog.database import SQLITE
from hashsvc.catalog.faults import translated
from hashsvc.catalog.tables import owners
from hashsvc.errors import Fenced, HashsvcError, Owned

if TYPE_CHECKING:
    from hashsvc.catalog.database import Database


class _Lock(Protocol):
    def alive(self) -> bool: ...
    def release(self) -> None: ...


class Owners:
    """Who owns what in a store; locks taken here fall when this process ends."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._guard = threading.Lock()
        self._held: dict[str, tuple[_Lock, int]] = {}

    def acquire(self, name: str, address: str) -> int:
        """Become the owner of ``name``; the answer is the fence, higher than every earlier owner's.

        Args:
            name: what is owned.
            address: how other processes reach this one; told to those who are refused.

        Raises:
            Owned: another process owns it; the message names its address.
        """
        with self._guard:
            if name in self._held:
                raise Owned(f"{name!r} is owned by this process already")
            lock = self._lock(name)
            if lock is None:
                raise Owned(f"{name!r} is owned by another process{self._reach(name)}")
            try:
                fence = self._record(name, address)
            except BaseException:
                lock.release()
                raise
            self._held[name] = (lock, fence)
            return fence

    def check(self, name: str) -> int:
        """The fence, if this process still owns ``name``; call it before anything only an owner may publish.

        A database that restarted took the lock with its session: it is taken again, unless another owner was quicker.

        Raises:
            Fenced: another process became the owner.
            Unavailable: the database does not answer.
        """
        with self._guard:
            lock, fence = self._held.get(name, (None, 0))
            if lock is not None and not lock.alive() and (again := self._lock(name)) is not None:
                lock.release()
                lock = again
                self._held[name] = (lock, fence)
        if lock is not None and self._fence(name) == fence and lock.alive():
            return fence
        raise Fenced(f"this process does not own {name!r} any more: restart it")

    def release(self, name: str) -> None:
        """Let go of ``name``; nothing happens when it is not held."""
        with self._guard:
            lock, fence = self._held.pop(name, (None, 0))
            if lock is None:
                return
            with suppress(HashsvcError), self._database.writing() as connection:
                mine = update(owners).where(owners.c.name == name, owners.c.fence == fence)
                connection.execute(mine.values(held=False))
            lock.release()

    def close(self) -> None:
        """Let go of everything."""
        for name in list(self._held):
            self.release(name)

    def _lock(self, name: str) -> _Lock | None:
        if self._database.dialect == SQLITE:
            return _FileLock.take(f"{self._database.file}.{name}.lock")
        return _SessionLock.take(self._database, name)

    def _record(self, name: str, address: str) -> int:
        with self._database.writing() as connection:
            held = connection.execute(select(owners.c.fence).where(owners.c.name == name)).scalar()
            fence = int(held or 0) + 1
            values = {"fence": fence, "address": address, "held": True, "acquired_at": datetime.now(UTC)}
            if held is None:
                connection.execute(insert(owners).values(name=name, **values))
            else:
                connection.execute(update(owners).where(owners.c.name == name).values(**values))
            return fence

    def _fence(self, name: str) -> int:
        with self._database.reading() as connection:
            return int(connection.execute(select(owners.c.fence).where(owners.c.name == name)).scalar() or 0)

    def _reach(self, name: str) -> str:
        with self._database.reading() as connection:
            row = connection.execute(select(owners.c.address).where(owners.c.name == name, owners.c.held)).first()
        if row is None or not row.address:
            return ": stop it first"
        return f" at {row.address}: reach it with --server {row.address}"


class _FileLock:
    """An flock; the system lets go of it when the process ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: str) -> _FileLock | None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return cls(descriptor)

    def alive(self) -> bool:
        return True

    def release(self) -> None:
        os.close(self._descriptor)


class _SessionLock:
    """An advisory lock of one PostgreSQL session, which this object keeps open."""

    def __init__(self, connection: Connection, number: int) -> None:
        self._connection = connection
        self._number = number
        self._session = self._now()

    @classmethod
    def take(cls, database: Database, name: str) -> _SessionLock | None:
        number = int.from_bytes(hashlib.sha256(f"hashsvc owner {name}".encode()).digest()[:8], "big", signed=True)
        with translated():
            connection = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            if connection.execute(select(func.pg_try_advisory_lock(number))).scalar_one():
                return cls(connection, number)
            connection.close()
        return None

    def alive(self) -> bool:
        # A connection that was cut comes back by itself, as another session without the lock.
        with suppress(HashsvcError):
            return self._now() == self._session
        return False

    def _now(self) -> int:
        with translated():
            return int(self._connection.execute(select(func.pg_backend_pid())).scalar_one())

    def release(self) -> None:
        # The session itself is ended too: a server takes a moment to notice that, and a pooled one would keep the lock.
        with suppress(HashsvcError), translated():
            self._connection.execute(select(func.pg_advisory_unlock(self._number)))
        with suppress(HashsvcError), translated():
            self._connection.invalidate()
            self._connection.close()
