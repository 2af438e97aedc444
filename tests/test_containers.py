"""The compose file and the image: their shape, and what the containers are told to run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from click import Command, Context
from typer.main import get_command

from hashsvc.cli.access import client_tls
from hashsvc.cli.program import program, run
from hashsvc.server import Tokens, new_token, serve
from hashsvc.server.methods import Need
from hashsvc.settings import Limits, Settings
from tests.server.memory import MemoryStore

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def _runs(service: dict[str, Any]) -> set[str]:
    return {f"{name}:{link['condition']}" for name, link in service.get("depends_on", {}).items()}


def test_postgres_then_migrate_once_then_server_then_worker(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert {name for name in services if not services[name].get("profiles")} == {
        "postgres",
        "migrate",
        "server",
        "worker",
    }
    assert _runs(services["migrate"]) == {"postgres:service_healthy"}
    assert _runs(services["server"]) == {"migrate:service_completed_successfully"}
    assert _runs(services["worker"]) == {"server:service_healthy"}
    assert services["migrate"]["restart"] == "no"
    for name in ("postgres", "server"):
        assert services[name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


def test_our_containers_write_only_into_their_volumes(compose: dict[str, Any]) -> None:
    ours = [service for name, service in compose["services"].items() if name != "postgres"]
    assert all(service["read_only"] and service["tmpfs"] == ["/tmp"] for service in ours)
    assert all(service["cap_drop"] == ["ALL"] for service in ours)
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "NUMBA_CACHE_DIR=/tmp/" in dockerfile  # numba refuses to compile where it cannot write


def test_a_worker_with_a_gpu_joins_on_request(compose: dict[str, Any]) -> None:
    gpu = compose["services"]["gpu-worker"]
    assert gpu["profiles"] == ["gpu"]
    assert gpu["build"]["args"]["DEVICE"] == "cuda"
    assert gpu["environment"]["HASHSVC_DEVICE"] == "cuda:0"


def test_every_volume_is_declared_and_the_files_are_shared(compose: dict[str, Any]) -> None:
    mounted = {
        volume.partition(":")[0] for service in compose["services"].values() for volume in service.get("volumes", ())
    }
    assert mounted - {"${HASHSVC_SECRETS"} == set(compose["volumes"]) - {"secrets"}
    server, *others = (
        compose["services"][name] for name in ("server", "worker", "gpu-worker", "ray-head", "ray-worker")
    )
    for other in others:
        assert set(other["volumes"]) <= set(server["volumes"])
        for name in ("HASHSVC_STORE", "HASHSVC_FOLDER"):
            assert server["environment"][name] == other["environment"][name]


def test_containers_run_verbs_that_exist_with_settings_that_exist(
    compose: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    known = {f"HASHSVC_{name.upper()}" for where in (Settings, Limits) for name in where.__dataclass_fields__}
    serve = get_command(program()).get_command(Context(Command("hashsvc")), "serve")  # type: ignore[attr-defined]
    known |= {str(option.envvar) for option in serve.params} | {"HASHSVC_TLS_AUTHORITIES"}
    for name in ("migrate", "server", "worker"):
        service = compose["services"][name]
        assert run([*service["command"], "--help"]) == 0
        assert "Usage" in capsys.readouterr().out
        assert set(service["environment"]) <= known


def test_the_health_check_works_where_tokens_are_asked_for(
    compose: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = compose["services"]["server"]
    assert server["environment"]["HASHSVC_TOKENS"] == "${HASHSVC_TOKENS:-}"
    assert "${HASHSVC_SECRETS:-secrets}:/run/hashsvc:ro" in server["volumes"]
    verb, *check = server["healthcheck"]["test"][1:]
    assert verb == "hashsvc"
    (tmp_path / "tokens.json").write_text(json.dumps([new_token("known", {"*": Need.ADMIN})[1]]))
    with serve(MemoryStore(), "127.0.0.1:0", tokens=Tokens.read(tmp_path / "tokens.json")) as guarded:
        port = guarded.address.rpartition(":")[2]
        assert run([part.replace("50051", port) for part in check]) == 0
        assert "serves" in capsys.readouterr().out
    assert run([part.replace("50051", port) for part in check]) == 2


def test_no_tokens_are_asked_for_where_none_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose passes a variable that is not set on as an empty one."""
    serve_verb = get_command(program()).get_command(Context(Command("hashsvc")), "serve")  # type: ignore[attr-defined]
    for name in ("TOKENS", "TLS_CERTIFICATE", "TLS_KEY", "TLS_CLIENTS", "TLS_AUTHORITIES"):
        monkeypatch.setenv(f"HASHSVC_{name}", "")
    given = serve_verb.make_context("serve", []).params
    assert {given[name] for name in ("tokens", "certificate", "key", "clients")} == {None}
    assert client_tls() is None


def test_a_ray_cluster_joins_on_request(compose: dict[str, Any]) -> None:
    head, worker = compose["services"]["ray-head"], compose["services"]["ray-worker"]
    assert head["profiles"] == worker["profiles"] == ["ray"]
    assert head["image"] == worker["image"]
    assert head["image"] not in {compose["services"][name]["image"] for name in ("server", "gpu-worker")}
    assert head["entrypoint"] == worker["entrypoint"] == ["ray"]
    assert _runs(head) == {"migrate:service_completed_successfully"}
    assert _runs(worker) == {"ray-head:service_healthy"}
    port = next(part for part in head["command"] if part.startswith("--port=")).removeprefix("--port=")
    assert f"--address=ray-head:{port}" in worker["command"]
    assert head["healthcheck"]["test"] == ["CMD", "ray", "status"]


def test_ray_knows_what_its_containers_are_told(compose: dict[str, Any]) -> None:
    scripts = pytest.importorskip("ray.scripts.scripts")
    for name in ("ray-head", "ray-worker"):
        verb, *flags = compose["services"][name]["command"]
        known = {flag for option in scripts.cli.commands[verb].params for flag in option.opts}
        assert {flag.partition("=")[0] for flag in flags} <= known


def test_an_image_is_built_with_the_extras_it_is_asked_for(compose: dict[str, Any]) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    [default] = re.findall(r"^ARG EXTRAS=(.+)$", dockerfile, re.MULTILINE)
    assert '".[$EXTRAS]"' in dockerfile
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    asked = compose["services"]["ray-head"]["build"]["args"]["EXTRAS"]
    assert set(default.split(",")) < set(asked.split(",")) <= set(known)
    assert "ray" in asked.split(",")


def test_the_server_is_published_on_the_loopback_interface_only(compose: dict[str, Any]) -> None:
    assert all(port.startswith("127.0.0.1:") for port in compose["services"]["server"]["ports"])


def test_the_image_runs_without_root_and_copies_what_the_build_needs() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    final = dockerfile.split("\nFROM ")[-1]
    assert re.search(r"^USER hashsvc$", final, re.MULTILINE)
    assert final.index("USER hashsvc") < final.index("ENTRYPOINT")
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", dockerfile, re.MULTILINE)
    for name in " ".join(copied).split():
        assert name in allowed, f"{name} is not sent to the build"
        assert (ROOT / name).exists()
    assert {"pyproject.toml", "setup.py", "hashsvc", "migrations"} <= set(" ".join(copied).split())


def test_compose_itself_accepts_the_file() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not installed here")
    done = subprocess.run(
        [docker, "compose", "config", "--quiet"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr


def test_make_up_starts_the_containers() -> None:
    command = ["make", "--no-print-directory", "-n", "up"]
    planned = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout
    assert planned.strip().startswith("docker compose up")
