"""Assemble the HTTP side of the credits service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

from fastapi import FastAPI
from pydantic import SecretStr

from services.credits import api
from services.credits.placing import Placer
from services.kit.db import create_engine
from services.kit.http import create_service
from services.kit.settings import ServiceSettings, load
from services.kit.telemetry import configure_logs


class Settings(ServiceSettings):
    """What the HTTP process reads from its environment."""

    internal_secrets: SecretStr


def create_app() -> FastAPI:
    settings = load(Settings)
    configure_logs("credits", level=settings.log_level)
    engine = create_engine(
        settings.database_url.get_secret_value(),
        name="credits",
        pool_size=settings.database_pool_size,
    )
    placer = Placer(engine)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with closing(placer):
            yield

    app = create_service(
        "credits",
        version=settings.rekindle_version,
        engine=engine,
        lifespan=lifespan,
        routers=[api.router, api.internal],
        internal_secrets=settings.internal_secrets.get_secret_value().split(","),
    )
    app.state.placer = placer
    return app
