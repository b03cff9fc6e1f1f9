"""Assemble the HTTP side of the billing service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services.billing import api, webhooks
from services.billing.checkouts import Cashier
from services.billing.settings import HttpSettings
from services.billing.stripe_client import Stripe
from services.kit.client import ServiceClient
from services.kit.db import create_engine
from services.kit.http import create_service
from services.kit.settings import load
from services.kit.telemetry import configure_logs


def create_app() -> FastAPI:
    settings = load(HttpSettings)
    configure_logs("billing", level=settings.log_level)
    stripe = Stripe(settings.stripe_api_key.get_secret_value(), base_url=settings.stripe_api_url)
    credits_ = ServiceClient(
        settings.credits_url,
        caller="billing",
        service="credits",
        secret=settings.credits_secret.get_secret_value(),
    )
    engine = create_engine(
        settings.database_url.get_secret_value(),
        name="billing",
        pool_size=settings.database_pool_size,
    )

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        await credits_.close()
        await stripe.close()

    app = create_service(
        "billing",
        version=settings.rekindle_version,
        engine=engine,
        routers=[api.router, api.internal, webhooks.router],
        internal_secrets=settings.internal_secrets.get_secret_value().split(","),
        lifespan=life,
    )
    app.state.price_list, app.state.credits = settings.price_list, credits_
    app.state.webhook_secrets, app.state.is_live = settings.webhook_secrets, settings.is_live
    app.state.cashier = Cashier(
        engine, stripe, public_url=settings.public_url, automatic_tax=settings.stripe_automatic_tax
    )
    return app
