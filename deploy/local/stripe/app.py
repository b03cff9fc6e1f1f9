"""The emulator as one application: `uvicorn deploy.local.stripe.app:create_app --factory`."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.middleware.trustedhost import TrustedHostMiddleware

from deploy.local.stripe import (
    calls,
    checkout_page,
    control,
    due,
    errors,
    invoice_page,
    pages,
    portal_page,
)
from deploy.local.stripe.account import Account
from deploy.local.stripe.errors import Refusal
from deploy.local.stripe.faults import Faults
from deploy.local.stripe.operations import OPERATIONS
from deploy.local.stripe.settings import Settings
from deploy.local.stripe.store import Store
from deploy.local.stripe.webhooks import Sender
from services.kit.settings import load

TICK_S = 0.5
log = logging.getLogger("stripe")


def create_app(
    settings: Settings | None = None, *, clock: Callable[[], float] = time.time
) -> FastAPI:
    known = settings or load(Settings)
    if known.home:
        known.home.mkdir(parents=True, exist_ok=True)
    app = FastAPI(title="Stripe emulator", lifespan=_lifespan, openapi_url=None)
    app.state.settings = known
    app.state.api_key = known.api_key.get_secret_value()
    app.state.account = Account(Store(known.file), url=known.url.rstrip("/"), clock=clock)
    app.state.faults = Faults()
    for name, operation in OPERATIONS.items():
        method, path = name.split(" ")
        app.add_api_route(path, _door(name, operation), methods=[method], response_model=None)
    for part in (checkout_page, portal_page, invoice_page, pages, control):
        app.include_router(part.router)
    app.add_api_route("/ready", _ready)
    app.add_api_route("/v1/{path:path}", _unknown, methods=["GET", "POST", "DELETE"])
    app.add_exception_handler(Refusal, errors.show)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=known.host_names)
    return app


def _door(name: str, operation: calls.Operation) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return await calls.answer(request, name, operation)

    return answer


async def _ready() -> dict[str, str]:
    return {"status": "ready"}


async def _unknown(request: Request) -> Response:
    message = f"Unrecognized request URL ({request.method}: {request.url.path})."
    return JSONResponse(Refusal(message).body, 404)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    account: Account = app.state.account
    settings: Settings = app.state.settings
    sender = Sender(account, app.state.faults, url=settings.webhook_url, keys=settings.secrets)
    loops = [asyncio.create_task(_tick(account)), asyncio.create_task(sender.send_for_ever())]
    yield
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
    await sender.close()
    account.store.close()


async def _tick(account: Account) -> None:
    """Do what has become due, all day long."""
    while True:
        await asyncio.sleep(TICK_S)
        try:
            with account.store.transaction():
                due.catch_up(account, account.now())
        except Exception:
            log.exception("stripe.due")
