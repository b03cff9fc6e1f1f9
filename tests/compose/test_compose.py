"""docker-compose.yml, read offline: no machine of ours has a Docker engine to start it with."""

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic_settings import BaseSettings

from deploy.local import compose_env, environments, s3, stack
from deploy.local.environments import Addresses
from deploy.local.home import Home
from tests.compose import composition
from tests.compose.composition import Service

ROOT = Path(__file__).parents[2]
DOCKERFILES = sorted((ROOT / "deploy" / "docker").glob("*Dockerfile"))
SERVERS = {"postgres", "rabbitmq", "s3"}

SETTINGS = {
    "gateway": "services.gateway.settings:GatewaySettings",
    "gateway-consumer": "services.gateway.settings:ConsumerSettings",
    "demo-account": "services.gateway.settings:OperatorSettings",
    "uploads": "services.uploads.settings:HttpSettings",
    "uploads-consumer": "services.uploads.settings:ConsumerSettings",
    "credits": "services.credits.app:Settings",
    "credits-consumer": "services.credits.__main__:ConsumerSettings",
    "processing": "services.processing.settings:HttpSettings",
    "processing-consumer": "services.processing.settings:ConsumerSettings",
    "dispatcher": "services.processing.settings:DispatcherSettings",
    "billing": "services.billing.settings:HttpSettings",
    "billing-consumer": "services.billing.settings:ConsumerSettings",
    "prices": "services.billing.settings:SyncSettings",
    "demo-plan": "services.kit.settings:ServiceSettings",
    "relay": "services.kit.relay:RelaySettings",
    "issuer": "deploy.local.issuer.settings:Settings",
    "stripe": "deploy.local.stripe.settings:Settings",
}


@pytest.fixture(scope="module")
def containers() -> dict[str, Service]:
    return composition.services()


@pytest.fixture
def only_environment(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], None]:
    """Have nothing in the environment but what a container is given."""

    def have(environment: dict[str, Any]) -> None:
        for name in list(os.environ):
            monkeypatch.delenv(name)
        for name, value in environment.items():
            monkeypatch.setenv(name, str(value))

    return have


@pytest.mark.parametrize("container", SETTINGS)
def test_each_container_is_given_what_its_program_reads(
    container: str,
    containers: dict[str, Service],
    only_environment: Callable[[dict[str, Any]], None],
) -> None:
    module, _, name = SETTINGS[container].partition(":")
    settings: type[BaseSettings] = getattr(importlib.import_module(module), name)

    # Outside local mode the programs also refuse secrets that could be guessed.
    only_environment({**containers[container]["environment"], "REKINDLE_ENV": "production"})
    settings()


def test_every_service_container_is_among_those_checked(containers: dict[str, Service]) -> None:
    ours = {
        name
        for name, one in containers.items()
        if any("services." in word for word in one.get("command", ()))
    }

    assert ours <= SETTINGS.keys()


@pytest.fixture
def local_programs(tmp_path: Path) -> dict[str, dict[str, str]]:
    """What `make run` starts, and what it tells each program of ours."""
    home = Home(tmp_path)
    addresses = Addresses(
        ports={name: 1000 + place for place, name in enumerate(stack.PORTS)},
        admin_database_url="postgresql://admin:secret@127.0.0.1:1/postgres",
        amqp_urls=["amqp://rekindle:secret@127.0.0.1:2/rekindle"],
        management_urls=["http://rekindle:secret@127.0.0.1:3"],
        s3=s3.Account("http://127.0.0.1:4", "key", "secret"),
    )
    of_services = environments.of_services(home, addresses)
    programs = stack.python_programs(home, addresses, of_services)
    return {program.name: dict(program.environment) for program in programs}


def test_every_process_of_the_local_stack_has_its_container(
    containers: dict[str, Service], local_programs: dict[str, dict[str, str]]
) -> None:
    assert {"relay", "dispatcher", "worker"} <= local_programs.keys()
    assert local_programs.keys() | SERVERS <= containers.keys()


def test_containers_are_told_what_local_programs_are_told(
    containers: dict[str, Service], local_programs: dict[str, dict[str, str]]
) -> None:
    machine = environments.base().keys()
    missing = {
        name: sorted(environment.keys() - machine - containers[name]["environment"].keys())
        for name, environment in local_programs.items()
    }

    assert {name: names for name, names in missing.items() if names} == {}


