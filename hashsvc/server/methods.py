"""One row for each RPC: its pool, what a caller must be allowed, where the request names its collection."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

ANY = "?"


class Lane(StrEnum):
    """Classes of methods; each has its own bounded pool, so that one class cannot starve another.

    CONTROL answers health checks; STREAM calls hold a thread for as long as they last, or as their reader is slow.
    OPEN are streams that ask for no token: whoever holds many of them keeps nobody from anything else.
    """

    SEARCH = "search"
    READ = "read"
    WRITE = "write"
    STREAM = "stream"
    CONTROL = "control"
    OPEN = "open"


class Need(StrEnum):
    """What a caller must be allowed, each including the one before it; NOTHING asks for no token."""

    NOTHING = "nothing"
    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Rule:
    """How one RPC is run and guarded.

    Args:
        collection: dotted path of the request field that names the collection; "" where the call is about the service
            as a whole, ANY where whoever may do anything at all may do this.
        apart: a request of a stream that is malformed or not allowed is answered with its error, and the stream goes
            on: the method is given a :class:`hashsvc.server.refused.Refused` in its place.
    """

    lane: Lane
    need: Need
    collection: str = ""
    apart: bool = False


RULES: dict[str, Rule] = {
    "/hashsvc.v1.Collections/Create": Rule(Lane.WRITE, Need.ADMIN, "collection.name"),
    "/hashsvc.v1.Collections/Get": Rule(Lane.READ, Need.READ, "name"),
    "/hashsvc.v1.Collections/List": Rule(Lane.READ, Need.READ, ANY),
    "/hashsvc.v1.Collections/Update": Rule(Lane.WRITE, Need.ADMIN, "collection.name"),
    "/hashsvc.v1.Collections/Delete": Rule(Lane.WRITE, Need.ADMIN, "name"),
    "/hashsvc.v1.Collections/Switch": Rule(Lane.WRITE, Need.ADMIN, "name"),
    "/hashsvc.v1.Items/Upsert": Rule(Lane.WRITE, Need.WRITE, "collection"),
    "/hashsvc.v1.Items/UpsertStream": Rule(Lane.STREAM, Need.WRITE, "collection"),
    "/hashsvc.v1.Items/Get": Rule(Lane.READ, Need.READ, "collection"),
    "/hashsvc.v1.Items/GetContent": Rule(Lane.READ, Need.READ, "collection"),
    "/hashsvc.v1.Items/List": Rule(Lane.READ, Need.READ, "collection"),
    "/hashsvc.v1.Items/Delete": Rule(Lane.WRITE, Need.WRITE, "collection"),
    "/hashsvc.v1.Items/Count": Rule(Lane.READ, Need.READ, "collection"),
    "/hashsvc.v1.Search/Search": Rule(Lane.SEARCH, Need.READ, "collection"),
    "/hashsvc.v1.Search/SearchStream": Rule(Lane.STREAM, Need.READ, "search.collection", apart=True),
    "/hashsvc.v1.Search/Within": Rule(Lane.STREAM, Need.READ, "collection"),
    "/hashsvc.v1.Encoding/Encode": Rule(Lane.SEARCH, Need.READ, ANY),
    "/hashsvc.v1.Encoders/List": Rule(Lane.READ, Need.READ, ANY),
    "/hashsvc.v1.Encoders/Get": Rule(Lane.READ, Need.READ, ANY),
    "/hashsvc.v1.Encoders/Reconstruct": Rule(Lane.READ, Need.READ, ANY),
    "/hashsvc.v1.Encoders/Generate": Rule(Lane.READ, Need.READ, ANY),
    "/hashsvc.v1.Encoders/Interpolate": Rule(Lane.READ, Need.READ, ANY),
    "/hashsvc.v1.Jobs/Create": Rule(Lane.WRITE, Need.ADMIN),
    "/hashsvc.v1.Jobs/Get": Rule(Lane.READ, Need.READ),
    "/hashsvc.v1.Jobs/List": Rule(Lane.READ, Need.READ),
    "/hashsvc.v1.Jobs/Cancel": Rule(Lane.WRITE, Need.ADMIN),
    "/hashsvc.v1.Jobs/Watch": Rule(Lane.STREAM, Need.READ),
    "/hashsvc.v1.Jobs/ListDeadLetters": Rule(Lane.READ, Need.READ),
    "/hashsvc.v1.Dedup/GetRun": Rule(Lane.READ, Need.READ),
    "/hashsvc.v1.Dedup/ListRuns": Rule(Lane.READ, Need.READ),
    "/hashsvc.v1.Dedup/Why": Rule(Lane.READ, Need.READ, "collection"),
    "/hashsvc.v1.Dedup/ListDecisions": Rule(Lane.READ, Need.READ),
    "/hashsvc.v1.Dedup/ListPairs": Rule(Lane.READ, Need.READ),
    "/hashsvc.v1.Dedup/Mark": Rule(Lane.WRITE, Need.WRITE, "collection"),
    "/hashsvc.v1.Dedup/Apply": Rule(Lane.WRITE, Need.ADMIN),
    "/hashsvc.v1.Dedup/Undo": Rule(Lane.WRITE, Need.ADMIN),
    "/grpc.health.v1.Health/Check": Rule(Lane.CONTROL, Need.NOTHING),
    "/grpc.health.v1.Health/List": Rule(Lane.CONTROL, Need.NOTHING),
    "/grpc.health.v1.Health/Watch": Rule(Lane.OPEN, Need.NOTHING),
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Rule(Lane.OPEN, Need.NOTHING),
}
