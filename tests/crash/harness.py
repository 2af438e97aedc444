"""Kill a real server again and again, and compare what it comes back with to what it acknowledged.

    python -m tests.crash.harness --kills 50 --db sqlite

A kill counts when the process died of SIGKILL with calls in flight. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import hashsvc.client.channel as wire
from hashsvc.catalog import migrate
from hashsvc.client import Client
from hashsvc.domain.jobs import JobKind, JobState
from hashsvc.domain.kinds import ContentMode
from hashsvc.errors import HashsvcError
from hashsvc.failpoints import NAMES
from tests.crash.checks import Findings, compare
from tests.crash.mutants import MUTANTS
from tests.crash.traffic import COLLECTION, WIDTH, Traffic
from tests.postgresql import ABSENT, Cluster, binaries

START_S = 120.0
JOB_ROWS = 120
MUTANT_KILLS = 12


@dataclass
class Run:
    """One store under fire."""

    folder: Path
    location: str
    target: str
    mutant: str | None = None
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    found: Findings = field(default_factory=Findings)
    ingested: dict[str, bytes] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)
    unproven: int = 0
    damaged: int = 0
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        (self.folder / "sources").mkdir(parents=True)
        self.traffic = Traffic(self.target)

    def start(self, arm: str = "") -> Client:
        """A server that serves; the store is made by the first."""
        arguments = [self.location, str(self.folder), self.target, "--arm", arm]
        arguments += ["--mutant", self.mutant] if self.mutant else []
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with (self.folder / "server.log").open("ab") as log:
            command = [sys.executable, "-m", "tests.crash.server", *arguments]
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        client = Client(self.target, timeout=60)
        deadline = time.monotonic() + START_S
        while True:
            try:
                client.collections()
            except HashsvcError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self.folder / "server.log").read_text()[-3000:]) from None
                time.sleep(0.02)
            else:
                return client

    def kill(self, *, proof: str, patience_s: float) -> bool:
        """Wait, kill unless a failpoint did, and say whether the kill hit calls in flight."""
        assert self.process is not None
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline and self.process.poll() is None:
            time.sleep(0.002)
        alone = self.process.poll() is None
        in_flight = self.traffic.in_flight()
        if alone:
            self.process.send_signal(signal.SIGKILL)
        died = self.process.wait() == -signal.SIGKILL
        self.traffic.pause()
        proven = died and in_flight > 0 and self.traffic.in_flight() > 0
        self.kills["random" if alone else proof] += proven
        self.unproven += not proven
        return proven

    def stop(self) -> None:
        """End the server politely enough: nothing is in flight."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def ingest(self, client: Client) -> None:
        """Ask for a job that reads a file of ready codes."""
        name = f"ingest{len(self.ingested)}"
        rows = {f"{name}-{i}": self.chance.randbytes(WIDTH) for i in range(JOB_ROWS)}
        path = self.folder / "sources" / f"{name}.jsonl"
        path.write_text("".join(json.dumps({"key": key, "code": code.hex()}) + "\n" for key, code in rows.items()))
        self.ingested |= rows
        client.create_job(JobKind.INGEST, {"collection": COLLECTION, "sources": [str(path)]})

    def damage(self) -> None:
        """Flip one bit of the newest snapshot, as a bad disk does."""
        folders = sorted(path for path in self.folder.glob("snapshots/*/*") if path.name[:1].isdigit())
        files = (
            [path for path in folders[-1].iterdir() if path.suffix == ".bin" and path.stat().st_size] if folders else []
        )
        if files:
            path = self.chance.choice(sorted(files))
            data = bytearray(path.read_bytes())
            data[self.chance.randrange(len(data))] ^= 1 << self.chance.randrange(8)
            path.chmod(0o644)
            path.write_bytes(data)
            self.damaged += 1

    def arm(self, number: int) -> str:
        """The failpoint of a round, and at which passage it kills: a job of one unit passes its own once."""
        name = [*NAMES][number // 2 % len(NAMES)]
        return f"{name}:{1 if name.startswith('ingest') else self.chance.randint(1, 4)}"

    def round(self, number: int, *, kill: bool) -> None:
        """Serve, be killed under load, come back, be compared."""
        arm = self.arm(number) if kill and number % 2 else ""
        client = self.start(arm)
        try:
            self.traffic.resume()
            if arm and self.process is not None:
                self.process.send_signal(signal.SIGUSR1)
            if number % 3 == 0 or arm.startswith("ingest"):
                self.ingest(client)
        except HashsvcError:
            pass  # it died while it was asked
        patience = 8.0 if arm else self.chance.uniform(0.1, 0.8)
        if kill:
            self.kill(proof=arm.partition(":")[0], patience_s=patience)
        else:
            time.sleep(2.0)
            self.traffic.pause()
            self.stop()
        client.close()
        if number % 5 == 4 or self.mutant == "checksum-ignored":
            self.damage()
        self.look()

    def look(self) -> None:
        """Come back without traffic, compare, and go away."""
        with self.start() as client:
            self.found += compare(client, self.traffic, self.ingested)
        self.stop()

    def finish(self) -> int:
        """Every job ends and every row of it is there once; how many jobs."""
        with self.start() as client:
            self.traffic.resume()
            time.sleep(1.0)
            self.traffic.pause()
            deadline = time.monotonic() + 120
            while not all(job.state.final for job in client.jobs()) and time.monotonic() < deadline:
                time.sleep(0.1)
            jobs = client.jobs()
            for job in jobs:
                whole = job.state is JobState.DONE and job.counts.read == job.counts.stored + job.counts.unchanged
                self.found.acknowledged_lost += not whole or job.counts.read != JOB_ROWS
            self.found += compare(client, self.traffic, self.ingested)
            planned = {str(job.spec["sources"]) for job in jobs}
            held = {item.key for item in client.list_items(COLLECTION, page_size=10_000).items}
            for key in self.ingested:
                if any(f"/{key.partition('-')[0]}.jsonl" in sources for sources in planned):
                    self.found.acknowledged_lost += key not in held
        self.stop()
        self.traffic.close()
        return len(jobs)


def fire(run: Run, kills: int) -> None:
    """Rounds until so many kills are proven; a mutant's end with the first finding."""
    with run.start() as client:
        client.create_collection(COLLECTION, bits=8 * WIDTH, content=ContentMode.NONE)
    run.stop()
    number = 0
    while run.kills.total() < kills and run.unproven < kills + 10 and (run.found.clean or not run.mutant):
        run.round(number, kill=True)
        number += 1
        print(
            f"{run.kills.total()} kills, {run.traffic.acknowledged()} writes acknowledged", file=sys.stderr, flush=True
        )
    if not kills:
        run.round(0, kill=False)


@contextmanager
def prepared(database: str, mutant: str | None = None) -> Iterator[Run]:
    """A new store on a database, and its folder taken away in the end."""
    plain = vars(wire)["options"]
    vars(wire)["options"] = without_retries
    folder = Path(tempfile.mkdtemp(prefix="hashsvc-crash-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{free.getsockname()[1]}"
    cluster = Cluster() if database == "postgresql" else None
    try:
        location = str(folder / "store")
        if cluster is not None:
            location = cluster.create().replace("postgresql+psycopg", "postgresql")
            migrate(location.replace("postgresql", "postgresql+psycopg", 1))
        run = Run(folder / "store", location, target, mutant)
        try:
            yield run
        finally:
            run.stop()
    finally:
        vars(wire)["options"] = plain
        if cluster is not None:
            cluster.close()
        shutil.rmtree(folder, ignore_errors=True)


def without_retries(max_message: int) -> list[tuple[str, int | str]]:
    """A call that fails says so at once: the clients here repeat by themselves."""
    size = max_message
    return [
        ("grpc.max_receive_message_length", size),
        ("grpc.max_send_message_length", size),
        ("grpc.enable_retries", 0),
    ]


def attack(database: str, kills: int) -> dict[str, object]:
    """Kill, and report as the last line says it."""
    with prepared(database) as run:
        fire(run, kills)
        jobs = run.finish()
        found = run.found
        return {
            "database": database,
            "kills": run.kills.total(),
            "by_place": dict(sorted(run.kills.items())),
            "unproven": run.unproven,
            "acknowledged": run.traffic.acknowledged(),
            "jobs": jobs,
            "snapshots_damaged": run.damaged,
            **{name: value for name, value in asdict(found).items() if name != "index_differs"},
            "index_equals_sql": not found.index_differs,
        }


def catches(database: str, mutant: str) -> bool:
    """Whether a broken server is found out."""
    with prepared(database, mutant) as run:
        fire(run, MUTANT_KILLS)
        run.traffic.close()
        print(f"mutant {mutant}: {run.found}", file=sys.stderr, flush=True)
        return not run.found.clean


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--db", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--without-mutants", action="store_true")
    options = parser.parse_args()
    if options.db == "postgresql" and binaries() is None:
        print(ABSENT, file=sys.stderr)
        return 2
    null = attack(options.db, 0)
    mutants = {} if options.without_mutants else {mutant: catches(options.db, mutant) for mutant in MUTANTS}
    report = attack(options.db, options.kills)
    broken = [name for name in Findings.__dataclass_fields__ if report.get(name) or null.get(name)]
    passed = not broken and report["index_equals_sql"] and null["index_equals_sql"] and all(mutants.values())
    passed = bool(passed) and int(str(report["kills"])) >= options.kills
    print(
        json.dumps(
            {
                **report,
                "null_run_passed": bool(null["index_equals_sql"]) and not broken,
                "mutants_caught": mutants,
                "passed": passed,
            }
        )
    )
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
