"""The trace of a process as strace writes it: what it did to files below a folder, and what it acknowledged."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CALLS = (
    "openat,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,ftruncate,"
    "link,linkat,fallocate,copy_file_range,sendfile,writev,pwritev"
)
KNOWN = {
    "openat",
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "rename",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "ftruncate",
    "link",
    "linkat",
}
LINE = re.compile(r"^(?:\d+\s+)?(\w+)\((.*)\)\s+=\s+(-?\d+)(?:<(.*?)>)?(?: .*)?$")
FD = re.compile(r"^(\d+|AT_FDCWD)<(.*?)>")
TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass(frozen=True, slots=True)
class Op:
    """One thing that happened: create, mkdir, rename, link, unlink, rmdir, write, truncate, sync, begin or done."""

    kind: str
    path: str
    data: bytes = b""
    offset: int = 0
    target: str = ""


def record(folder: Path, acks: Path) -> list[Op]:
    """Run the work below ``folder`` under strace and read what it did."""
    log = acks.with_suffix(".strace")
    command = ["strace", "-f", "-y", "-xx", "-s", "100000000", "-e", f"trace={CALLS}", "-o", str(log)]
    command += [sys.executable, "-m", "tests.power.work", str(folder), str(acks)]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL)
    return Reader(str(folder), str(acks)).read(log)


class Reader:
    """Turns lines of a trace into operations."""

    def __init__(self, folder: str, acks: str) -> None:
        self._folder = folder
        self._acks = acks
        self._at: dict[tuple[str, str], int] = {}
        self._exists: set[str] = {str(path) for path in Path(folder).rglob("*")} | {folder}
        self.ops: list[Op] = []

    def read(self, log: Path) -> list[Op]:
        started: dict[str, str] = {}
        self._exists = {self._folder, *(f"{self._folder}/{name}" for name in ("catalog", "catalog/catalog.sqlite3"))}
        for line in log.read_text().splitlines():
            process = line.partition(" ")[0]
            if line.endswith("<unfinished ...>"):
                started[process] = line.removesuffix("<unfinished ...>").rstrip()
                continue
            resumed = re.match(r"^\d+\s+<\.\.\. \w+ resumed>(.*)$", line)
            self._line(started.pop(process) + resumed.group(1) if resumed else line)
        return self.ops

    def _line(self, line: str) -> None:
        found = LINE.match(line)
        if found is None or int(found.group(3)) < 0:
            return
        call, arguments, result, opened = found.groups()
        if any(place in line or _hex(place) in line for place in (self._folder, self._acks)):
            if call not in KNOWN:
                raise AssertionError(f"unknown kind of write: {line[:200]}")
            getattr(self, f"_{call}", self._moved)(call, arguments, result, opened or "")

    def _texts(self, arguments: str) -> list[bytes]:
        return [bytes.fromhex(text.replace("\\x", "")) for text in TEXT.findall(arguments)]

    def _path(self, arguments: str) -> tuple[str, str]:
        found = FD.match(arguments)
        assert found is not None, arguments[:100]
        return found.group(1), _plain(found.group(2))

    def _openat(self, _: str, arguments: str, result: str, opened: str) -> None:
        path = _plain(opened)
        if not path.startswith(self._folder):
            return
        if "O_CREAT" in arguments and path not in self._exists:
            self._exists.add(path)
            self.ops.append(Op("create", path))
        elif "O_TRUNC" in arguments:
            self.ops.append(Op("truncate", path))
        self._at[result, path] = 0

    def _write(self, _: str, arguments: str, result: str, __: str) -> None:
        number, path = self._path(arguments)
        [data] = self._texts(arguments.partition(">")[2])
        if path == self._acks:
            word, area = data.decode().split()
            self.ops.append(Op(word, area))
            return
        offset = self._at.get((number, path), 0)
        self.ops.append(Op("write", path, data[: int(result)], offset))
        self._at[number, path] = offset + int(result)

    def _pwrite64(self, _: str, arguments: str, result: str, __: str) -> None:
        [data] = self._texts(arguments.partition(">")[2])
        self.ops.append(
            Op("write", self._path(arguments)[1], data[: int(result)], int(arguments.rpartition(", ")[2], 0))
        )

    def _ftruncate(self, _: str, arguments: str, __: str, ___: str) -> None:
        self.ops.append(Op("truncate", self._path(arguments)[1], offset=int(arguments.rpartition(", ")[2], 0)))

    def _fsync(self, _: str, arguments: str, __: str, ___: str) -> None:
        self.ops.append(Op("sync", self._path(arguments)[1]))

    _fdatasync = _fsync

    def _moved(self, call: str, arguments: str, _: str, __: str) -> None:
        """Calls that change names."""
        paths = [text.decode() for text in self._texts(arguments)]
        if not paths[0].startswith("/"):
            paths[0] = f"{self._path(arguments)[1]}/{paths[0]}"
        kind = {"mkdirat": "mkdir", "unlinkat": "unlink", "linkat": "link"}.get(call, call)
        if "AT_REMOVEDIR" in arguments:
            kind = "rmdir"
        if kind in {"rename", "link"}:
            self._exists.add(paths[1])
        if kind == "mkdir":
            self._exists.add(paths[0])
        elif kind != "link":
            self._exists.discard(paths[0])
        self.ops.append(Op(kind, paths[0], target=paths[1] if kind in {"rename", "link"} else ""))


def _hex(text: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in text.encode())


def _plain(text: str) -> str:
    """A path as strace prints it, with or without hexadecimal digits."""
    return bytes.fromhex(text.replace("\\x", "")).decode() if text.startswith("\\x") else text
