"""Assemble the gateway: the settings, the parts, the doors, and the edge around them."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

from fastapi import APIRouter, FastAPI

from services.gateway import (
    api,
    batches,
    events,
    feed,
    handoff_api,
    hooks,
    jobs,
    login,
    nudges,
    openapi,
    page,
    prints,
    purchases,
    share_api,
    share_page,
    web,
)
from services.gateway.edge import Edge
from services.gateway.issuer import Issuer
from services.gateway.limits import Limiter
from services.gateway.parts import Parts
from services.gateway.settings import GatewaySettings
from services.gateway.streams import Streams
from services.gateway.visitors import KnownAccounts
from services.kit import bus, telemetry
from services.kit.client import ServiceClient
from services.kit.db import create_engine
from services.kit.http import create_service
from services.kit.settings import load
from services.kit.tokens import TokenVerifier

PUBLIC = (
    api.router,
    prints.router,
    handoff_api.router,
    jobs.router,
    batches.router,
    events.router,
    purchases.router,
    share_api.router,
)
UNLISTED = (login.router, hooks.router, page.router, share_page.router)


def create_app() -> Edge:
    """The application as the environment describes it."""
    settings = load(GatewaySettings)
    telemetry.configure_logs("gateway", level=settings.log_level)
    return assemble(settings)


def assemble(settings: GatewaySettings) -> Edge:
    """The application as these settings describe it."""
    parts = _parts(settings)
    app = create_service(
        "gateway",
        version=settings.rekindle_version,
        engine=parts.engine,
        routers=(*PUBLIC, *UNLISTED, _home(settings)),
        lifespan=_life,
    )
    app.state.parts, app.state.known_accounts = parts, KnownAccounts()
    app.openapi = contract  # type: ignore[method-assign]  # how FastAPI lets it be replaced
    return Edge(app, is_secure=settings.is_secure)


def _home(settings: GatewaySettings) -> APIRouter:
    return web.router_of(settings) if settings.web_export else page.first


def contract() -> dict[str, Any]:
    """The public contract; it needs no settings."""
    return openapi.document(PUBLIC)


def _parts(settings: GatewaySettings) -> Parts:
    issuer = Issuer(
        settings.oidc_issuer, client_id=settings.oidc_client_id, public_url=settings.public_url
    )
    service = partial(_service, settings)
    engine = create_engine(
        settings.database_url.get_secret_value(),
        name="gateway",
        pool_size=settings.database_pool_size,
    )
    return Parts(
        settings=settings,
        engine=engine,
        issuer=issuer,
        verifier=TokenVerifier(
            settings.oidc_issuer, settings.oidc_audience, settings.allowed_clients, issuer.keys
        ),
        limiter=Limiter(factor=settings.rate_limit_factor),
        streams=Streams(streams_max=settings.event_streams_max),
        feeds=feed.reader(engine),
        uploads=service("uploads"),
        credits=service("credits"),
        processing=service("processing"),
        billing=service("billing"),
    )


def _service(settings: GatewaySettings, name: str) -> ServiceClient:
    return ServiceClient(
        getattr(settings, f"{name}_url"),
        caller="gateway",
        service=name,
        secret=getattr(settings, f"{name}_secret").get_secret_value(),
    )


@asynccontextmanager
async def _life(app: FastAPI) -> AsyncIterator[None]:
    parts: Parts = app.state.parts
    broker = bus.create_broker(parts.settings.amqp_url.get_secret_value(), name="gateway")
    nudges.listen(broker, parts.streams)
    # Not awaited: without RabbitMQ the streams still poll.
    starting = asyncio.create_task(bus.start(broker))
    try:
        with _closing_at_signals(parts.streams):
            yield
    finally:
        parts.streams.close()
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await broker.stop()
        await parts.close()


@contextmanager
def _closing_at_signals(streams: Streams) -> Iterator[None]:
    """End the streams when the server is told to stop: it waits for them before it tells us."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    servers = {sign: signal.getsignal(sign) for sign in (signal.SIGTERM, signal.SIGINT)}

    def stop(sign: int, frame: Any) -> None:
        loop.call_soon_threadsafe(streams.close)
        handler = servers[signal.Signals(sign)]
        if callable(handler):
            handler(sign, frame)

    for sign in servers:
        signal.signal(sign, stop)
    try:
        yield
    finally:
        for sign, handler in servers.items():
            signal.signal(sign, handler)
