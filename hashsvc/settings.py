"""Settings from the environment: few, each with a default. Only doors call :meth:`Settings.read`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from hashsvc.domain.kinds import Kind
from hashsvc.errors import InvalidArgument

PREFIX = "HASHSVC_"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for. A limit that is reached is an error that names it, never a silent cut.

    Read from ``HASHSVC_MAX_*``; counts unless a unit is given.
    """

    max_k: int = 10_000
    max_queries: int = 1_024
    max_matches: int = 2**20
    max_items: int = 10_000
    max_text_bytes: int = 4 * 2**20
    max_image_bytes: int = 32 * 2**20
    max_message_bytes: int = 64 * 2**20
    max_page: int = 10_000
    max_made: int = 256

    def content_bytes(self, kind: Kind) -> int | None:
        """Most bytes of one item's content; None where the kind itself sets the size."""
        return {Kind.TEXT: self.max_text_bytes, Kind.IMAGE: self.max_image_bytes}.get(kind)


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the store is and how the server stands.

    Args:
        store: folder of an embedded store, or a PostgreSQL URL.
        folder: folder for encoders, blobs and snapshots when ``store`` is a database URL.
        shared: fsspec URL that every machine of the store reaches, where they do not share ``folder``: blobs lie there,
            encoder folders and snapshots are copied to it and from it. Always the same for a store.
        listen: HOST:PORT of the gRPC server.
        roots: folders that server-side jobs may read, separated by ":" in ``HASHSVC_ROOTS``; none by default.
        device: where encoders are trained, codes computed, the index kind device searches and dedup may join: cpu, or
            cuda:N.
        threads: size of the server's thread pool.
        cached_rows: rows of a collection that are kept in memory for answers.
        kernel_cache: folder of the compiled search kernel; "" keeps numba's default.
        log_level: DEBUG, INFO, WARNING or ERROR.
        log_format: of the processes that stay: text, or json for one object a line.
    """

    store: str = "hashsvc-store"
    folder: str = ""
    shared: str = ""
    listen: str = "127.0.0.1:50051"
    roots: tuple[str, ...] = ()
    device: str = "cpu"
    threads: int = 8
    cached_rows: int = 100_000
    kernel_cache: str = ""
    log_level: str = "INFO"
    log_format: str = "text"
    limits: Limits = field(default_factory=Limits)

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Settings from ``HASHSVC_*`` variables, defaults for the rest; an empty store is none.

        Raises:
            InvalidArgument: a number is expected and something else was given.
        """
        source = os.environ if environment is None else environment
        limits = Limits(**{f.name: _number(source, f.name, getattr(Limits(), f.name)) for f in fields(Limits)})
        defaults = cls()
        return cls(
            store=source.get(f"{PREFIX}STORE") or defaults.store,
            folder=source.get(f"{PREFIX}FOLDER", defaults.folder),
            shared=source.get(f"{PREFIX}SHARED", defaults.shared),
            listen=source.get(f"{PREFIX}LISTEN", defaults.listen),
            roots=tuple(root for root in source.get(f"{PREFIX}ROOTS", "").split(os.pathsep) if root),
            device=source.get(f"{PREFIX}DEVICE") or defaults.device,
            threads=_number(source, "threads", defaults.threads),
            cached_rows=_number(source, "cached_rows", defaults.cached_rows),
            kernel_cache=source.get(f"{PREFIX}KERNEL_CACHE", defaults.kernel_cache),
            log_level=source.get(f"{PREFIX}LOG_LEVEL", defaults.log_level),
            log_format=source.get(f"{PREFIX}LOG_FORMAT", defaults.log_format),
            limits=limits,
        )


def _number(source: Mapping[str, str], name: str, default: int) -> int:
    variable = f"{PREFIX}{name.upper()}"
    text = source.get(variable)
    if text is None:
        return default
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise InvalidArgument(f"{variable} must be a positive integer, not {text!r}", field=variable)
    return value
