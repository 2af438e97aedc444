"""Eight clients with mixed upserts and deletes, and the model of what each was told."""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from hashsvc.client import Client
from hashsvc.domain.items import Item, Outcome
from hashsvc.domain.queries import CodeQuery
from hashsvc.errors import HashsvcError

CLIENTS = 8
KEYS = 120
BATCH = 6
LOOKS = 0.15
COLLECTION = "mixed"
WIDTH = 8
Version = int | None


def code_of(key: str, version: int) -> bytes:
    """The code a version of a key has."""
    return random.Random(f"{key} {version}").randbytes(WIDTH)


@dataclass(frozen=True)
class Call:
    """One write: the version each key gets, None for a deletion."""

    request_id: str
    versions: dict[str, Version]

    def send(self, client: Client) -> None:
        upserts = [
            Item(key, code=code_of(key, version), metadata={"v": version})
            for key, version in self.versions.items()
            if version is not None
        ]
        if upserts:
            client.upsert(COLLECTION, upserts, request_id=self.request_id)
            return
        written = client.delete_items(COLLECTION, keys=list(self.versions), request_id=self.request_id)
        assert set(written.outcomes) <= {Outcome.DELETED, Outcome.ABSENT}


@dataclass
class Talker:
    """One client with keys of its own.

    Args:
        told: the version of each key by the last acknowledgement.
        doubt: the write under way, or the one whose answer never came; it is sent again before any other.
        unseen: acknowledged writes that a search right after them did not find.
    """

    number: int
    target: str
    told: dict[str, Version] = field(default_factory=dict)
    doubt: Call | None = None
    acknowledged: int = 0
    unseen: int = 0
    refused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.number)
        self.idle = threading.Event()
        self.going = threading.Event()
        self.over = False
        self._version = 0
        self.thread = threading.Thread(target=self._talk, daemon=True)

    def _talk(self) -> None:
        while True:
            self.idle.set()
            self.going.wait()
            if self.over:
                return
            self.idle.clear()
            with Client(self.target, timeout=10) as client:
                while self.going.is_set() and self._step(client):
                    pass
            self.going.clear()

    def _step(self, client: Client) -> bool:
        """One write; False when the server did not answer."""
        self.doubt = self.doubt or self._next()
        try:
            self.doubt.send(client)
        except HashsvcError as error:
            if error.reason not in {"UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED"}:
                self.refused.append(f"{error.reason}: {error}")
            return False
        call, self.doubt = self.doubt, None
        self.told |= call.versions
        self.acknowledged += 1
        return self.chance.random() > LOOKS or self._look(client, call)

    def _next(self) -> Call:
        keys = [f"c{self.number}-{self.chance.randrange(KEYS)}" for _ in range(self.chance.randint(1, BATCH))]
        if self.chance.random() < 0.35:
            return Call(uuid.uuid4().hex, dict.fromkeys(keys))
        self._version += 1
        return Call(uuid.uuid4().hex, dict.fromkeys(keys, self._version))

    def _look(self, client: Client, call: Call) -> bool:
        """A search that starts after the acknowledgement must see it."""
        key, version = next(iter(call.versions.items()))
        try:
            answer = client.within(COLLECTION, CodeQuery(code_of(key, version or 0)), radius=0)
        except HashsvcError:
            return False
        if (key in answer.keys) != (version is not None):
            self.unseen += 1
        return True


class Traffic:
    """All clients together."""

    def __init__(self, target: str) -> None:
        self.talkers = [Talker(number, target) for number in range(CLIENTS)]
        for talker in self.talkers:
            talker.thread.start()

    def resume(self) -> None:
        for talker in self.talkers:
            talker.going.set()

    def pause(self) -> None:
        """Let every client end its call, answered or not."""
        for talker in self.talkers:
            talker.going.clear()
        for talker in self.talkers:
            if not talker.idle.wait(60):
                raise TimeoutError(f"client {talker.number} does not come back")

    def in_flight(self) -> int:
        return sum(talker.doubt is not None for talker in self.talkers)

    def acknowledged(self) -> int:
        return sum(talker.acknowledged for talker in self.talkers)

    def close(self) -> None:
        for talker in self.talkers:
            talker.over = True
            talker.going.set()

    def expected(self) -> tuple[dict[str, Version], Sequence[Call]]:
        """What was told of each key, and the writes that may or may not have happened."""
        told = {key: version for talker in self.talkers for key, version in talker.told.items()}
        return told, [talker.doubt for talker in self.talkers if talker.doubt is not None]
