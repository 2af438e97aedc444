"""The containers for real, where a Docker engine runs: build, start, write, search, kill the server, ask again.

    make compose-test [HASHSVC_BASE=image with Python and pip] [POSTGRES_IMAGE=image of PostgreSQL]

Ends with one JSON line; leaves no container and no volume behind.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

from hashsvc.client import Client
from hashsvc.domain.items import Item
from hashsvc.domain.queries import CodeQuery

PROJECT = "hashsvc-compose-test"
PORT = os.environ.setdefault("HASHSVC_PORT", "50991")
ITEMS = 500
READY_SECONDS = 180.0


@cache
def program() -> tuple[str, ...]:
    """Compose as a plugin of Docker, or the program of its own that Debian has."""
    plugin = subprocess.run(["docker", "compose", "version"], check=False, capture_output=True)
    return ("docker", "compose") if plugin.returncode == 0 else ("docker-compose",)


def compose(*arguments: str) -> str:
    """What a compose command prints."""
    command = [*program(), "--project-name", PROJECT, *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def up(*how: str) -> None:
    """Start everything and wait until the server is healthy and the worker runs."""
    compose("up", *how, "--detach")
    end = time.monotonic() + READY_SECONDS
    while (state("server", "{{.State.Health.Status}}"), state("worker", "{{.State.Status}}")) != ("healthy", "running"):
        if time.monotonic() > end:
            raise RuntimeError(f"not ready after {READY_SECONDS:.0f} s: see docker logs")
        time.sleep(1)


def state(name: str, field: str) -> str:
    """What Docker says of the container of a service."""
    number = compose("ps", "--quiet", name).strip()
    told = subprocess.run(["docker", "inspect", "--format", field, number], check=True, capture_output=True, text=True)
    return told.stdout.strip()


def ask(client: Client) -> list[tuple[str, int]]:
    """The same questions before and after."""
    queries = [CodeQuery(bytes([n] * 8)) for n in range(20)]
    return [(m.key, m.distance) for answer in client.search("codes", queries, k=5) for m in answer.matches]


def users() -> set[str]:
    """Users under whom the processes of our image run."""
    found: set[str] = set()
    for name in ("server", "worker"):
        number = compose("ps", "--quiet", name).strip()
        listed = ["docker", "top", number, "-eo", "pid,user"]  # without the pid some engines refuse
        told = subprocess.run(listed, check=True, capture_output=True, text=True)
        found.update(line.split()[1] for line in told.stdout.splitlines()[1:])
    return found


def run() -> dict[str, object]:
    """Everything, from the build to the second answer."""
    up("--build")
    with Client(f"127.0.0.1:{PORT}") as client:
        client.create_collection("codes", bits=64)
        items = (Item(f"k{n}", code=(n * 2_654_435_761 % 2**64).to_bytes(8, "big")) for n in range(ITEMS))
        stored = sum(len(written.outcomes) for written in client.upsert_stream("codes", items))
        before = ask(client)
    seen = users()
    compose("kill", "--signal", "KILL", "server")
    up()
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
