"""Store unless something lies near: what is compared with what, what is said, and what concurrent writers do to it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hashsvc.app import Store
from hashsvc.catalog import Commit
from hashsvc.codes import hamming
from hashsvc.domain.items import Item, Outcome, Witness, item_id
from hashsvc.domain.queries import CodeQuery
from hashsvc.errors import Aborted, InvalidArgument


def flipped(code: np.ndarray, bits: int) -> bytes:
    out = np.unpackbits(code)
    out[:bits] ^= 1
    return np.packbits(out).tobytes()


def code_of(text: str) -> bytes:
    return item_id(text).to_bytes(8, "big")


def test_what_is_near_is_named_and_not_stored(raw: Store, codes: np.ndarray) -> None:
    items = [
        Item("near", code=flipped(codes[0], 3)),
        Item("equal", code=codes[1].tobytes()),
        Item("new", code=code_of("new")),
        Item("too", code=code_of("new")),
        Item("k2", code=flipped(codes[2], 2), metadata={"n": 7}),
        Item("k3", code=codes[3].tobytes(), metadata={"n": 3}),
    ]
    written = raw.upsert("raw", items, novelty=3)
    known, stored = Outcome.KNOWN, Outcome.STORED
    assert written.outcomes == (known, known, stored, known, stored, Outcome.UNCHANGED)
    assert written.witnesses == {
        0: Witness("k0", item_id("k0"), 3),
        1: Witness("k1", item_id("k1"), 0),
        3: Witness("new", item_id("new"), 0),
    }
    assert raw.count_items("raw") == 201
    assert raw.search("raw", [CodeQuery(code_of("new"))], k=1)[0].keys == ("new",)
    assert raw.get_items("raw", ["k2"])[0].metadata == {"n": 7}
    [*streamed] = raw.upsert_stream("raw", [Item("near", code=flipped(codes[0], 4)), Item("", code=b"")], novelty=3)
    assert streamed[0].outcomes == (stored, Outcome.REFUSED)


def test_a_repeated_request_is_answered_as_the_first_time(raw: Store, codes: np.ndarray) -> None:
    items = [Item("near", code=flipped(codes[0], 3)), Item("new", code=code_of("new"))]
    first = raw.upsert("raw", items, request_id="r", novelty=3)
    raw.upsert("raw", [Item("newer", code=code_of("new"))])
    again = raw.upsert("raw", items, request_id="r", novelty=3)
    assert (again.outcomes, again.witnesses, again.watermark) == (first.outcomes, first.witnesses, first.watermark)
    raw.delete_items("raw", keys=["k0"])
    assert not raw.upsert("raw", items, request_id="r", novelty=3).witnesses
    with pytest.raises(InvalidArgument, match="was used for another write"):
        raw.upsert("raw", items, request_id="r", novelty=4)


def test_radius_must_fit_the_codes(raw: Store) -> None:
    for radius in (-1, 65):
        with pytest.raises(InvalidArgument, match=r"radius must be 0 to 64") as told:
            raw.upsert("raw", [Item("a", code=bytes(8))], novelty=radius)
        assert told.value.field == "novelty.radius"
        with pytest.raises(InvalidArgument):
            next(raw.upsert_stream("raw", [Item("a", code=bytes(8))], novelty=radius))


def test_concurrent_writers_never_store_two_that_are_near(store: Store) -> None:
    store.create_collection("raw", bits=64)
    rng = np.random.default_rng(5)
    centres = rng.integers(0, 256, (12, 8), np.uint8)

    def write(writer: int) -> int:
        own = np.random.default_rng(writer)
        stored = 0
        for n in range(15):
            code = flipped(centres[own.integers(len(centres))], int(own.integers(4)))
            written = store.upsert("raw", [Item(f"{writer}-{n}", code=code)], novelty=3)
            stored += written.count(Outcome.STORED)
            assert bool(written.witnesses) == (written.count(Outcome.KNOWN) == 1)
        return stored

    with ThreadPoolExecutor(6) as pool:
        total = sum(pool.map(write, range(6)))
    held = store.list_items("raw", page_size=1000).items
    assert len(held) == total
    packed = np.frombuffer(b"".join(item.code for item in held), np.uint8).reshape(-1, 8)
    distances = hamming(packed[:, None], packed[None]) + 64 * np.eye(len(packed), dtype=np.int32)
    assert distances.min() > 3


def test_it_gives_up_when_others_never_stop(raw: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    write, numbers = raw.catalog.items.write, iter(range(1000))

    def interrupted(*arguments: object, **named: object) -> Commit:
        if "novelty" in named:
            raw.upsert("raw", [Item(f"other-{next(numbers)}", code=code_of("other"))])
        return write(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(raw.catalog.items, "write", interrupted)
    with pytest.raises(Aborted, match="came between") as told:
        raw.upsert("raw", [Item("new", code=code_of("new"))], novelty=3)
    assert told.value.retry_after
    assert raw.count_items("raw") == 216