def test_everything_that_is_waited_for_exists_and_can_become_so(
    containers: dict[str, Service],
) -> None:
    for name, one in containers.items():
        for target, how in one.get("depends_on", {}).items():
            assert target in containers, f"{name} waits for {target}, which is not there"
            if how["condition"] == "service_healthy":
                assert "healthcheck" in containers[target], f"{target} never says that it is well"
            if how["condition"] == "service_completed_successfully":
                assert containers[target]["restart"] == "no", f"{target} never completes"


def test_every_address_inside_names_a_container(containers: dict[str, Service]) -> None:
    for name, one in containers.items():
        for key, value in one.get("environment", {}).items():
            for address in re.findall(r"\w+://[^\s\",]+", str(value)):
                host = urlsplit(address).hostname or ""
                known = host in containers or host in ("127.0.0.1", "localhost")
                assert known or key.endswith("AUDIENCE"), f"{name}: {key} points at {host}"


def test_an_address_both_sides_use_means_the_same_on_both(containers: dict[str, Service]) -> None:
    issuer, storage = containers["issuer"], containers["s3"]

    assert containers["gateway"]["network_mode"] == "service:issuer"
    assert containers["gateway"]["environment"]["OIDC_ISSUER"] == "http://127.0.0.1:9000/"
    assert issuer["environment"]["ISSUER_URL"] == "http://127.0.0.1:9000/"
    assert set(issuer["ports"]) == {"127.0.0.1:9000:9000", "127.0.0.1:8080:8080"}
    assert "gateway" in issuer["networks"]["default"]["aliases"]
    assert containers["worker"]["network_mode"] == "service:s3"
    assert storage["ports"] == ["127.0.0.1:8333:8333"]
    public = containers["processing-consumer"]["environment"]["S3_PUBLIC_ENDPOINT"]
    assert public == "http://127.0.0.1:8333"


def test_nothing_listens_beyond_this_machine(containers: dict[str, Service]) -> None:
    ports = [port for one in containers.values() for port in one.get("ports", ())]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_container_is_limited_and_every_image_pinned(
    containers: dict[str, Service],
) -> None:
    for name, one in containers.items():
        limits = one["deploy"]["resources"]["limits"]
        assert {"cpus", "memory", "pids"} <= limits.keys(), name
        if "image" in one:
            assert re.search(r":\d", one["image"]), f"{one['image']} is not pinned"
        else:
            assert (ROOT / one["build"]["dockerfile"]).is_file()
            lock = one["build"]["args"].get("SERVICE")
            assert lock is None or (ROOT / "deploy" / "locks" / f"{lock}.txt").is_file()


def test_watched_paths_exist(containers: dict[str, Service]) -> None:
    paths = [
        watched["path"]
        for one in containers.values()
        for watched in one.get("develop", {}).get("watch", ())
    ]

    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_storage_is_given_the_flags_that_make_it_private(
    containers: dict[str, Service],
) -> None:
    flags = containers["s3"]["command"]

    for flag in (
        "-master.telemetry=false",
        "-s3.autoCreateBucket=false",
        "-webdav=false",
        "-admin.ui=false",
        "-config_dir=/etc/seaweedfs",
    ):
        assert flag in flags


def test_every_secret_is_asked_for_and_none_has_a_default() -> None:
    text = composition.FILE.read_text()
    used = set(re.findall(r"\$\{(\w+)", text))

    assert used == compose_env.completed({}).keys()
    assert ":-" not in text
    with pytest.raises(composition.MissingVariableError):
        composition.read({})


def test_secrets_are_written_once_and_for_the_owner_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compose_env, "FILE", tmp_path / ".env")

    compose_env.main()
    first = compose_env.read(tmp_path / ".env")
    (tmp_path / ".env").write_text(f"SESSION_SECRET={first['SESSION_SECRET']}\n# note\n")
    compose_env.main()
    second = compose_env.read(tmp_path / ".env")

    assert first.keys() == second.keys()
    assert first["SESSION_SECRET"] == second["SESSION_SECRET"]
    assert first["RUNPOD_API_KEY"] != second["RUNPOD_API_KEY"]
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600


def test_the_file_is_what_compose_understands() -> None:
    command = ["check-jsonschema", "--builtin-schema", "vendor.compose-spec"]
    assert run(*command, str(composition.FILE)) == ""


def test_the_dockerfiles_are_sound() -> None:
    assert len(DOCKERFILES) == 2
    assert run("hadolint", *map(str, DOCKERFILES)) == ""


def run(program: str, *arguments: str) -> str:
    outcome = subprocess.run(
        [str(Path(sys.executable).parent / program), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return "" if outcome.returncode == 0 else outcome.stdout + outcome.stderr
