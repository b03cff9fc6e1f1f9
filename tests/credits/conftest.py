from collections.abc import AsyncIterator, Callable
from uuid import UUID

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.credits import audit
from services.credits.app import create_app
from services.kit.db import create_engine
from services.kit.identity import TokenSource
from tests.credits.bank import Bank

SECRET = "a-secret-that-only-the-tests-know"

Caller = Callable[[UUID | None], dict[str, str]]


@pytest.fixture
async def unproven_engine(database_url: Callable[[str], str]) -> AsyncIterator[AsyncEngine]:
    """Empty books that a test is about to falsify."""
    engine = create_engine(database_url("credits"), name="tests", pool_size=32)
    yield engine
    await engine.dispose()


@pytest.fixture
async def engine(unproven_engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    """Empty books, which are proven to be right when the test is over."""
    yield unproven_engine
    assert [f for f in await audit.audit(unproven_engine) if f.drift] == []


@pytest.fixture
def bank(engine: AsyncEngine) -> Bank:
    return Bank(engine)


@pytest.fixture
async def client(
    bank: Bank, database_url: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    url = bank.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    monkeypatch.setenv("REKINDLE_ENV", "local")
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("INTERNAL_SECRETS", f"{SECRET},the-one-before-it")
    app = create_app()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://credits") as client:
        yield client
    app.state.placer.close()
    await app.state.engine.dispose()


@pytest.fixture
def called_for() -> Caller:
    """The headers of a call that another service makes for an account."""
    tokens = TokenSource(issuer="processing", audience="credits", secret=SECRET)
    return lambda account_id: {"authorization": f"Bearer {tokens.token(account_id)}"}
