"""Servers in containers, for those who have Docker: `REKINDLE_TESTS=containers make test`.

Their addresses are handed to the stack as a user would hand it servers of their own.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from secrets import token_hex
from typing import Any

POSTGRES_IMAGE = "postgres:16-alpine"
RABBITMQ_IMAGE = "rabbitmq:4-management"
S3_IMAGE = "chrislusf/seaweedfs"
START_TIMEOUT_S = 120


@contextmanager
def containers() -> Iterator[dict[str, str]]:
    """Start the three servers if REKINDLE_TESTS asks for it; yields their addresses."""
    if os.environ.get("REKINDLE_TESTS") != "containers":
        yield {}
        return
    with ExitStack() as running:
        addresses = {**_postgres(running), **_rabbitmq(running), **_s3(running)}
        # The tests' own process asks the environment too.
        os.environ.update(addresses)
        try:
            yield addresses
        finally:
            for name in addresses:
                del os.environ[name]


def _postgres(running: ExitStack) -> dict[str, str]:
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy  # noqa: PLC0415

    password = token_hex()
    container = _start(
        running,
        POSTGRES_IMAGE,
        ports=(5432,),
        environment={"POSTGRES_USER": "rekindle_admin", "POSTGRES_PASSWORD": password},
        # The image starts the server twice: once to set itself up.
        ready=LogMessageWaitStrategy("ready to accept connections", times=2),
    )
    place = _place(container, 5432)
    return {"DATABASE_URL": f"postgresql://rekindle_admin:{password}@{place}/postgres"}


def _rabbitmq(running: ExitStack) -> dict[str, str]:
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy  # noqa: PLC0415

    password = token_hex()
    container = _start(
        running,
        RABBITMQ_IMAGE,
        ports=(5672, 15672),
        environment={"RABBITMQ_DEFAULT_USER": "rekindle", "RABBITMQ_DEFAULT_PASS": password},
        ready=LogMessageWaitStrategy("Server startup complete"),
    )
    owner = f"rekindle:{password}"
    return {
        "AMQP_URL": f"amqp://{owner}@{_place(container, 5672)}/rekindle",
        "RABBITMQ_MANAGEMENT_URL": f"http://{owner}@{_place(container, 15672)}",
    }


def _s3(running: ExitStack) -> dict[str, str]:
    from testcontainers.core.wait_strategies import HttpWaitStrategy  # noqa: PLC0415

    access_key, secret_key = token_hex(10), token_hex()
    container = _start(
        running,
        S3_IMAGE,
        ports=(8333,),
        command="mini -dir=/data -master.telemetry=false -webdav=false -admin.ui=false",
        environment={"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret_key},
        ready=HttpWaitStrategy(8333, "/healthz"),
    )
    return {
        "S3_ENDPOINT": f"http://{_place(container, 8333)}",
        "S3_ACCESS_KEY": access_key,
        "S3_SECRET_KEY": secret_key,
    }


def _start(
    running: ExitStack,
    image: str,
    *,
    ports: tuple[int, ...],
    environment: dict[str, str],
    ready: Any,
    command: str = "",
) -> Any:
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - only with Docker

    container = DockerContainer(image).with_exposed_ports(*ports).with_envs(**environment)
    container.waiting_for(ready.with_startup_timeout(START_TIMEOUT_S))
    if command:
        container.with_command(command)
    return running.enter_context(container)


def _place(container: Any, port: int) -> str:
    return f"{container.get_container_host_ip()}:{container.get_exposed_port(port)}"
