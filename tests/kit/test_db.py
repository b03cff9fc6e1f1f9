"""Ids sort by time, and an absent database is told apart from a wrong statement."""

import time
from collections.abc import Callable

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.db import create_engine, is_transient, uuid7


def test_ids_are_version_7_and_sort_by_time() -> None:
    first = uuid7()
    time.sleep(0.002)
    second = uuid7()

    assert first.version == second.version == 7
    assert first < second
    assert abs((first.int >> 80) / 1000 - time.time()) < 5


def test_ids_made_at_once_differ() -> None:
    assert len({uuid7() for _ in range(10_000)}) == 10_000


async def test_a_wrong_statement_is_not_worth_a_retry(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError) as failed:
            await connection.execute(text("select 1/0"))

    assert not is_transient(failed.value)


async def test_a_killed_session_is_worth_a_retry_and_the_pool_heals(engine: AsyncEngine) -> None:
    async with engine.connect() as victim, engine.connect() as killer:
        pid = (await victim.execute(text("select pg_backend_pid()"))).scalar_one()
        await killer.execute(text("select pg_terminate_backend(:pid)"), {"pid": pid})
        with pytest.raises(DBAPIError) as failed:
            await victim.execute(text("select 1"))

    assert is_transient(failed.value)
    for _ in range(5):
        async with engine.connect() as connection:
            assert (await connection.execute(text("select 1"))).scalar_one() == 1


@pytest.mark.parametrize("code", ["53100", "53200"], ids=["disk", "memory"])
async def test_a_full_server_is_worth_a_retry(engine: AsyncEngine, code: str) -> None:
    full = f"do $$ begin raise exception 'full' using errcode = '{code}'; end $$"
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError) as failed:
            await connection.execute(text(full))

    assert is_transient(failed.value)


@pytest.mark.parametrize("code", ["08003", "08006"], ids=["in-the-middle", "failure"])
def test_a_connection_that_broke_is_worth_a_retry(code: str) -> None:
    broken = type("Broken", (Exception,), {"sqlstate": code})()

    assert is_transient(DBAPIError("select 1", {}, broken))


def test_the_errors_of_a_killed_server_are_worth_a_retry() -> None:
    assert is_transient(asyncpg.InternalClientError("got result for unknown protocol state"))
    assert not is_transient(ValueError())


async def test_a_connection_that_is_closed_already_is_worth_a_retry(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        await raw.close()
        with pytest.raises(asyncpg.InterfaceError, match="closed") as failed:
            await raw.fetchval("select 1")

    assert is_transient(failed.value)


async def test_a_pool_that_has_nothing_free_is_worth_a_retry(
    database_url: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.kit.db.POOL_WAIT_S", 0.1)
    small = create_engine(database_url("billing"), name="tests", pool_size=1)

    async with small.connect():
        with pytest.raises(NoConnectionFree) as failed:
            await small.connect()

    assert is_transient(failed.value)
    await small.dispose()


async def test_a_role_works_in_its_own_schema(database_url: Callable[[str], str]) -> None:
    engine = create_engine(database_url("billing"), name="tests")
    async with engine.connect() as connection:
        found = await connection.execute(text("select current_schema()"))
        assert found.scalar_one() == "billing"
    await engine.dispose()
