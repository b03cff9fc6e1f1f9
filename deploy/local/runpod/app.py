"""The emulator as one application: `uvicorn deploy.local.runpod.app:create_app --factory`."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from deploy.local.runpod import billing_routes, client_routes, fault_routes, worker_routes
from deploy.local.runpod.endpoint import Endpoint


def create_app(*, endpoint: Endpoint | None = None, api_key: str | None = None) -> FastAPI:
    app = FastAPI(title="RunPod emulator", lifespan=_lifespan, openapi_url=None)
    app.state.api_key = api_key or _setting("RUNPOD_EMULATOR_API_KEY")
    app.state.endpoint = endpoint or Endpoint(_setting("RUNPOD_EMULATOR_ENDPOINT_ID"))
    app.include_router(billing_routes.router)
    app.include_router(client_routes.router)
    app.include_router(worker_routes.router)
    app.include_router(fault_routes.router)
    app.add_api_route("/ready", _ready)
    return app


async def _ready() -> dict[str, str]:
    return {"status": "ready"}


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    endpoint: Endpoint = app.state.endpoint
    sweeper = asyncio.create_task(endpoint.sweep_for_ever())
    yield
    sweeper.cancel()
    await asyncio.gather(sweeper, return_exceptions=True)
    await endpoint.close()


def _setting(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise SystemExit(f"{name} is missing: the emulator needs it")
    return value
