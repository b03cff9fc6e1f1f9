"""Assemble the HTTP process: `uvicorn services.uploads.app:create_app --factory`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

from fastapi import FastAPI

from services.kit.db import create_engine
from services.kit.http import create_service
from services.kit.settings import load
from services.kit.storage import open_storage
from services.kit.telemetry import configure_logs
from services.uploads import api, print_api
from services.uploads.arrivals import Inspector
from services.uploads.settings import HttpSettings


def create_app() -> FastAPI:
    """The service, as the environment says it should be."""
    settings = load(HttpSettings)
    configure_logs("uploads", level=settings.log_level)
    engine = create_engine(
        settings.database_url.get_secret_value(),
        name="uploads",
        pool_size=settings.database_pool_size,
    )

    @asynccontextmanager
    async def with_storage(app: FastAPI) -> AsyncIterator[None]:
        async with open_storage(settings) as storage:
            with closing(Inspector(storage)) as inspector:
                app.state.storage, app.state.inspector = storage, inspector
                yield

    async def bucket_answers() -> None:
        await app.state.storage.ask("head_bucket")

    app = create_service(
        "uploads",
        version=settings.rekindle_version,
        engine=engine,
        routers=[api.router, print_api.router],
        internal_secrets=settings.accepted_secrets,
        lifespan=with_storage,
        checks=[bucket_answers],
    )
    return app
