"""The HTTP process of processing: `uvicorn services.processing.app:create_app --factory`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

from fastapi import FastAPI

from services.kit.client import ServiceClient
from services.kit.db import create_engine
from services.kit.http import create_service
from services.kit.settings import load
from services.kit.storage import open_storage
from services.kit.telemetry import configure_logs
from services.processing import api, batch_api, copy_api, outline_api, webhooks
from services.processing.copying import MADE_WITHIN_S, Copier
from services.processing.holds import Holds
from services.processing.outlining import ANSWERED_WITHIN_S, Outliner
from services.processing.sandbox import Sandbox
from services.processing.settings import HttpSettings


def create_app() -> FastAPI:
    """Read the environment and put the parts together."""
    settings = load(HttpSettings)
    configure_logs("processing", level=settings.log_level)
    engine = create_engine(
        settings.database_url.get_secret_value(),
        name="processing-http",
        pool_size=settings.database_pool_size,
    )
    holds = Holds(
        ServiceClient(
            settings.credits_url,
            caller="processing",
            service="credits",
            secret=settings.credits_secret.get_secret_value(),
        )
    )

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        async with open_storage(settings) as storage:
            sandbox = Sandbox(workers=settings.outline_workers, timeout_s=ANSWERED_WITHIN_S)
            app.state.storage, app.state.outliner = storage, Outliner(storage, sandbox)
            # Of its own: many strangers who look must not keep an owner from marking a print.
            copies = Sandbox(workers=1, timeout_s=MADE_WITHIN_S)
            app.state.copier = Copier(engine, storage, copies)
            with closing(sandbox), closing(copies):
                yield
        await holds.close()

    app = create_service(
        "processing",
        version=settings.rekindle_version,
        engine=engine,
        routers=(
            api.router,
            batch_api.router,
            copy_api.router,
            outline_api.router,
            webhooks.router,
        ),
        internal_secrets=settings.internal_secrets.get_secret_value().split(","),
        lifespan=life,
    )
    app.state.holds = holds
    app.state.gpu_slots = sum(endpoint.slots for endpoint in settings.runpod_endpoints)
    app.state.webhook_secret = settings.webhook_secret.get_secret_value()
    return app
