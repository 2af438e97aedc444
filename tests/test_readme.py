"""Every command of the README, run as it stands there, in its order; and what docs/ says of the settings."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest

from hashsvc.cli.demo.queries import QUESTIONS
from hashsvc.settings import Limits, Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LISTEN = "127.0.0.1:50051"


def _blocks(language: str) -> list[str]:
    return [body for name, body in BLOCK.findall(README) if name == language]


@dataclass(frozen=True, slots=True)
class Demo:
    """The folder the demo ran in, and its last line."""

    folder: Path
    result: dict[str, Any]


def _environment(**more: str) -> dict[str, str]:
    """This environment with the program on the path and no settings of ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HASHSVC_")}
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}", **more}


def _recipe(target: str) -> str:
    """The last command that ``make TARGET`` would run, its program found on the path."""
    planned = subprocess.run(
        ["make", "--no-print-directory", "-n", target], capture_output=True, text=True, cwd=ROOT, check=True
    ).stdout
    return planned.strip().splitlines()[-1].replace(".venv/bin/", "")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """What ``make demo`` runs once the packages are installed, run in an empty folder."""
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        shlex.split(_recipe("demo")), capture_output=True, text=True, cwd=folder, env=_environment(), check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Demo(folder, json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.slow
def test_the_demo_says_what_it_promises(demo: Demo) -> None:
    result = demo.result
    assert set(result) == {"images", "texts", "same_after_restart", "seconds"}
    assert result["same_after_restart"] is True
    assert (result["images"]["items"], result["images"]["bits"]) == (1_437, 64)
    assert result["texts"]["items"] > 2_000
    assert [query["query"] for query in result["texts"]["queries"]] == [question.text for question in QUESTIONS]
    assert all(len(query["keys"]) == 10 for query in result["texts"]["queries"])
    assert (demo.folder / "demo" / "gallery.png").stat().st_size > 10_000


@pytest.mark.slow
def test_the_demo_finds_what_it_asks_for(demo: Demo) -> None:
    assert demo.result["images"]["p_at_10"] >= 0.96
    answered = [
        bool(question.accepted & set(query["keys"]))
        for question, query in zip(QUESTIONS, demo.result["texts"]["queries"], strict=True)
    ]
    assert sum(answered) >= 10, [q.text for q, found in zip(QUESTIONS, answered, strict=True) if not found]


@pytest.mark.slow
def test_the_first_search_from_python_has_at_most_ten_lines_and_runs(demo: Demo) -> None:
    [example] = _blocks("python")
    assert len([line for line in example.splitlines() if line.strip()]) <= 10
    done = subprocess.run(
        [sys.executable, "-c", example],
        capture_output=True,
        text=True,
        cwd=demo.folder,
        env=_environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [line.split()[1] for line in done.stdout.splitlines()]
    assert len(found) == 5
    assert QUESTIONS[1].text == "copy a file"
    assert QUESTIONS[1].accepted & set(found)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def _running(command: str, folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """A command that stays, such as a server: it has said its first line when the block begins, and ends after it."""
    with subprocess.Popen(
        shlex.split(command), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=folder, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline(), f"{command} ended"
            yield
        finally:
            process.terminate()
            assert process.wait(60) == 0


def _run(block: str, folder: Path, environment: dict[str, str]) -> dict[str, str]:
    """Run the lines of a block; what each printed, by line. ``export`` holds for what follows."""
    printed: dict[str, str] = {}
    for line in block.strip().splitlines():
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            environment[name] = value
            continue
        done = subprocess.run(
            shlex.split(line), capture_output=True, text=True, cwd=folder, env=environment, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        printed[line] = done.stdout
    return printed


@pytest.mark.slow
def test_every_command_runs(demo: Demo) -> None:
    two, own, serve, ask = _blocks("sh")
    assert two.split("\n") == ["make demo", "make test", ""]
    assert _recipe("test").startswith("python -m pytest")
    port, environment = f"127.0.0.1:{_free_port()}", _environment()
    printed = _run(own, demo.folder, environment)
    assert "7/" in next(out for line, out in printed.items() if line.startswith("hashsvc search"))
    within = next(json.loads(out) for line, out in printed.items() if line.startswith("hashsvc within"))
    assert all(match["distance"] <= 6 for match in within["answers"][0]["matches"])
    with _running(serve.replace(LISTEN, port), demo.folder, environment):
        printed = _run(ask.replace(LISTEN, port), demo.folder, environment)
    assert list(printed.values())[-1].strip() == "1,797"


def test_every_link_leads_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_setting_is_described_with_its_default() -> None:
    described = dict(
        re.findall(
            r"^\| `(HASHSVC_\w+)` \| (?:`(.*?)`)? *\|", (ROOT / "docs" / "operating.md").read_text(), re.MULTILINE
        )
    )
    expected = {
        f"HASHSVC_{f.name.upper()}": getattr(where, f.name)
        for where in (Settings(), Limits())
        for f in fields(where)
        if f.name != "limits"
    }
    assert described == {name: str(value) if value not in {"", ()} else "" for name, value in expected.items()}
