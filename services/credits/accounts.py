"""Accounts: what they have, what plan they are on, and the credits the plan gives them.

An account exists from the moment anybody speaks of it. Everything granted has a cause that is
unique within the account (`monthly:2026-11`, `plan:<period>`): granting twice is impossible.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.billing.v1 import PlanChanged
from contracts.message import Tier
from services.credits import pools
from services.credits.models import FREE_CREDITS_MONTHLY, FREE_PLAN, Movement, accounts
from services.kit import failpoints
from services.kit.db import Connection

log = structlog.get_logger()

_MONTH = "to_char(coalesce(cast(:at as timestamptz), now()) at time zone 'utc', 'YYYY-MM')"
_IS_DUE = f"plan = 'free' and erased_at is null and month_added < {_MONTH}"
_READ = sa.text(
    f"select available, held, plan, tier, credits_monthly, blocked, owed, {_IS_DUE} as is_due"  # noqa: S608
    " from accounts where id = :account_id"
)
_ALL_DUE = sa.text(
    f"select id from accounts where {_IS_DUE} order by month_added limit :batch"  # noqa: S608
)
_OUTSTANDING = sa.text("select coalesce(sum(available + held + blocked), 0) from accounts")
_TAKE_MONTH = sa.text(
    f"update accounts set month_added = {_MONTH} where id = :account_id and {_IS_DUE}"  # noqa: S608
    " returning month_added, credits_monthly"
)


@dataclass(frozen=True, slots=True)
class Account:
    """What the owner of an account may know about it."""

    available: int
    held: int
    plan: str
    tier: Tier
    credits_monthly: int
    blocked: int = 0
    owed: int = 0

    @property
    def lost_at_end(self) -> int:
        """How many credits would be lost if the subscription ended now."""
        return 0 if self.plan == FREE_PLAN else self.available + self.blocked


async def read(connection: Connection, account_id: UUID, *, at: datetime | None = None) -> Account:
    """The account, with this month's free credits if it is on the free plan."""
    asked = {"account_id": account_id, "at": at}
    row = (await connection.execute(_READ, asked)).one_or_none()
    if row is None or row.is_due:
        await bring_up_to_date(connection, account_id, at=at)
        row = (await connection.execute(_READ, asked)).one()
    return Account(*row[:-1])


async def outstanding(connection: Connection) -> int:
    """Credits that accounts have and have not spent, all of them together."""
    return int(await connection.scalar(_OUTSTANDING))


async def bring_up_to_date(
    connection: Connection, account_id: UUID, *, at: datetime | None = None
) -> bool:
    """Open the account if it is new, and add this month's free credits; whether there were any."""
    await open_account(connection, account_id)
    taken = await connection.execute(_TAKE_MONTH, {"account_id": account_id, "at": at})
    month = taken.one_or_none()
    if not month or not month.credits_monthly:
        return False
    name = datetime.strptime(month.month_added, "%Y-%m").strftime("%B %Y")  # noqa: DTZ007
    return await grant(
        connection,
        account_id=account_id,
        amount=month.credits_monthly,
        cause=f"monthly:{month.month_added}",
        reason=f"Free credits for {name}",
        at=at,
    )


async def grant(
    connection: Connection,
    *,
    account_id: UUID,
    amount: int,
    cause: str,
    reason: str,
    paid_at: datetime | None = None,
    at: datetime | None = None,
) -> bool:
    """Put credits at the account's disposal, once per cause; False if that was done before.

    What comes in repays what is owed before any of it can be spent.
    """
    paid_at = paid_at or at
    pool = await pools.lock(connection, account_id, at=at)
    when = paid_at or pools.NOW
    if not await pools.note(connection, account_id, cause, "pool", amount=amount, at=when):
        log.info("grant.repeated", account_id=str(account_id), cause=cause)
        return False
    await pool.put(Movement.GRANT, amount, cause=cause, reason=reason, paid_at=paid_at)
    await failpoints.reach("mid_grant")
    return True


async def change_plan(
    connection: Connection, change: PlanChanged, *, at: datetime | None = None
) -> None:
    """Put the account on a plan and grant the credits of the period that was paid for.

    News that is older than what the account knows changes no plan; its period was paid for all
    the same.
    """
    account_id = change.account_id
    await open_account(connection, account_id)
    a = accounts.c
    await connection.execute(
        sa.update(accounts)
        .where(a.id == account_id, a.plan_version < change.version)
        .values(
            plan=change.plan,
            tier=change.tier,
            credits_monthly=change.credits_monthly,
            plan_version=change.version,
        )
    )
    await failpoints.reach("mid_plan_change")
    if change.period and change.credits_monthly:
        await grant(
            connection,
            account_id=account_id,
            amount=change.credits_monthly,
            cause=f"plan:{change.period}",
            reason=f"Credits of the plan {change.plan.title()}",
            at=at,
        )


async def add_free_credits(engine: AsyncEngine, *, batch: int, at: datetime | None = None) -> int:
    """Give free accounts this month's credits, each in its own transaction; how many it tried."""
    async with engine.begin() as connection:
        due = (await connection.scalars(_ALL_DUE, {"batch": batch, "at": at})).all()
    for account_id in due:
        async with engine.begin() as connection:
            await bring_up_to_date(connection, account_id, at=at)
    return len(due)


async def close(connection: Connection, account_id: UUID) -> datetime:
    """No month's credits are added any more; since when."""
    a = accounts.c
    changed = await connection.execute(
        sa.update(accounts)
        .where(a.id == account_id)
        .values(erased_at=sa.func.coalesce(a.erased_at, sa.func.now()))
        .returning(a.erased_at)
    )
    erased_at: datetime = changed.scalar_one()
    return erased_at


async def open_account(connection: Connection, account_id: UUID) -> None:
    """Make sure that the account exists."""
    new = insert(accounts).values(
        id=account_id, plan=FREE_PLAN, credits_monthly=FREE_CREDITS_MONTHLY
    )
    await connection.execute(new.on_conflict_do_nothing())
