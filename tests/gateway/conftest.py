"""A gateway of the test's own, with an empty schema, before the stack's own services."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.gateway.settings import GatewaySettings
from services.kit.db import create_engine
from tests.gateway.doors import AUDIENCE, WEB, Door, free_port, opened, published_keys

OpenDoor = Callable[..., Door]


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[Any]]:
    """What is logged, caught: rendering a traceback for a terminal takes seconds."""
    with structlog.testing.capture_logs() as entries:
        yield entries


@pytest.fixture(scope="session")
def issuer_url() -> Iterator[str]:
    with published_keys() as url:
        yield url


@pytest.fixture
def settings(
    stack: dict[str, Any], database_url: Callable[[str], str], amqp_url: str, issuer_url: str
) -> dict[str, Any]:
    """What the stack's gateway is told, but for a database, vhost and issuer of the tests."""
    environment = stack["environments"]["gateway"]
    known = {
        name: environment[name.upper()]
        for name in GatewaySettings.model_fields
        if name.upper() in environment
    }
    return known | {
        "database_url": database_url("gateway"),
        "amqp_url": amqp_url,
        "oidc_issuer": issuer_url,
        "oidc_audience": AUDIENCE,
        "oidc_client_id": WEB,
        "oidc_allowed_clients": WEB,
        "web_export": "",
    }


@pytest.fixture
def open_door(settings: dict[str, Any]) -> Iterator[OpenDoor]:
    """Open a gateway, with some settings changed."""
    with ExitStack() as doors:

        def open_one(**changes: Any) -> Door:
            public_url = f"http://127.0.0.1:{free_port()}"
            changed = settings | {"public_url": public_url} | changes
            return doors.enter_context(opened(GatewaySettings.model_validate(changed)))

        yield open_one


@pytest.fixture
def door(open_door: OpenDoor) -> Door:
    return open_door()


@pytest.fixture
async def engine(database_url: Callable[[str], str]) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(database_url("gateway"), name="tests", pool_size=10)
    yield engine
    await engine.dispose()
