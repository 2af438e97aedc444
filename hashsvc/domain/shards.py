"""Shards: the parts that a collection is split into by id, each searched by a server of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_SHARDS = 4096


@dataclass(frozen=True, slots=True)
class Shard:
    """One of ``of`` parts of every collection: the items whose id leaves ``number`` (from 0) when divided by ``of``."""

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.of <= MAX_SHARDS:
            raise InvalidArgument(
                f"there is no shard {self.number} of {self.of}: they count from 0, at most {MAX_SHARDS}", field="shard"
            )

    @classmethod
    def parse(cls, text: str) -> Shard:
        """The shard written as ``0/4``."""
        number, slash, of = text.partition("/")
        if not (slash and number.isdecimal() and of.isdecimal() and len(text) < 12):
            raise InvalidArgument(f"{text!r} is no shard: the first of four is 0/4", field="shard")
        return cls(int(number), int(of))

    def holds(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the items with these ids ``int64[n]`` are among its own."""
        mine: NDArray[np.bool_] = ids % self.of == self.number
        return mine

    @property
    def label(self) -> str:
        """Its name among files and locks."""
        return f"shard-{self.number}-of-{self.of}"

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


@dataclass(frozen=True, slots=True)
class Placement:
    """One row of the shard map: where the server of a shard was last started.

    Args:
        address: HOST:PORT that it listens at.
        host: name of its machine.
        process: its process id there.
    """

    shard: Shard
    address: str
    host: str
    process: int
    started_at: datetime
