"""What a power loss may leave: everything that was synced, and any part of what was not.

A sync of a file makes its bytes durable, a sync of a folder the names in it; nothing else does. Of what is not durable,
any operation may have reached the disk or not, in any combination, and a write may have reached it in part.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.power.trace import Op

NAMES = {"create", "mkdir", "rename", "link", "unlink", "rmdir"}
SECTOR = 512
PAIRS = 10

Image = dict[str, bytes | None]
"""Bytes of each file by path; None for a folder."""


def parent(path: str) -> str:
    return path.rpartition("/")[0]


def pending(ops: Sequence[Op], end: int, without: frozenset[int] = frozenset()) -> list[int]:
    """Operations before ``end`` that no sync made durable; ``without`` are syncs that are left out."""
    loose: list[int] = []
    for number, op in enumerate(ops[:end]):
        if op.kind == "sync" and number not in without:
            loose = [i for i in loose if not _made_durable(ops[i], op.path)]
        elif op.kind in NAMES or op.kind in {"write", "truncate"}:
            loose.append(number)
    return loose


def _made_durable(op: Op, synced: str) -> bool:
    if op.kind in NAMES:
        return parent(op.target or op.path) == synced
    return op.path == synced


def states(ops: Sequence[Op], end: int, chance: random.Random) -> Iterator[frozenset[int]]:
    """Sets of operations that did not reach the disk, for a power loss just before operation ``end``."""
    loose = pending(ops, end)
    yield frozenset()
    if not loose:
        return
    yield frozenset(loose)
    some = loose if len(loose) <= PAIRS else chance.sample(loose, PAIRS)
    for number in some:
        yield frozenset({number})
        yield frozenset(loose) - {number}
    for _ in range(4):
        yield frozenset(number for number in loose if chance.random() < 0.5)
    yield frozenset(number for number in loose if ops[number].kind in NAMES)
    yield frozenset(number for number in loose if ops[number].kind not in NAMES)


def image(ops: Sequence[Op], end: int, lost: frozenset[int], start: Image, *, torn: int | None = None) -> Image:
    """The disk after the operations before ``end``, less the lost ones; half of write ``torn`` arrived."""
    names: dict[str, int] = {path: number for number, path in enumerate(start)}
    contents: dict[int, bytearray | None] = {
        number: None if data is None else bytearray(data) for number, data in enumerate(start.values())
    }
    handles = dict(names)  # what a path means to the running process, whatever reached the disk
    for number, op in enumerate(ops[:end]):
        fresh = len(contents)
        if op.kind in {"create", "mkdir"}:
            contents[fresh] = bytearray() if op.kind == "create" else None
            handles[op.path] = fresh
            if number not in lost:
                names[op.path] = fresh
        elif op.kind in {"rename", "link"}:
            held = handles[op.path]
            _move(handles, op, held)
            if number not in lost:
                _move(names, op, held)
        elif op.kind in {"unlink", "rmdir"}:
            handles.pop(op.path, None)
            if number not in lost:
                names.pop(op.path, None)
        elif op.kind in {"write", "truncate"} and number not in lost:
            _change(contents[handles[op.path]], op, half=number == torn)
    return {path: _bytes(contents[held]) for path, held in names.items() if _reachable(path, names, start)}


def _bytes(content: bytearray | None) -> bytes | None:
    return None if content is None else bytes(content)


def _move(names: dict[str, int], op: Op, held: int) -> None:
    """Give what ``held`` is another name, or one more."""
    if op.kind == "link":
        names[op.target] = held
    elif op.path in names:
        moved = {path: one for path, one in names.items() if path == op.path or path.startswith(op.path + "/")}
        for path, one in moved.items():
            del names[path]
            names[op.target + path[len(op.path) :]] = one


def _change(content: bytearray | None, op: Op, *, half: bool) -> None:
    assert content is not None
    if op.kind == "truncate":
        del content[op.offset :]
        content.extend(bytes(op.offset - len(content)))
        return
    data = op.data[: len(op.data) // 2 // SECTOR * SECTOR] if half else op.data
    content.extend(bytes(max(0, op.offset + len(data) - len(content))))
    content[op.offset : op.offset + len(data)] = data


def _reachable(path: str, names: dict[str, int], start: Image) -> bool:
    """Whether every folder above a path has a name on the disk."""
    root = next(iter(start))
    above = parent(path)
    while above.startswith(root) and above != root:
        if above not in names:
            return False
        above = parent(above)
    return True


def snap(folder: Path) -> Image:
    """A folder as it lies on the disk."""
    found: Image = {str(folder): None}
    for path in sorted(folder.rglob("*")):
        found[str(path)] = path.read_bytes() if path.is_file() else None
    return found


def lay(held: Image, root: Path, folder: Path) -> None:
    """Write an image of ``root`` out below another folder."""
    for path, data in held.items():
        target = folder / Path(path).relative_to(root)
        if data is None:
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
