"""What the database itself refuses, whatever our code does, and who may come near it."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.credits.bank import Bank

OTHERS = ("gateway", "uploads", "processing", "billing")

MOVEMENT = """
    insert into movements
        (id, account_id, version, kind, amount, available, held, job_id, cause, reason, created_at)
    values (gen_random_uuid(), :account_id, :version, :kind, :amount, 1, 0, :job_id, :cause, 'x',
        now())
"""


async def refused(bank: Bank, *statements: str, why: str, **arguments: object) -> None:
    """The last of these statements is refused, for this reason; nothing of them stays."""
    async with bank.engine.connect() as connection:
        for statement in statements[:-1]:
            await connection.execute(text(statement))
        with pytest.raises(DBAPIError, match=why):
            await connection.execute(text(statements[-1]), arguments)


@pytest.fixture
async def spent(bank: Bank) -> UUID:
    """An account of ten credits, four of them spent."""
    account_id = await bank.open_account(amount=10)
    await bank.capture(await bank.hold(account_id, amount=4))
    return account_id


@pytest.mark.parametrize("table", ["entries", "movements"])
@pytest.mark.parametrize("change", ["update {} set amount = 1", "delete from {}"])
async def test_the_books_are_append_only_for_whoever_has_the_rights(
    bank: Bank, spent: UUID, table: str, change: str
) -> None:
    await refused(
        bank,
        f"grant update, delete on {table} to current_user",
        change.format(table),
        why="append-only",
    )


@pytest.mark.parametrize("table", ["entries", "movements"])
@pytest.mark.parametrize("change", ["update {} set amount = 1", "delete from {}", "truncate {}"])
async def test_the_service_has_no_right_to_change_the_books(
    bank: Bank, spent: UUID, table: str, change: str
) -> None:
    await refused(bank, change.format(table), why="permission denied")


@pytest.mark.parametrize("column", ["available", "held"])
async def test_a_balance_below_zero_is_refused(bank: Bank, spent: UUID, column: str) -> None:
    await refused(bank, f"update accounts set {column} = -1", why=f"accounts_{column}_check")


@pytest.mark.parametrize(
    ("kind", "cause", "why"),
    [
        ("grant", "test", "movements_one_per_cause"),
        ("grant", None, "movements_say_why"),
        ("hold", None, "movements_one_hold_per_job"),
        ("capture", None, "movements_capture_xor_release"),
        ("release", None, "movements_capture_xor_release"),
        ("hold", "test", "movements_say_why"),
        ("theft", None, "movements_kind_check"),
    ],
)
async def test_nothing_is_booked_twice_or_without_a_cause(
    bank: Bank, spent: UUID, kind: str, cause: str | None, why: str
) -> None:
    ((job_id,),) = await bank.rows("select job_id from holds")

    await refused(
        bank,
        MOVEMENT,
        why=why,
        account_id=spent,
        version=99,
        kind=kind,
        amount=1,
        job_id=None if kind == "grant" else job_id,
        cause=cause,
    )


async def test_a_returned_hold_cannot_be_returned_again_by_expiry(bank: Bank) -> None:
    account_id = await bank.open_account(amount=10)
    job_id = await bank.hold(account_id, amount=4)
    await bank.release(job_id)

    await refused(
        bank,
        MOVEMENT,
        why="movements_release_xor_expire",
        account_id=account_id,
        version=99,
        kind="expire",
        amount=4,
        job_id=job_id,
        cause=None,
    )


async def test_two_movements_cannot_follow_the_same_one(bank: Bank, spent: UUID) -> None:
    await refused(
        bank,
        MOVEMENT,
        why="movements_one_per_version",
        account_id=spent,
        version=3,
        kind="grant",
        amount=1,
        job_id=None,
        cause=f"other:{uuid4()}",
    )


@pytest.mark.parametrize("schema", OTHERS)
async def test_other_schemas_are_closed_to_credits(bank: Bank, schema: str) -> None:
    await refused(bank, f"create table {schema}.mine (id int)", why="permission denied")
    usable = "select has_schema_privilege(current_user, :schema, 'usage, create')"
    assert await bank.rows(usable, schema=schema) == [(False,)]


@pytest.mark.parametrize("role", OTHERS)
async def test_credits_is_closed_to_other_roles(bank: Bank, role: str) -> None:
    usable = "select has_schema_privilege(cast(:role as name), 'credits', 'usage, create')"
    assert await bank.rows(usable, role=role) == [(False,)]
