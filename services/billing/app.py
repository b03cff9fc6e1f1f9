"""Assemble the HTTP side of the billing service."""

from typing import Annotated

from fastapi import FastAPI
from pydantic import Field, SecretStr

from services.billing import api, plans
from services.kit.db import create_engine
from services.kit.http import create_service
from services.kit.settings import ServiceSettings, load
from services.kit.telemetry import configure_logs

Cents = Annotated[int, Field(ge=1, le=100_000_00)]
PaidPlan = Annotated[str, Field(pattern="^(remember|cherish|forever)$")]
TopUpSize = Annotated[str, Field(pattern="^(10|30|100)$")]


class Settings(ServiceSettings):
    """What the HTTP process reads from its environment.

    Prices are JSON objects in cents and name only what differs from the default:
    PLAN_PRICES_CENTS='{"remember": 899}' TOP_UP_PRICES_CENTS='{"10": 399}'.
    """

    internal_secrets: SecretStr
    plan_prices_cents: dict[PaidPlan, Cents] = Field(default_factory=dict)
    top_up_prices_cents: dict[TopUpSize, Cents] = Field(default_factory=dict)


def create_app() -> FastAPI:
    settings = load(Settings)
    configure_logs("billing", level=settings.log_level)
    app = create_service(
        "billing",
        version=settings.rekindle_version,
        engine=create_engine(
            settings.database_url.get_secret_value(),
            name="billing",
            pool_size=settings.database_pool_size,
        ),
        routers=[api.router],
        internal_secrets=settings.internal_secrets.get_secret_value().split(","),
    )
    app.state.price_list = plans.price_list(
        plan_prices=settings.plan_prices_cents, top_up_prices=settings.top_up_prices_cents
    )
    return app
