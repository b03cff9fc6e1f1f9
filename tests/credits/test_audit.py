"""The audit finds whatever was falsified, and nothing else."""

import asyncio
import os
import sys
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from services.credits import adjustments, audit, seals
from tests.credits.bank import Bank

ENTRY = "insert into entries (movement_id, bucket, account_id, amount)"
UNLOCK = (
    "grant update, delete on movements, entries, adjustments to current_user",
    "alter table entries disable trigger user",
    "alter table movements disable trigger user",
)
LOCK = (
    "alter table entries enable trigger user",
    "alter table movements enable trigger user",
    "revoke update, delete on movements, entries, adjustments from current_user",
    "grant update (approved_by, booked_at) on adjustments to current_user",
)

SUMS = "every movement has two entries that sum to zero"
ROWS = "every account row is the sum of its entries"
HELD = "open holds are what is held"
REPLAY = "replaying the entries gives every balance there was"
LAST = "every account stands where its last movement left it"
STORY = "every hold was placed once and ended as its state says"
ORPHAN = "every entry belongs to a movement"
NO_HOLD = "every movement of a job has a hold"
ADJUSTED = "every adjustment is what an operator asked for"

FALSIFICATIONS = {
    "update accounts set available = available + 1": {ROWS, LAST},
    "update accounts set version = version + 1": {LAST},
    "update holds set amount = amount + 1 where state = 'held'": {HELD, NO_HOLD},
    "update holds set state = 'captured' where state = 'held'": {HELD, STORY},
    "update holds set state = 'released' where state = 'captured'": {STORY},
    "delete from holds where state = 'captured'": {NO_HOLD},
    "delete from movements where kind = 'grant'": {ORPHAN, REPLAY},
    "delete from entries where bucket = 'spent'": {SUMS},
    "update entries set amount = amount + 1 where bucket = 'available' and amount > 0": {
        SUMS,
        ROWS,
        REPLAY,
    },
    "update entries set amount = amount * 2": {SUMS, ROWS, REPLAY},
    "update movements set available = available + 1 where kind = 'hold'": {REPLAY},
    "update adjustments set amount = amount + 1": {ADJUSTED},
    "delete from adjustments": {ADJUSTED},
    "update adjustments set booked_at = null": {ADJUSTED},
    f"{ENTRY} select gen_random_uuid(), 'held', id, 5 from accounts": {ORPHAN, ROWS},
    f"{ENTRY} select id, 'issued', account_id, 1 from movements where kind = 'hold'": {SUMS},
}


@pytest.fixture
async def busy(unproven_engine: AsyncEngine) -> Bank:
    """Books with a grant, an open hold, and one of each end."""
    bank = Bank(unproven_engine)
    account_id = await bank.open_account(amount=20)
    await bank.hold(account_id, amount=1)
    await bank.capture(await bank.hold(account_id, amount=2))
    await bank.release(await bank.hold(account_id, amount=3))
    await bank.expire(await bank.hold(account_id, amount=4))
    late = await bank.hold(account_id, amount=5)
    await bank.expire(late)
    await bank.capture(late)
    await bank.refund(account_id, late)
    given = adjustments.Wanted(uuid4(), account_id, 3, "A broken week", "anna")
    async with bank.engine.begin() as connection:
        assert await adjustments.ask(connection, given)
    await seals.seal(bank.engine)
    return bank


async def falsify(bank: Bank, statement: str) -> None:
    async with bank.engine.begin() as connection:
        for step in (*UNLOCK, statement, *LOCK):
            await connection.execute(text(step))


async def test_right_books_have_no_drift(busy: Bank) -> None:
    findings = await audit.audit(busy.engine)

    assert {finding.drift for finding in findings} == {0}
    assert all(finding.rows for finding in findings)
    assert "The books are right." in audit.table(findings)


@pytest.mark.parametrize(("statement", "rules"), FALSIFICATIONS.items())
async def test_a_planted_drift_is_found(busy: Bank, statement: str, rules: set[str]) -> None:
    await falsify(busy, statement)

    findings = await audit.audit(busy.engine)

    # A sum that is off shows in more than one place; each named rule must see it.
    broken = {finding.rule for finding in findings if finding.drift}
    assert rules <= broken
    assert "broken" in audit.table(findings)


async def run_the_command(bank: Bank, *options: str) -> tuple[int | None, str]:
    url = bank.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.credits",
        "audit",
        *options,
        env=os.environ | {"DATABASE_URL": url, "REKINDLE_ENV": "local"},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_the_command_says_what_it_found_and_exits_with_one(busy: Bank) -> None:
    code, output = await run_the_command(busy)
    assert (code, output.splitlines()[-1]) == (0, "The books are right.")

    await falsify(busy, "update accounts set held = held + 1")

    code, output = await run_the_command(busy)
    assert (code, output.splitlines()[-1]) == (1, "3 rules are broken.")


async def test_the_command_knows_the_books_by_a_head_from_the_log(busy: Bank) -> None:
    ((head,),) = await busy.rows("select encode(head, 'hex') from sealed_days")

    known = await run_the_command(busy, "--head", head.upper())
    strange = await run_the_command(busy, "--head", "00" * 32)

    assert known[0] == 0
    assert strange[0] == 1
    assert "not the books" in strange[1]


async def test_a_day_is_proven_once_whoever_comes_first(busy: Bank) -> None:
    done = await asyncio.gather(*(audit.prove_nightly(busy.engine) for _ in range(4)))

    assert sorted(done) == [False, False, False, True]
    assert await busy.rows("select finished_at is not null, broken from audits") == [(True, 0)]


async def test_a_night_that_finds_drift_says_so(busy: Bank) -> None:
    await falsify(busy, "update accounts set available = available + 1")

    with capture_logs() as said:
        await audit.prove_nightly(busy.engine)

    rules = {one["rule"] for one in said if one["event"] == "audit.drift"}
    assert rules >= {ROWS, LAST}
    (broken,) = (await busy.rows("select broken from audits"))[0]
    assert broken == len(rules)


async def test_a_night_that_died_is_begun_again(busy: Bank) -> None:
    await audit.prove_nightly(busy.engine)
    async with busy.engine.begin() as connection:
        begun = "update audits set finished_at = null, started_at = now() - interval '61 minutes'"
        await connection.execute(text(begun))

    assert await audit.prove_nightly(busy.engine)


async def test_entries_lie_in_the_partition_of_their_month(busy: Bank) -> None:
    places = await busy.rows("select distinct tableoid::regclass::text from entries")

    assert places == [(f"entries_{datetime.now(UTC):%Y_%m}",)]


@pytest.mark.parametrize("table", ["movements", "entries", "causes"])
@pytest.mark.parametrize("change", ["delete from {}", "update {} set account_id = account_id"])
async def test_books_are_append_only_in_every_partition(
    busy: Bank, table: str, change: str
) -> None:
    parts = await busy.rows(
        "select inhrelid::regclass::text from pg_inherits where inhparent = to_regclass(:table)",
        table=table,
    )
    for name in (table, *(part for (part,) in parts)):
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with busy.engine.begin() as connection:
                await connection.execute(text(change.format(name)))
