"""What was sealed in a night cannot be rewritten unseen, and the nights cost the days nothing."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from services.credits import audit, seals
from tests.backups import back_up, restore
from tests.credits.bank import Bank

TABLES = ("movements", "entries", "seals", "sealed_days")
MOVEMENT, DAY = seals.CHECKS

YESTERDAY = (
    "update audits set day = day - 1",
    "update seals set day = day - 1",
    "update sealed_days set day = day - 1",
)

# Each leaves balances, sums and the story of the books as they were.
REWRITTEN = {
    "update movements set reason = 'A gift of yours' where kind = 'grant'": MOVEMENT,
    "update movements set cause = 'another' where kind = 'grant'": MOVEMENT,
    "update movements set created_at = created_at - interval '1 day' where version = 2": MOVEMENT,
    "update entries set bucket = 'lost' where bucket = 'spent'": MOVEMENT,
    "delete from movements where version > 1": MOVEMENT,
    "update seals set digest = sha256('') where version = 3": MOVEMENT,
    "delete from seals where version = 3": DAY,
    "insert into seals select account_id, version + 1, day, digest from seals": DAY,
    "delete from sealed_days where day < current_date": DAY,
    "delete from sealed_days where day = (select max(day) from sealed_days)": DAY,
}


async def rewrite(bank: Bank, *statements: str) -> None:
    """As only the owner of the database can: without triggers, and with every right."""
    names = ", ".join(TABLES)
    steps = [
        f"grant update, delete on {names} to current_user",
        *(f"alter table {name} disable trigger user" for name in TABLES),
        *statements,
        *(f"alter table {name} enable trigger user" for name in TABLES),
        f"revoke update, delete on {names} from current_user",
    ]
    async with bank.engine.begin() as connection:
        for step in steps:
            await connection.execute(text(step))


async def sealed(bank: Bank) -> str:
    """Seal as the night does; its head."""
    head = await seals.seal(bank.engine)
    assert head
    return head


async def broken(bank: Bank) -> set[str]:
    return {finding.rule for finding in await audit.audit(bank.engine) if finding.drift}


@pytest.fixture
async def spender(unproven_engine: AsyncEngine) -> tuple[Bank, UUID]:
    """An account whose first three movements were sealed yesterday, and two more today."""
    bank = Bank(unproven_engine)
    account_id = await bank.open_account(amount=20)
    await bank.delivered(account_id)
    await sealed(bank)
    await rewrite(bank, *YESTERDAY)
    await bank.delivered(account_id)
    await bank.open_account(amount=5)
    await sealed(bank)
    return bank, account_id


async def test_each_night_seals_what_moved_since_the_last(spender: tuple[Bank, UUID]) -> None:
    bank, account_id = spender

    found = await bank.rows(
        "select account_id = :id, version from seals order by day, version", id=account_id
    )

    assert found == [(True, 3), (False, 1), (True, 5)]
    assert await broken(bank) == set()


@pytest.mark.parametrize(("statement", "rule"), REWRITTEN.items())
async def test_what_was_sealed_cannot_be_rewritten_unseen(
    spender: tuple[Bank, UUID], statement: str, rule: str
) -> None:
    bank, _ = spender

    await rewrite(bank, statement)

    assert rule in await broken(bank)


async def test_who_makes_the_whole_chain_anew_has_other_heads(spender: tuple[Bank, UUID]) -> None:
    bank, _ = spender
    heads = [head for (head,) in await bank.rows("select encode(head, 'hex') from sealed_days")]
    assert [await seals.knows(bank.engine, head) for head in heads] == [True, True]

    await rewrite(
        bank,
        "update movements set reason = 'A gift of yours' where kind = 'grant'",
        "delete from seals",
        "delete from sealed_days",
    )
    await sealed(bank)

    assert await broken(bank) == set()
    assert [await seals.knows(bank.engine, head) for head in heads] == [False, False]


async def test_yesterdays_backup_does_not_know_todays_head(bank: Bank, admin_url: str) -> None:
    await bank.delivered(await bank.open_account(amount=20))
    before = await sealed(bank)
    yesterday = await back_up(admin_url, "credits")
    await rewrite(bank, *YESTERDAY)
    await bank.open_account(amount=5)
    last = await sealed(bank)

    await restore(yesterday)

    assert await broken(bank) == set()
    assert [await seals.knows(bank.engine, head) for head in (before, last)] == [True, False]


async def test_a_session_with_other_settings_finds_the_same(spender: tuple[Bank, UUID]) -> None:
    bank, _ = spender

    async with bank.engine.connect() as connection:
        await connection.execute(text("set time zone 'Asia/Kathmandu'"))
        await connection.execute(text("set datestyle to 'German'"))
        rows, drift = (await connection.execute(text(seals.CHECKS[MOVEMENT]))).one()

    assert (rows, drift) == (3, 0)


async def test_the_night_seals_what_it_has_proven_and_wrong_books_too(
    unproven_engine: AsyncEngine,
) -> None:
    bank = Bank(unproven_engine)
    account_id = await bank.open_account(amount=5)
    await rewrite(bank, "update accounts set held = held + 1")

    await audit.prove_nightly(bank.engine)

    assert await bank.rows("select account_id, version from seals") == [(account_id, 1)]


async def test_a_day_is_sealed_once_and_its_head_is_in_the_log(bank: Bank) -> None:
    await bank.open_account(amount=5)

    with capture_logs() as said:
        heads = await asyncio.gather(*(seals.seal(bank.engine) for _ in range(4)))

    (head,) = [head for head in heads if head]
    assert [(one["head"], one["accounts"]) for one in said] == [(head, 1)]


async def test_a_night_without_movements_has_a_head_of_its_own(bank: Bank) -> None:
    first = await sealed(bank)
    await rewrite(bank, *YESTERDAY)

    assert await sealed(bank) != first


@pytest.mark.parametrize("table", ["seals", "sealed_days"])
@pytest.mark.parametrize("change", ["update {} set day = day", "delete from {}", "truncate {}"])
async def test_seals_are_append_only(spender: tuple[Bank, UUID], table: str, change: str) -> None:
    bank, _ = spender
    with pytest.raises(DBAPIError, match="permission denied"):
        await bank.rows(change.format(table))
    async with bank.engine.connect() as connection:
        await connection.execute(text(f"grant update, delete on {table} to current_user"))
        if not change.startswith("truncate"):
            with pytest.raises(DBAPIError, match="append-only"):
                await connection.execute(text(change.format(table)))
