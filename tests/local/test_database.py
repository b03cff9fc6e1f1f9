"""A service's role reaches its own schema and nothing else: what the design promises."""

from collections.abc import Callable

import asyncpg
import pytest

Url = Callable[[str], str]

FORBIDDEN = (
    "select * from credits.outbox",
    "insert into credits.outbox default values",
    "create table credits.mine (id int)",
    "create table public.mine (id int)",
    "create schema mine",
    "set role credits",
    "create role mine",
    "create temporary table mine (id int)",
    "select pg_read_file('/etc/passwd')",
    "copy (select 1) to program 'id'",
    "alter system set fsync = off",
)


@pytest.mark.parametrize("statement", FORBIDDEN)
async def test_a_role_is_refused_what_is_not_its_own(database_url: Url, statement: str) -> None:
    connection = await asyncpg.connect(database_url("gateway"))

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)

    await connection.close()


async def test_a_role_works_in_its_own_schema_without_naming_it(database_url: Url) -> None:
    connection = await asyncpg.connect(database_url("gateway"))

    await connection.execute("create table mine (id int); drop table gateway.mine")

    await connection.close()


async def test_another_service_s_password_opens_nothing(database_url: Url) -> None:
    wrong = database_url("gateway").replace("gateway:", "credits:")

    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(wrong)


async def test_each_test_begins_with_empty_tables(database_url: Url) -> None:
    """Run twice by its parameter's absence of effect: whatever came before, nothing is left."""
    connection = await asyncpg.connect(database_url("credits"))

    assert await connection.fetchval("select count(*) from outbox") == 0

    await connection.close()


async def test_writes_are_synced_to_disk(database_url: Url) -> None:
    connection = await asyncpg.connect(database_url("credits"))

    assert await connection.fetchval("show fsync") == "on"
    assert await connection.fetchval("show synchronous_commit") == "on"

    await connection.close()
