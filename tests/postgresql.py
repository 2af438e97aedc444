"""A private PostgreSQL cluster: installed server binaries, a socket in a temporary folder, a user that is not root."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

ABSENT = "PostgreSQL server binaries are not installed (Debian: apt-get install postgresql)"
START_S = 60.0


def binaries() -> Path | None:
    """Folder of the newest installed server; None when there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    server = shutil.which("postgres")
    return Path(server).resolve().parent if server else None


def name_of(url: str) -> str:
    """Name of the database a URL points to."""
    return url.partition("?")[0].rpartition("/")[2]


class Cluster:
    """One private server.

    Args:
        durable: whether it syncs to disk; off, it only outlives its processes.
        folder: where its data go; a temporary folder by default.
    """

    def __init__(self, *, durable: bool = False, folder: Path | None = None) -> None:
        found = binaries()
        if found is None:
            raise FileNotFoundError(ABSENT)
        self._binaries = found
        self.folder = folder or Path(tempfile.mkdtemp(prefix="hashsvc-postgresql-"))
        self._user = "postgres" if os.geteuid() == 0 else None
        self._durable = durable
        if self._user:
            shutil.chown(self.folder, self._user, self._user)
        self.folder.chmod(0o755)
        self._run("initdb", "-D", str(self.data), "-U", "hashsvc", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        self.start()

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://hashsvc@/{database}?host={self.folder}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = [
            "-c",
            "listen_addresses=",
            "-c",
            f"unix_socket_directories={self.folder}",
            "-c",
            "max_connections=200",
        ]
        if not self._durable:
            options += ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
            options += ["-c", "autovacuum=off"]  # it would look into a template while that is copied
        log = self.folder / "log"
        if self._user:
            log.touch()
            shutil.chown(log, self._user, self._user)
        arguments = [
            "-D",
            str(self.data),
            "-l",
            str(log),
            "-w",
            "-t",
            str(int(START_S)),
            "-o",
            " ".join(options),
            "start",
        ]
        self._run("pg_ctl", *arguments)

    def stop(self, mode: str = "immediate") -> None:
        """Stop it at once ("immediate"), or politely ("fast")."""
        self._run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "stop")

    def kill(self) -> None:
        """kill -9 of the server and of all its sessions."""
        parent = int((self.data / "postmaster.pid").read_text().splitlines()[0])
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        for process in (parent, *map(int, children)):
            os.kill(process, signal.SIGKILL)
        deadline = time.monotonic() + START_S
        while Path(f"/proc/{parent}").exists() and time.monotonic() < deadline:
            time.sleep(0.01)

    def create(self, template: str = "template1") -> str:
        """URL of a new database, a copy of ``template``."""
        name = f"t{uuid.uuid4().hex[:16]}"
        self._execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
        return self.url(name)

    def drop(self, url: str) -> None:
        """Drop a database, whoever is connected."""
        name = name_of(url)
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def close(self) -> None:
        """Stop it and take its folder away."""
        if (self.data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(f"host={self.folder} user=hashsvc dbname=postgres", autocommit=True) as connection:
            connection.execute(statement)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), *arguments]
        # The server would inherit a pipe and keep it open: its output goes nowhere, its log has it.
        nowhere = subprocess.DEVNULL
        done = subprocess.run(command, user=self._user, cwd=self.folder, check=False, stdout=nowhere, stderr=nowhere)
        if done.returncode:
            log = self.folder / "log"
            raise RuntimeError(f"{program} failed: {log.read_text()[-2000:] if log.exists() else done.returncode}")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The server shared by the tests of a session; skips where PostgreSQL is not installed."""
    if binaries() is None:
        pytest.skip(ABSENT)
    server = Cluster()
    yield server
    server.close()


@pytest.fixture(scope="session")
def migrated(cluster: Cluster) -> str:
    """Name of a migrated database to copy from."""
    from hashsvc.catalog import migrate

    url = cluster.create()
    migrate(url)
    return name_of(url)


@pytest.fixture
def postgresql_url(cluster: Cluster, migrated: str) -> Iterator[str]:
    """URL of a migrated, empty catalog of its own on PostgreSQL."""
    url = cluster.create(migrated)
    yield url
    cluster.drop(url)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy from."""
    from hashsvc.catalog import migrate

    path = tmp_path_factory.mktemp("migrated") / "catalog.sqlite3"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(migrated_file: Path, tmp_path: Path) -> str:
    """URL of a migrated, empty catalog of its own on SQLite."""
    path = tmp_path / "catalog.sqlite3"
    shutil.copyfile(migrated_file, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def catalog_url(request: pytest.FixtureRequest) -> str:
    """URL of a migrated, empty catalog of its own, on each database in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url
