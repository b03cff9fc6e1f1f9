"""The issuer as one application: `uvicorn deploy.local.issuer.app:create_app --factory`."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from deploy.local.issuer import (
    authorize,
    development,
    discovery,
    login,
    logout,
    pages,
    tokens,
)
from deploy.local.issuer.issuer import Issuer
from deploy.local.issuer.requests import Refusal, TokenRefusal
from deploy.local.issuer.settings import Settings
from deploy.local.issuer.tables import Clock
from services.kit.settings import load

PREFLIGHT_LIFETIME_S = 600


def create_app(settings: Settings | None = None, *, clock: Clock = time.time) -> FastAPI:
    known = settings or load(Settings)
    app = FastAPI(title="Rekindle's own issuer", lifespan=_lifespan, openapi_url=None)
    app.state.issuer = Issuer(known, clock)
    for part in (discovery, authorize, login, tokens, logout, development, pages):
        app.include_router(part.router)
    app.add_exception_handler(Refusal, pages.show_refusal)
    app.add_exception_handler(TokenRefusal, tokens.show_token_refusal)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=known.origins,
        allow_methods=["GET", "POST"],
        allow_headers=["authorization", "content-type", "auth0-client"],
        max_age=PREFLIGHT_LIFETIME_S,
    )
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=known.host_names)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.issuer.close()
