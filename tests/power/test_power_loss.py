"""A power loss at any moment leaves everything that was acknowledged, and nothing half done."""

from __future__ import annotations

import hashlib
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from hashsvc.app.backup import check_backup
from hashsvc.catalog import migrate, open_catalog
from hashsvc.content import Blobs
from hashsvc.errors import Corrupt, HashsvcError, NotFound
from hashsvc.index import LiveIndex
from tests.catalog.samples import BITS, collection
from tests.long import rounds
from tests.power.disk import Image, image, lay, pending, snap, states
from tests.power.trace import Op, record
from tests.power.work import BLOBS, PACKS, PUBLISHES, STORED, WRITES, blob, codes_after, keys_after, pack

AREAS = ("catalog", "blobs", "packs", "snapshots", "created", "backup")
STATES = rounds(150, 100_000)

Check = Callable[[Path, int, int], None]


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Image, list[Op]]:
    """Root, the disk before the work, and the trace of the work."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (Debian: apt-get install strace)")
    root = tmp_path_factory.mktemp("power") / "store"
    (root / "catalog").mkdir(parents=True)
    url = f"sqlite:///{root}/catalog/catalog.sqlite3"
    migrate(url)
    catalog = open_catalog(url)
    catalog.collections.create(collection())
    catalog.close()
    start = snap(root)
    return root, start, record(root, root.with_name("acks"))


def check_catalog(folder: Path, done: int, begun: int) -> None:
    path = folder / "catalog" / "catalog.sqlite3"
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    catalog = open_catalog(f"sqlite:///{path}")
    held = catalog.collections.get("things")
    keys = set(catalog.items.keys(held))
    assert keys in [keys_after(number) for number in range(done, begun + 1)]
    assert catalog.items.count(held) == len(keys)
    catalog.close()


def check_blobs(folder: Path, done: int, begun: int) -> None:
    _check_held(Blobs(str(folder / "blobs")), [[blob(number)] for number in range(BLOBS)], done, begun)


def check_packs(folder: Path, done: int, begun: int) -> None:
    _check_held(Blobs(str(folder / "packs")), [pack(number) for number in range(PACKS)], done, begun)


def _check_held(blobs: Blobs, parts: Sequence[Sequence[bytes]], done: int, begun: int) -> None:
    for number, part in enumerate(parts):
        for content in part:
            try:
                assert blobs.get(hashlib.sha256(content).hexdigest()) == content
            except NotFound:
                assert number >= done
    assert len(list(blobs.names())) <= sum(len(part) for part in parts[:begun])


def check_created(folder: Path, done: int, _: int) -> None:
    if not done:
        return  # nobody was told of it
    path = folder / "created" / "catalog.sqlite3"
    assert path.is_file()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    catalog = open_catalog(f"sqlite:///{path}")
    assert catalog.items.count(catalog.collections.get("kept")) == STORED
    blobs = Blobs(str(folder / "created" / "blobs"))
    for name in catalog.items.content_hashes():
        assert blobs.get(name)
    catalog.close()


def check_saved(folder: Path, done: int, _: int) -> None:
    try:
        assert check_backup(folder / "backup")["catalog"]["blobs"]["rows"] == STORED
    except (NotFound, Corrupt):
        assert not done


def check_snapshots(folder: Path, done: int, begun: int) -> None:
    try:
        live = LiveIndex.from_snapshot(folder / "snapshots")
    except NotFound:
        assert done == 0
        return
    assert done <= live.watermark <= begun
    codes = codes_after(live.watermark)
    found = live.view().search(codes[:20], 1)
    assert found.ids.tolist() == list(range(20))
    assert live.view().items == len(codes)


CHECKS: Mapping[str, Check] = {
    "catalog": check_catalog,
    "blobs": check_blobs,
    "packs": check_packs,
    "snapshots": check_snapshots,
    "created": check_created,
    "backup": check_saved,
}
DONE = {"catalog": WRITES, "blobs": BLOBS, "packs": PACKS, "snapshots": PUBLISHES, "created": 1, "backup": 1}


class Trials:
    """States of one area, each looked at once."""

    def __init__(self, area: str, root: Path, start: Image, ops: Sequence[Op], folder: Path) -> None:
        self.area = area
        self._root = root
        self._start = {path: data for path, data in start.items() if self._mine(path) or path == str(root)}
        self.ops = [op for op in ops if (op.path == area if op.kind in {"begin", "done"} else self._mine(op.path))]
        self._folder = folder
        self._seen: set[bytes] = set()
        self.looked = 0

    def _mine(self, path: str) -> bool:
        below = path.removeprefix(str(self._root)).lstrip("/")
        return below.partition("/")[0] == self.area or (not below and self.area != "catalog")

    def fails(self, end: int, lost: frozenset[int], torn: int | None = None) -> str:
        """What is wrong in the state after a power loss before operation ``end``; "" when nothing is."""
        held = image(self.ops, end, lost, self._start, torn=torn)
        held = {path: data for path, data in held.items() if not path.endswith("-shm")}
        counts = Counter(op.kind for op in self.ops[:end])
        key = hashlib.sha256(repr((counts["done"], counts["begin"], sorted(held.items(), key=str))).encode()).digest()
        if key in self._seen:
            return ""
        self.looked += 1
        place = self._folder / f"{self.area}{self.looked}"
        lay(held, self._root, place)
        try:
            CHECKS[self.area](place, counts["done"], counts["begin"])
        except (AssertionError, HashsvcError, sqlite3.DatabaseError) as error:
            return f"before {self.ops[end : end + 1]!r:.200}, lost {sorted(lost)}: {error!r:.400}"
        finally:
            shutil.rmtree(place, ignore_errors=True)
        self._seen.add(key)
        return ""


@pytest.mark.parametrize("area", AREAS)
def test_every_power_loss_keeps_what_was_acknowledged(
    area: str, traced: tuple[Path, Image, list[Op]], tmp_path: Path
) -> None:
    root, start, ops = traced
    trials = Trials(area, root, start, ops, tmp_path)
    assert Counter(op.kind for op in trials.ops)["done"] == DONE[area]
    chance = random.Random(1)
    tries = [(end, lost) for end in range(len(trials.ops) + 1) for lost in states(trials.ops, end, chance)]
    chance.shuffle(tries)
    for end, lost in tries:
        if trials.looked >= STATES:
            break
        assert trials.fails(end, lost) == ""
        writes = [number for number in pending(trials.ops, end) if trials.ops[number].kind == "write"]
        for torn in chance.sample(writes, min(2, len(writes))):
            assert trials.fails(end, lost - {torn}, torn) == ""
    print(f"{area}: {len(trials.ops)} operations, {trials.looked} different states")


@pytest.mark.parametrize("area", AREAS)
def test_leaving_out_one_sync_is_caught(area: str, traced: tuple[Path, Image, list[Op]], tmp_path: Path) -> None:
    root, start, ops = traced
    trials = Trials(area, root, start, ops, tmp_path)
    syncs = [number for number, op in enumerate(trials.ops) if op.kind == "sync"]
    caught = [number for number in syncs if _caught(trials, frozenset({number}))]
    missed = Counter(trials.ops[number].path.removeprefix(str(root)) for number in syncs if number not in caught)
    print(f"{area}: {len(caught)} of {len(syncs)} syncs are needed; not by themselves: {dict(missed)}")
    if area == "catalog":
        log = [number for number in _last_syncs(trials.ops) if trials.ops[number].path.endswith("-wal")]
        assert len(log) == WRITES
        assert set(log) <= set(caught)
    else:
        foreign = {number for number in syncs if "catalog.sqlite3" in trials.ops[number].path}  # SQLite's own
        needed = [number for number in syncs if number not in foreign and _needed(trials.ops, frozenset({number}))]
        assert set(needed) <= set(caught)
        assert needed


@pytest.mark.parametrize("area", [area for area in AREAS if area != "catalog"])
def test_never_syncing_one_file_or_folder_is_caught(
    area: str, traced: tuple[Path, Image, list[Op]], tmp_path: Path
) -> None:
    root, start, ops = traced
    trials = Trials(area, root, start, ops, tmp_path)
    syncs: dict[str, set[int]] = {}
    for number, op in enumerate(trials.ops):
        if op.kind == "sync" and "catalog.sqlite3" not in op.path:
            syncs.setdefault(op.path, set()).add(number)
    needed = {path for path, numbers in syncs.items() if _needed(trials.ops, frozenset(numbers))}
    caught = {path for path, numbers in syncs.items() if _caught(trials, frozenset(numbers))}
    assert needed <= caught
    assert {str(root), f"{root}/{area}"} <= caught, "their names, and the names in them"


def _needed(ops: Sequence[Op], syncs: frozenset[int]) -> bool:
    """Whether no other sync makes durable, before the next acknowledgement, what these do."""
    return any(_loosened(ops, end, syncs) for end in _ends(ops, syncs))


def _loosened(ops: Sequence[Op], end: int, syncs: frozenset[int]) -> list[int]:
    """What is not durable at a moment only because these syncs were left out, less locks, which hold nothing."""
    durable = set(pending(ops, end))
    return [n for n in pending(ops, end, syncs) if n not in durable and not ops[n].path.endswith(".lock")]


def _caught(trials: Trials, syncs: frozenset[int]) -> bool:
    return any(map(partial(_bites, trials, syncs), _ends(trials.ops, syncs)))


def _ends(ops: Sequence[Op], syncs: frozenset[int]) -> list[int]:
    """Moments behind the first of some syncs: the next acknowledgements, and the end."""
    following = [number + 1 for number in range(min(syncs), len(ops)) if ops[number].kind == "done"]
    return [*following[:2], len(ops)]


def _bites(trials: Trials, syncs: frozenset[int], end: int) -> bool:
    more = _loosened(trials.ops, end, syncs)
    losses = [frozenset(more), *(frozenset({number}) for number in more)]
    return any(trials.fails(end, lost) for lost in losses if lost)


def _last_syncs(ops: Sequence[Op]) -> list[int]:
    """The last sync before each acknowledgement."""
    found, last = [], -1
    for number, op in enumerate(ops):
        if op.kind == "sync":
            last = number
        elif op.kind == "done":
            found.append(last)
    return found


def test_a_publish_links_what_an_earlier_one_wrote(traced: tuple[Path, Image, list[Op]]) -> None:
    links = [op for op in traced[2] if op.kind == "link"]
    assert len({op.path for op in links}) >= PUBLISHES
    assert all("/snapshots/" in op.path and "/snapshots/" in op.target for op in links)


def test_the_codes_of_the_work_are_distinct() -> None:
    assert len(np.unique(codes_after(PUBLISHES), axis=0)) == len(codes_after(PUBLISHES))
    assert BITS == 64
