from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.billing import facts, plans, prices
from services.billing.app import create_app
from services.billing.checkouts import Cashier
from services.billing.price_sync import Sync
from services.billing.stripe_client import Stripe
from services.kit.db import create_engine
from tests.billing.emulated import Till
from tests.billing.lives import Life, begun
from tests.billing.places import ITEMS, NOBODY, SECRET, WEBHOOK_SECRETS, price_of
from tests.billing.served import Served, served
from tests.stripe.conftest import KEY, Emulator, running


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    """What is logged while it is in force, instead of being printed."""
    with structlog.testing.capture_logs() as entries:
        yield entries


@pytest.fixture
def url(database_url: Callable[[str], str]) -> str:
    return database_url("billing")


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(url, name="tests", pool_size=10)
    yield engine
    await engine.dispose()


@pytest.fixture
def account() -> Iterator[Served]:
    """An account at Stripe, which the official library asks over HTTP."""
    with served() as account:
        yield account


@pytest.fixture
async def stripe(account: Served) -> AsyncIterator[Stripe]:
    stripe = Stripe("sk_test_of_the_tests", base_url=account.url)
    yield stripe
    await stripe.close()


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """The Stripe of the local stack, with its pages, to itself."""
    with running() as emulator:
        yield emulator


@pytest.fixture
async def emulated(emulator: Emulator) -> AsyncIterator[Stripe]:
    stripe = Stripe(KEY, base_url=emulator.url)
    yield stripe
    await stripe.close()


@pytest.fixture
async def till(
    engine: AsyncEngine, emulator: Emulator, emulated: Stripe, logs: list[Any]
) -> AsyncIterator[Till]:
    """An account at the till, beside an emulator that sells what is on offer."""
    await Sync(emulated, is_dry_run=False).run(engine, ITEMS, return_url=NOBODY)
    cashier = Cashier(engine, emulated, public_url=NOBODY, automatic_tax=False)
    till = Till(cashier, emulator)
    yield till
    till.browser.close()


@pytest.fixture
def environment(url: str) -> dict[str, str]:
    """What the HTTP process is told; nothing answers where Stripe and credits should be."""
    return {
        "REKINDLE_ENV": "local",
        "DATABASE_URL": url,
        "INTERNAL_SECRETS": SECRET,
        "STRIPE_API_KEY": "sk_test_of_the_tests",
        "STRIPE_API_URL": NOBODY,
        "STRIPE_WEBHOOK_SECRETS": ",".join(WEBHOOK_SECRETS),
        "PUBLIC_URL": "http://127.0.0.1:8080",
        "CREDITS_URL": NOBODY,
        "CREDITS_SECRET": SECRET,
    }


@pytest.fixture
async def client(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    app = create_app()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://billing") as client,
    ):
        yield client


@pytest.fixture
async def priced(engine: AsyncEngine) -> AsyncEngine:
    """A database that knows a price at Stripe for everything: `price_<lookup key>`."""
    async with engine.begin() as connection:
        await prices.keep(
            connection,
            [
                facts.Price(
                    id=price_of(item.lookup_key),
                    lookup_key=item.lookup_key,
                    unit_amount=item.price_cents,
                    currency=plans.CURRENCY,
                )
                for item in plans.ITEMS.values()
            ],
        )
    return engine


@pytest.fixture
async def life(priced: AsyncEngine) -> Life:
    """A customer who has bought nothing yet."""
    return await begun(priced)
