from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.db import create_engine


@pytest.fixture
async def engine(database_url: Callable[[str], str]) -> AsyncIterator[AsyncEngine]:
    """A schema with an outbox and an inbox: billing's, which has little else."""
    engine = create_engine(database_url("billing"), name="tests", pool_size=10)
    yield engine
    await engine.dispose()
