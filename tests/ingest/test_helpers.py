"""Helpers: decoding survives what kills a decoder."""

from __future__ import annotations

import os
import time
from functools import partial

import numpy as np
import pytest

from hashsvc.errors import InvalidContent, Unavailable
from hashsvc.ingest.helpers import Helpers


class Trap:
    """Decodes numbers, and does what a poisoned file does to a decoder."""

    def decode(self, content: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        if content == b"crash":
            os._exit(1)
        if content == b"hang":
            time.sleep(60)
        if content == b"bomb":
            np.ones(1 << 30, np.float64)
        if content == b"bad":
            raise InvalidContent("no number")
        return np.full(3, float(content), np.float32)


def no_decoder() -> Trap:
    raise SystemExit(3)


def test_order_is_kept_and_errors_stay_with_their_item() -> None:
    contents = [b"bad" if i % 50 == 7 else str(i).encode() for i in range(300)]
    with Helpers(Trap, 2) as helpers:
        for _ in range(2):
            found = helpers.decode(contents)
            assert [isinstance(one, InvalidContent) for one in found] == [i % 50 == 7 for i in range(300)]
            assert [one[0] for one in found if isinstance(one, np.ndarray)] == [i for i in range(300) if i % 50 != 7]
        assert helpers.decode([]) == []


@pytest.mark.parametrize(
    ("poison", "why"), [(b"crash", "crashed"), (b"bomb", "more than 256 MiB"), (b"hang", "more than 1 s")]
)
def test_poison_costs_its_item_only(poison: bytes, why: str) -> None:
    contents = [poison if i == 5 else str(i).encode() for i in range(12)]
    with Helpers(Trap, 1, memory=256 << 20, patience=1) as helpers:
        found = helpers.decode(contents)
        assert [i for i, one in enumerate(found) if isinstance(one, InvalidContent)] == [5]
        assert why in str(found[5])
        assert len(helpers.decode([b"1"])) == 1


def test_a_helper_that_cannot_start_is_told() -> None:
    with pytest.raises(Unavailable, match="did not start"):
        Helpers(partial(no_decoder), 1)
