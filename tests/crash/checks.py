"""The catalog and the answers of a restarted server against what was acknowledged."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from hashsvc.client import Client
from hashsvc.codes import hamming
from hashsvc.domain.items import StoredItem
from hashsvc.domain.neighbours import Answer
from hashsvc.domain.queries import CodeQuery
from tests.crash.traffic import COLLECTION, WIDTH, Traffic, Version, code_of

SETTLE_S = 60.0


@dataclass
class Findings:
    """What was wrong; zeros and no difference when all is well."""

    acknowledged_lost: int = 0
    resurrected: int = 0
    duplicated: int = 0
    torn: int = 0
    unseen: int = 0
    wrong_answers: int = 0
    refused: int = 0
    index_differs: int = 0

    def __add__(self, other: Findings) -> Findings:
        return Findings(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def clean(self) -> bool:
        return self == Findings()


def compare(client: Client, traffic: Traffic, ingested: Mapping[str, bytes]) -> Findings:
    """Look at a server whose clients are idle."""
    items, answer = settled(client)
    held = {item.key: item for item in items}
    found = Findings(duplicated=len(items) - len(held) + _twice(answer))
    told, doubts = traffic.expected()
    doubtful = {key for call in doubts for key in call.versions}
    for call in doubts:
        after = [_version(held, key) == version for key, version in call.versions.items()]
        before = [_version(held, key) == told.get(key) for key in call.versions]
        found.torn += not (all(after) or all(before))
    for key, version in told.items():
        if key not in doubtful:
            now = _version(held, key)
            found.acknowledged_lost += version is not None and now != version
            found.resurrected += version is None and now is not None
    for key, item in held.items():
        wanted = ingested.get(key) if key.startswith("ingest") else code_of(key, int(str(item.metadata["v"])))
        found.wrong_answers += item.code != wanted
        found.duplicated += key not in told and key not in doubtful and key not in ingested
    found.unseen = sum(talker.unseen for talker in traffic.talkers)
    found.refused = sum(len(talker.refused) for talker in traffic.talkers)
    return found + answers(client, items, answer)


def settled(client: Client) -> tuple[list[StoredItem], Answer]:
    """Every item, and everything the index knows, of one moment: jobs may still be at work."""
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        before = client.collection(COLLECTION).watermark
        items: list[StoredItem] = []
        token = ""
        while True:
            page = client.list_items(COLLECTION, page_size=5_000, page_token=token)
            items += page.items
            token = page.next_token
            if not token:
                break
        answer = client.within(COLLECTION, CodeQuery(bytes(WIDTH)), radius=8 * WIDTH)
        if before == answer.watermark == client.collection(COLLECTION).watermark:
            return items, answer
        time.sleep(0.1)
    raise TimeoutError("the index does not reach the catalog's watermark")


def answers(client: Client, items: list[StoredItem], everything: Answer) -> Findings:
    """Whether the index holds what SQL holds, and ranks it as plain numpy does."""
    codes = np.frombuffer(b"".join(item.code for item in items), np.uint8).reshape(-1, WIDTH)
    ids = np.array([item.id for item in items], np.int64)
    weights = hamming(codes, np.zeros(WIDTH, np.uint8)).tolist()
    wanted = {item.key: weight for item, weight in zip(items, weights, strict=True)}
    found = Findings(index_differs=int({match.key: match.distance for match in everything.matches} != wanted))
    chance = random.Random(len(items))
    queries = [chance.randbytes(WIDTH) for _ in range(16)]
    if not items:
        return found
    for query, answer in zip(queries, client.search(COLLECTION, [CodeQuery(q) for q in queries], k=10), strict=True):
        distances = hamming(codes, np.frombuffer(query, np.uint8))
        best = np.lexsort((ids, distances))[:10]
        right = [(int(distances[i]), int(ids[i])) for i in best]
        found.wrong_answers += [(match.distance, match.id) for match in answer.matches] != right
    return found


def _version(held: Mapping[str, StoredItem], key: str) -> Version:
    item = held.get(key)
    return None if item is None else int(str(item.metadata["v"]))


def _twice(answer: Answer) -> int:
    return sum(count - 1 for count in Counter(answer.keys).values())
