"""Where the parts of a store lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hashsvc.errors import InvalidArgument

DATABASES = ("postgresql://", "postgresql+psycopg://", "sqlite://")


@dataclass(frozen=True, slots=True)
class Layout:
    """A store: one database and one folder.

    Args:
        database: SQLAlchemy URL of the catalog.
        folder: holds encoders, blobs and snapshots; an embedded store keeps its SQLite file there too.
        embedded: the catalog is a SQLite file inside ``folder``.
        shared: fsspec URL that all machines of the store reach; "" where they share ``folder``, or there is but one.
    """

    database: str
    folder: Path
    embedded: bool
    shared: str = ""

    @classmethod
    def of(cls, location: str, folder: str = "", shared: str = "") -> Layout:
        """The layout of a store at a folder, or at a PostgreSQL URL with its files under ``folder``.

        Raises:
            InvalidArgument: a file, an unknown URL scheme, or a database URL without a folder.
        """
        if "://" not in location:
            root = Path(location).expanduser().resolve()
            if root.exists() and not root.is_dir():
                raise InvalidArgument(f"{location!r} is a file: a store is a folder", field="store")
            return cls(f"sqlite:///{root / 'catalog.sqlite3'}", root, embedded=True, shared=shared.rstrip("/"))
        if not location.startswith(DATABASES[:2]):
            scheme = location.partition("://")[0]
            raise InvalidArgument(
                f"no store at a {scheme}:// URL: give a folder, or a postgresql:// URL", field="store"
            )
        if not folder:
            raise InvalidArgument(
                "a store in PostgreSQL needs a folder for encoders, blobs and snapshots: set HASHSVC_FOLDER",
                field="folder",
            )
        database = location.replace("postgresql://", "postgresql+psycopg://", 1)
        return cls(database, Path(folder).expanduser().resolve(), embedded=False, shared=shared.rstrip("/"))

    @property
    def catalog(self) -> Path:
        """The SQLite file of an embedded store."""
        return self.folder / "catalog.sqlite3"

    @property
    def encoders(self) -> Path:
        """Encoder folders, named by fingerprint."""
        return self.folder / "encoders"

    @property
    def blobs(self) -> str:
        """Items' bytes, named by content hash: a folder or an fsspec URL."""
        return f"{self.shared or self.folder}/blobs"

    @property
    def snapshots(self) -> Path:
        """Published index snapshots, one folder a collection."""
        return self.folder / "snapshots"

    def depot(self, part: str) -> str:
        """Where machines send and fetch "encoders" or "snapshots": an fsspec URL, "" where they need not."""
        return f"{self.shared}/{part}" if self.shared else ""
