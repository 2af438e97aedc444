"""Depot: folders sent to a file system that several machines reach, and fetched from it, each whole or not at all.

Files lie under their sha256, so what two folders share is sent once; the list of a folder's files is written last, so
nobody sees half a folder. What is fetched is compared with its sha256 before it gets its name.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import fsspec

from hashsvc.durable import fsync_folder, make_folder, sha256_of
from hashsvc.errors import Corrupt, InvalidArgument, NotFound, Unavailable

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
DIGEST = re.compile(r"[0-9a-f]{64}")
LIST = ".json"
BLOCK = 1 << 20


class Depot:
    """Folders by name. Any number of machines may fetch while one sends; only one may :meth:`keep`.

    Args:
        url: any fsspec URL; it is made at the first :meth:`send`.
    """

    def __init__(self, url: str) -> None:
        filesystem, root = fsspec.core.url_to_fs(url)
        self._fs: Any = filesystem
        self._root = str(root).rstrip("/")
        self.url = url

    def names(self) -> list[str]:
        """Names of the folders that are there whole, in order; what no depot wrote beside their lists is passed over.

        Raises:
            Unavailable: the file system does not answer.
        """
        with self._answering():
            found = (path.removesuffix(LIST) for path in self._listed("folders") if path.endswith(LIST))
            return sorted(name for name in found if NAME.fullmatch(name))

    def send(self, name: str, folder: Path) -> None:
        """Send a folder; where one of this name was sent before, what is lost or damaged of it is replaced.

        A file that another folder brought is known by its size, as large ones are shared by all snapshots of an index;
        any other that is found in place is read and compared with its sha256.

        Raises:
            InvalidArgument: no name for a folder.
            Unavailable: the file system does not answer.
        """
        target = self._list_of(name)
        with self._answering():
            self._fs.makedirs(f"{self._root}/files", exist_ok=True)
            self._fs.makedirs(f"{self._root}/folders", exist_ok=True)
            names = self.names()
            trusted = set() if name in names else self._held(names)
            files = {}
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                digest, size = sha256_of(path), path.stat().st_size
                files[path.relative_to(folder).as_posix()] = [digest, size]
                if self._size(digest) != size or (digest not in trusted and self._sha256(digest) != digest):
                    self._fs.put_file(str(path), self._file(digest))
                trusted.add(digest)
            text = json.dumps(files, sort_keys=True).encode()
            if name not in names or self._fs.cat_file(target) != text:
                self._fs.pipe_file(target, text)

    def fetch(self, name: str, target: Path) -> None:
        """Fetch a folder; durable when this returns. One that is in place already stays as it is.

        Raises:
            NotFound: no folder of this name.
            Corrupt: a file is lost or not what was sent.
            Unavailable: the file system does not answer.
        """
        files = self._files_of(name)
        make_folder(target.parent)
        draft = Path(tempfile.mkdtemp(prefix=".fetched-", dir=target.parent))
        try:
            with self._answering():
                for path, (digest, _) in files.items():
                    self._fetch(digest, _inside(draft, path))
            for folder in {path.parent for path in draft.rglob("*")} | {draft}:
                fsync_folder(folder)
            if not target.exists():
                draft.rename(target)
            fsync_folder(target.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def keep(self, names: Collection[str]) -> None:
        """Delete every folder but these, and the files that none of these holds.

        Raises:
            Unavailable: the file system does not answer.
        """
        with self._answering():
            found = self.names()
            for name in found:
                if name not in names:
                    self._fs.rm_file(self._list_of(name))
            held = self._held(name for name in found if name in names)
            for digest in self._listed("files"):
                if digest not in held:
                    self._fs.rm_file(self._file(digest))

    def _held(self, names: Iterable[str]) -> set[str]:
        """Sha256 of the files of these folders; one whose list is lost or damaged holds none, nobody can fetch it."""
        held: set[str] = set()
        for name in names:
            with suppress(NotFound, Corrupt):
                held.update(digest for digest, _ in self._files_of(name).values())
        return held

    def _files_of(self, name: str) -> Mapping[str, tuple[str, int]]:
        """Sha256 and size of a folder's files by their path in it."""
        with self._answering():
            try:
                text = self._fs.cat_file(self._list_of(name))
            except FileNotFoundError:
                raise NotFound(f"no folder {name} in {self.url}") from None
        try:
            files = {str(path): (str(digest), int(size)) for path, (digest, size) in json.loads(text).items()}
        except (ValueError, TypeError, AttributeError):
            files = {"": ("", 0)}
        if not all(DIGEST.fullmatch(digest) for digest, _ in files.values()):
            raise Corrupt(f"the list of {name} in {self.url} is damaged: send the folder again") from None
        return files

    def _fetch(self, digest: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._fs.get_file(self._file(digest), str(path))
        except FileNotFoundError:
            raise Corrupt(f"file {digest} of {self.url} is lost: send its folder again") from None
        if sha256_of(path) != digest:
            raise Corrupt(f"file {digest} of {self.url} does not match its sha256: send its folder again")
        with path.open("rb") as file:
            os.fsync(file.fileno())

    def _listed(self, part: str) -> list[str]:
        """Names of the files of a part, which may not exist yet."""
        top = f"{self._root}/{part}"
        self._fs.invalidate_cache(top)
        return [str(path).rpartition("/")[2] for path in self._fs.find(top)]

    def _size(self, digest: str) -> int | None:
        try:
            return int(self._fs.size(self._file(digest)))
        except FileNotFoundError:
            return None

    def _sha256(self, digest: str) -> str:
        """What a file's bytes give, not its name."""
        with self._fs.open(self._file(digest), "rb") as file:
            found = hashlib.sha256()
            while block := file.read(BLOCK):
                found.update(block)
            return found.hexdigest()

    def _file(self, digest: str) -> str:
        return f"{self._root}/files/{digest}"

    def _list_of(self, name: str) -> str:
        if not NAME.fullmatch(name):
            raise InvalidArgument(f"{name!r} is no name for a folder of a depot", field="name")
        return f"{self._root}/folders/{name}{LIST}"

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Unavailable(f"{self.url} does not answer ({error}): retry", retry_after=1.0) from error


def discard(url: str, kept: Collection[str]) -> None:
    """Delete every depot right below a URL but those of these names.

    Raises:
        Unavailable: the file system does not answer.
    """
    filesystem, root = fsspec.core.url_to_fs(url)
    try:
        if filesystem.exists(root):
            for path in filesystem.ls(root, detail=False):
                if str(path).rstrip("/").rpartition("/")[2] not in kept:
                    filesystem.rm(path, recursive=True)
    except OSError as error:
        raise Unavailable(f"{url} does not answer ({error}): retry", retry_after=1.0) from error


def _inside(folder: Path, name: str) -> Path:
    """The path of a listed file; a list that was tampered with does not lead out of the folder."""
    path = (folder / name).resolve()
    if path == folder.resolve() or not path.is_relative_to(folder.resolve()):
        raise Corrupt(f"a list of files names {name!r}, which lies outside its folder: send the folder again")
    return path
