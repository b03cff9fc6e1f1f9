from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.billing.app import create_app
from services.kit.db import create_engine

SECRET = "a-secret-that-only-the-tests-know"


@pytest.fixture
def url(database_url: Callable[[str], str]) -> str:
    return database_url("billing")


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(url, name="tests", pool_size=10)
    yield engine
    await engine.dispose()


@pytest.fixture
async def client(url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setenv("REKINDLE_ENV", "local")
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("INTERNAL_SECRETS", SECRET)
    app = create_app()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://billing") as client:
        yield client
    await app.state.engine.dispose()
