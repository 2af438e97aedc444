"""Where bytes lie: one file on any fsspec file system, and the files that a location stands for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from io import BufferedReader, RawIOBase
from os.path import realpath
from pathlib import Path
from typing import IO, Any, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractBufferedFile

from hashsvc.errors import InvalidArgument, NotFound, Unavailable

Spec = dict[str, Any]
LOCAL = ("file://", "local://", "file:", "local:")
ESCAPE = re.compile(rb"\\x([89a-f][0-9a-f])")
UNIT_ROWS = 2048
UNIT_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class File:
    """One file.

    Args:
        fs: fsspec file system it lies on.
        path: its path there.
        name: its name in keys: relative to the location it was found under, after that location's prefix.
        size: bytes; 0 when the file system does not say.
        folder: it is a link to a folder elsewhere, which is not followed.
    """

    fs: Any
    path: str
    name: str
    size: int = 0
    folder: bool = False

    @property
    def url(self) -> str:
        """The path a person would type: plain on the local disk, a URL elsewhere."""
        return show(self.fs, self.path)

    def open(self) -> IO[bytes]:
        """The bytes, from the start, seekable."""
        handle = self.fs.open(self.path, "rb")
        if isinstance(handle, AbstractBufferedFile):  # of object stores and servers: it knows no readline(size)
            handle = BufferedReader(cast("RawIOBase", handle))
        return cast("IO[bytes]", handle)


@lru_cache(maxsize=64)
def show(fs: Any, path: str) -> str:
    """``path`` as a person would type it: plain on the local disk, a URL elsewhere; valid Unicode in any case."""
    url = str(fs.unstrip_protocol(path))
    return escaped(url.removeprefix("file://"))


def escaped(name: str) -> str:
    r"""A name with the bytes that are no UTF-8, which Python keeps as lone surrogates, written as ``\xe9``."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def unescaped(name: str) -> str:
    """What :func:`escaped` was given."""
    whole = ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), name.encode())
    return whole.decode("utf-8", "surrogateescape")


def resolve(location: str) -> tuple[Any, str]:
    """File system and path of a location.

    Raises:
        InvalidArgument: no such protocol, the package that speaks it is not installed, or the name is no Unicode.
    """
    if escaped(location) != location:
        raise InvalidArgument(
            f"{escaped(location)!r} is no valid UTF-8: rename it, or name it by a pattern with '*'", field="source"
        )
    try:
        fs, path = fsspec.core.url_to_fs(location)
    except (ImportError, ValueError) as error:
        raise InvalidArgument(f"cannot open {location!r}: {error}", field="source") from None
    return fs, str(path)


def local_path(location: str) -> Path | None:
    """Where a location lies on this machine's disk, links resolved; None unless it is the same place to every process.

    A relative path means another place in another working folder, ``~`` another home; ``::`` lays one file system over
    another, and so leads wherever the inner one does.
    """
    plain = next((location.removeprefix(name) for name in LOCAL if location.startswith(name)), location)
    if not plain.startswith("/") or "::" in location or "\x00" in location:
        return None
    try:
        fs, path = resolve(location)
    except InvalidArgument:
        return None
    return Path(realpath(path)) if isinstance(fs, LocalFileSystem) else None


def lies_beside(fs: Any, path: str, file: str) -> bool:
    """Whether ``path`` lies in the folder of ``file``, or below it, also when links are followed.

    The folder is where the name of ``file`` lies or what it links to; file systems but the local one have no links.
    """
    if not isinstance(fs, LocalFileSystem):
        return True
    folders = (realpath(file.rpartition("/")[0] or "/"), realpath(file).rpartition("/")[0] or "/")
    return any(Path(realpath(path)).is_relative_to(folder) for folder in folders)


def root_of(location: str) -> str:
    """What no file of a location lies outside of, links resolved: itself, or the folder before a pattern's first star.

    "" where file systems have no links, all but the local one.
    """
    fs, path = resolve(location)
    if not isinstance(fs, LocalFileSystem):
        return ""
    if "*" in path and not fs.exists(path):
        path = path.split("*", 1)[0].rpartition("/")[0] or "/"
    return realpath(path)


def leads_out(path: str, root: str) -> bool:
    """Whether links lead from a path to outside of what :func:`root_of` gave."""
    return bool(root) and not Path(realpath(path)).is_relative_to(root)


def find(location: str, prefix: str = "") -> tuple[bool, Iterator[File]]:
    """Whether ``location`` is a folder (or a pattern), and its files in order of name, found as they are asked for.

    Args:
        location: a file, a folder, a pattern with ``*``, or an fsspec URL of those.
        prefix: put before every name, with a slash; for a single file it is the whole name.

    Raises:
        NotFound: nothing is there.
        InvalidArgument: the location cannot be understood.
        Unavailable: the file system does not answer.
    """
    fs, path = resolve(location)
    try:
        if "*" in path and not fs.exists(path):
            return True, _matching(fs, path, location, prefix)
        info = fs.info(path)
    except FileNotFoundError:
        raise NotFound(f"there is nothing at {location!r}: check the path", field="source") from None
    except OSError as error:
        raise Unavailable(f"cannot look at {location!r}: {error}", field="source") from None
    if info["type"] == "directory":
        return True, _walk(fs, path.rstrip("/"), prefix, root_of(location))
    name = prefix or path.rsplit("/", 1)[-1]
    return False, iter([File(fs, path, name, int(info.get("size") or 0))])


def _matching(fs: Any, pattern: str, location: str, prefix: str) -> Iterator[File]:
    every = fs.glob(pattern, detail=True).items()
    found = {p: info for p, info in every if info["type"] == "file" or (info.get("islink") and not fs.isdir(p))}
    if not found:
        raise NotFound(f"no file matches {location!r}: check the pattern", field="source")
    root = pattern.split("*", 1)[0].rpartition("/")[0]
    for path in sorted(found):
        yield File(fs, path, _join(prefix, path[len(root) :].lstrip("/")), int(found[path].get("size") or 0))


def _walk(fs: Any, folder: str, name: str, root: str) -> Iterator[File]:
    """Files under ``folder`` in order of name, hidden ones left out; one folder's listing is held at a time.

    A link to a folder below ``root`` is passed over: what it leads to is read under its own name.
    """
    for entry in sorted(fs.ls(folder, detail=True), key=lambda entry: str(entry["name"])):
        path = str(entry["name"]).rstrip("/")
        last = path.rsplit("/", 1)[-1]
        if last.startswith("."):
            continue
        if entry.get("islink"):
            folder_of = fs.isdir(path)
            if not folder_of or leads_out(path, root):
                yield File(fs, path, _join(name, last), int(entry.get("size") or 0), folder_of)
        elif entry["type"] == "directory":
            yield from _walk(fs, path, _join(name, last), root)
        elif entry["type"] == "file":
            yield File(fs, path, _join(name, last), int(entry.get("size") or 0))


def _join(prefix: str, name: str) -> str:
    return f"{prefix}/{name}" if prefix else name
