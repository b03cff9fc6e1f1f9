"""Somebody erases everything, and the world is searched for what is left of them (F17, B11)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text

from deploy.local import database
from sdk.rekindle.client import Rekindle
from sdk.rekindle.problems import RekindleProblem
from services.kit.storage import StorageSettings, open_storage
from tests.journeys import people, photos

ERASED_WITHIN_S = 120.0
CANARY = "quokka-7319"
SCHEMAS = ("gateway", "uploads", "processing", "credits", "billing")


@pytest.fixture
async def user(stack: dict[str, Any]) -> AsyncIterator[Rekindle]:
    async with await people.new_user(stack, plan="remember") as user:
        yield user


async def test_nothing_is_left_of_who_erases_everything(
    user: Rekindle, stack: dict[str, Any], tmp_path: Path
) -> None:
    account_id = (await user.me()).account_id
    done = await user.photos.add(photos.jpeg(tmp_path / f"{CANARY}.jpg"))
    job = await user.jobs.create("restore", [done.id], note=f"{CANARY} wore a green coat")
    await user.jobs.wait(job.id, timeout_s=ERASED_WITHIN_S)
    waiting = await user.photos.add(photos.jpeg(tmp_path / f"{CANARY} (2).jpg", size=(700, 500)))
    running = await user.jobs.create("restore_colourize", [waiting.id], note=CANARY)
    assert await objects_of(stack, account_id) != set()
    assert await mentions(stack, CANARY) != {}

    with pytest.raises(RekindleProblem, match="confirm"):
        await user.erase(confirm=running.id)
    erased = await user.erase(confirm=account_id)

    assert erased.account_id == account_id
    with pytest.raises(RekindleProblem) as refused:
        await user.me()
    assert refused.value.code == "account-was-erased"
    await forgotten(stack, account_id)
    assert await objects_of(stack, account_id) == set()
    assert await mentions(stack, CANARY) == {}
    await the_books_know_a_number_only(stack, account_id)


async def test_who_erased_everything_does_not_begin_anew_at_once(
    user: Rekindle, stack: dict[str, Any]
) -> None:
    """Otherwise the free credits of one month could be had again and again."""
    await user.erase(confirm=(await user.me()).account_id)

    with pytest.raises(RekindleProblem) as refused:
        await user.credits.balance()

    assert refused.value.code == "account-was-erased"
    assert "begin anew from" in str(refused.value)


async def forgotten(stack: dict[str, Any], account_id: UUID) -> None:
    """Wait until every service has said that nothing is left."""
    engine = people.engine_of(stack, "gateway")
    query = text("select waiting_for from erasures where account_id = :id")
    waiting_for: list[str] = ["everybody"]
    try:
        async with asyncio.timeout(ERASED_WITHIN_S):
            while waiting_for:
                await asyncio.sleep(0.5)
                async with engine.connect() as connection:
                    found = await connection.execute(query, {"id": account_id})
                waiting_for = found.scalar_one()
    except TimeoutError:
        pytest.fail(f"still waiting for {waiting_for}")
    finally:
        await engine.dispose()


async def objects_of(stack: dict[str, Any], account_id: UUID) -> set[str]:
    """Every object whose key names the account."""
    settings = StorageSettings.model_validate(
        {
            name.lower(): value
            for name, value in stack["environments"]["uploads"].items()
            if name.startswith("S3_")
        }
    )
    async with open_storage(settings) as storage:
        listed = await storage.ask("list_objects_v2")
    keys = {entry["Key"] for entry in listed.get("Contents", ())}
    assert not listed["IsTruncated"]
    return {key for key in keys if str(account_id) in key}


async def mentions(stack: dict[str, Any], word: str) -> dict[str, int]:
    """In how many rows of which table of any service a word is found."""
    name = urlsplit(stack["environments"]["gateway"]["DATABASE_URL"]).path.removeprefix("/")
    admin = await asyncpg.connect(database.database_url(stack["admin_database_url"], name))
    try:
        tables = await admin.fetch(
            "select table_schema, table_name from information_schema.tables"
            " where table_schema = any($1) and table_type = 'BASE TABLE'",
            SCHEMAS,
        )
        found = {}
        for schema, table in tables:
            name = f'"{schema}"."{table}"'
            query = f"select count(*) from {name} row where row::text like '%' || $1 || '%'"
            if rows := await admin.fetchval(query, word):
                found[name] = rows
        return found
    finally:
        await admin.close()


async def the_books_know_a_number_only(stack: dict[str, Any], account_id: UUID) -> None:
    """The hold came back, the pool is lost, and nothing more is given."""
    engine = people.engine_of(stack, "credits")
    async with engine.connect() as connection:
        account = await connection.execute(
            text("select available, held, erased_at from accounts where id = :id"),
            {"id": account_id},
        )
        holds = await connection.scalars(
            text("select state from holds where account_id = :id and state = 'held'"),
            {"id": account_id},
        )
        available, held, erased_at = account.one()
        assert (available, held) == (0, 0)
        assert erased_at is not None
        assert holds.all() == []
    await engine.dispose()
    await people.operate(stack, "credits", "audit")
