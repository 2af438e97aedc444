"""Damaged snapshots: each is noticed before it is used, set aside and reported, and the answers stay right."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from hashsvc.app import Store, open_store
from hashsvc.app.following import Follower
from hashsvc.domain.collections import Collection
from hashsvc.domain.items import Item
from hashsvc.domain.kinds import ContentMode
from hashsvc.errors import Corrupt
from hashsvc.index import LiveIndex
from tests.long import rounds

DAMAGES = rounds(120, 1_000)
WIDTH = 8
BLOCK = 512


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Two collections, the first with two snapshots of it, and one with shorter codes."""
    with open_store(str(tmp_path_factory.mktemp("damage") / "store")) as opened:
        for name, width, seed in (("things", WIDTH, 1), ("others", WIDTH, 2), ("short", WIDTH // 2, 3)):
            opened.create_collection(name, bits=8 * width, content=ContentMode.NONE)
            codes = np.random.default_rng(seed).integers(0, 256, (400, width), np.uint8)
            codes[50:60] = codes[50]
            for start in (0, 200):
                opened.upsert(name, [Item(f"k{i}", code=codes[i].tobytes()) for i in range(start, start + 200)])
                opened.delete_items(name, keys=[f"k{start}"])
                opened.publish()
        yield opened


def generations(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name[:1].isdigit())


def filled(folder: Path, chance: random.Random) -> Path:
    return chance.choice(sorted(path for path in folder.iterdir() if path.stat().st_size))


def write(path: Path, data: bytes) -> None:
    path.unlink()  # the files of two generations may be one file with two names
    path.write_bytes(data)


def truncated(newest: Path, chance: random.Random) -> None:
    path = filled(newest, chance)
    data = path.read_bytes()
    write(path, data[: chance.randrange(len(data))])


def flipped(newest: Path, chance: random.Random) -> None:
    path = filled(newest, chance)
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    write(path, bytes(data))


def zeroed(newest: Path, chance: random.Random) -> None:
    while True:
        path = filled(newest, chance)
        data = bytearray(path.read_bytes())
        start = chance.randrange(len(data))
        if any(data[start : start + BLOCK]):
            break
    data[start : start + BLOCK] = bytes(len(data[start : start + BLOCK]))
    write(path, bytes(data))


def mixed(newest: Path, chance: random.Random) -> None:
    older = generations(newest.parent)[0]
    both = [path for path in sorted(newest.iterdir()) if (older / path.name).exists()]
    path = chance.choice([path for path in both if path.read_bytes() != (older / path.name).read_bytes()])
    write(path, (older / path.name).read_bytes())


def missing(newest: Path, chance: random.Random) -> None:
    chance.choice(sorted(newest.iterdir())).unlink()


def foreign(newest: Path, store: Store, name: str) -> None:
    own = generations(store.layout.snapshots / str(store.collection(name).id))[-1]
    shutil.rmtree(newest)
    shutil.copytree(own, newest)


def test_every_damage_is_noticed_and_costs_no_answer(store: Store, tmp_path: Path) -> None:
    kinds: dict[str, Callable[[Path, random.Random], None]] = {
        "truncated": truncated,
        "flipped bit": flipped,
        "zeroed block": zeroed,
        "mixed generations": mixed,
        "missing file": missing,
        "another collection": lambda newest, _: foreign(newest, store, "others"),
        "wrong bits": lambda newest, _: foreign(newest, store, "short"),
    }
    held = store.collection("things")
    queries = np.random.default_rng(9).integers(0, 256, (5, WIDTH), np.uint8)
    wanted = answers(rebuilt(store, held), queries)
    chance = random.Random(4)
    noticed: Counter[str] = Counter()
    for number in range(DAMAGES):
        kind = list(kinds)[number % len(kinds)]
        folder = tmp_path / str(number)
        shutil.copytree(store.layout.snapshots / str(held.id), folder)
        kinds[kind](generations(folder)[-1], chance)
        reports: list[Corrupt] = []
        follower = Follower(held, store.catalog, folder, damaged=reports.append, cached_rows=10)
        noticed[kind] += len(reports) == 1
        assert len(list(folder.glob("damaged-*"))) == 1, kind
        assert answers(follower, queries) == wanted, kind
        assert follower.publish(least=0)
        assert LiveIndex.from_snapshot(folder).watermark == held.watermark
        del follower
        shutil.rmtree(folder)
    assert noticed.total() == DAMAGES
    print(f"{DAMAGES} damaged snapshots noticed: {dict(noticed)}")


def rebuilt(store: Store, held: Collection) -> Follower:
    """An index of SQL alone."""
    return Follower(held, store.catalog, store.layout.folder / "nothing", damaged=print, cached_rows=10)


def answers(follower: Follower, queries: np.ndarray) -> list[list[tuple[int, int]]]:
    view = follower.newest()
    found = [*view.search(queries, 20), *view.within(queries, 26)]
    return [list(zip(distances.tolist(), ids.tolist(), strict=True)) for ids, distances in found]
