"""The process that is killed: a store, its gRPC server, its upkeep and a worker, with failpoints and mutants armed."""

from __future__ import annotations

import argparse
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hashsvc import worker
from hashsvc.app import following, open_store
from hashsvc.app.work import flows
from hashsvc.errors import HashsvcError
from hashsvc.failpoints import arm
from hashsvc.index import LiveIndex
from hashsvc.server import serve
from hashsvc.settings import Settings
from tests.crash.mutants import MUTANTS

TAIL_ROWS = 64
PUBLISH_EVERY = 50
UPKEEP_S = 0.05
LEASE_S = 1.0


class SmallTail(LiveIndex):
    """A live index that freezes, and so merges, often."""

    def __init__(self, *shape: Any, **more: Any) -> None:
        super().__init__(*shape, **{"tail_rows": TAIL_ROWS, **more})


def kill_at(turn: int) -> Callable[[], None]:
    """An action that kills this process the ``turn``-th time it is run, as kill -9 does."""
    reached = [0]

    def action() -> None:
        reached[0] += 1
        if reached[0] == turn:
            os.kill(os.getpid(), signal.SIGKILL)

    return action


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("location")
    parser.add_argument("folder")
    parser.add_argument("listen")
    parser.add_argument("--arm", default="")
    parser.add_argument("--mutant", choices=sorted(MUTANTS))
    options = parser.parse_args()
    if options.mutant:
        MUTANTS[options.mutant]()
    vars(following)["LiveIndex"] = SmallTail
    name, _, turn = options.arm.partition(":")
    if name:
        # Not before clients talk: a job left by the last kill would end this one before it serves.
        signal.signal(signal.SIGUSR1, lambda *_: arm(name, kill_at(int(turn))))
    roots = (str(Path(options.folder) / "sources"),)
    settings = Settings(store=options.location, folder=options.folder, roots=roots)
    store = open_store(options.location, settings=settings, address=options.listen, eager=False)
    store.warm()
    hand = open_store(options.location, settings=settings, role="worker")
    threading.Thread(
        target=worker.run, args=(hand.catalog, flows(hand)), kwargs={"lease_s": LEASE_S, "poll_s": 0.1}, daemon=True
    ).start()
    server = serve(store, options.listen)
    print(f"serving at {server.address}", flush=True)
    while True:
        with suppress(HashsvcError):
            store.upkeep()
            store.publish(least=PUBLISH_EVERY)
        threading.Event().wait(UPKEEP_S)


if __name__ == "__main__":
    main()
