"""The containers for real, where a Docker engine runs: build, start, ingest, search, kill the server, ask again.

    make compose-test [HASHSVC_BASE=image with Python and pip] [POSTGRES_IMAGE=image of PostgreSQL]

Ends with one JSON line; leaves no container and no volume behind.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from hashsvc.client import Client
from hashsvc.domain.items import Item
from hashsvc.domain.queries import CodeQuery

PROJECT = "hashsvc-compose-test"
PORT = os.environ.setdefault("HASHSVC_PORT", "50991")
ITEMS = 500
COMPOSE = ("docker", "compose", "--project-name", PROJECT)


def compose(*arguments: str) -> str:
    """What a compose command prints."""
    done = subprocess.run([*COMPOSE, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def ask(client: Client) -> list[tuple[str, int]]:
    """The same questions before and after."""
    queries = [CodeQuery(bytes([n] * 8)) for n in range(20)]
    return [(m.key, m.distance) for answer in client.search("codes", queries, k=5) for m in answer.matches]


def users() -> set[str]:
    """Users under whom the processes of our image run."""
    found = set()
    for name in ("server", "worker"):
        number = compose("ps", "--quiet", name).strip()
        told = subprocess.run(["docker", "top", number, "-eo", "user"], check=True, capture_output=True, text=True)
        found.update(told.stdout.split()[1:])
    return found


def run() -> dict[str, object]:
    """Everything, from the build to the second answer."""
    compose("up", "--build", "--detach", "--wait")
    with Client(f"127.0.0.1:{PORT}") as client:
        client.create_collection("codes", bits=64)
        items = (Item(f"k{n}", code=(n * 2_654_435_761 % 2**64).to_bytes(8, "big")) for n in range(ITEMS))
        stored = sum(len(written.outcomes) for written in client.upsert_stream("codes", items))
        before = ask(client)
    seen = users()
    compose("kill", "--signal", "KILL", "server")
    compose("up", "--detach", "--wait")
    with Client(f"127.0.0.1:{PORT}") as client:
        after, count = ask(client), client.count_items("codes")
    return {"stored": stored, "held": count, "same_answers": before == after, "users": sorted(seen)}


def main() -> int:
    """Run, say what was found, clean up."""
    os.chdir(Path(__file__).parents[1])
    try:
        found = run()
    finally:
        compose("down", "--volumes", "--remove-orphans")
    print(json.dumps(found))
    good = found["same_answers"] and found["held"] == ITEMS and "root" not in found["users"]  # type: ignore[operator]
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
