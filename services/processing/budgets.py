"""The cost guard: what a day may cost, reserved before each submit and settled after it.

Every attempt counts for its account, for its tier and for the whole, in days of UTC. Before a job
starts, the most its attempt can cost is reserved in the same transaction; when the attempt ends,
however it ends, that becomes what it did cost. A job starts while something is left that is neither
spent nor reserved, so that any number of starts at once pass a budget by one job at most. At 80 % a
budget warns, and when it is spent, it pauses: jobs wait, nothing is lost. A new day has a new
budget; an operator may raise today's, and signs for it.

Whoever changes a budget locks its rows after everything else, and in the order of their scopes.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, cast, get_args
from uuid import NAMESPACE_URL, UUID, uuid5

import structlog
from sqlalchemy import Row, text

from contracts.message import Tier
from contracts.processing.v1 import (
    AccountPaused,
    AccountResumed,
    BudgetPaused,
    BudgetResumed,
    BudgetWarned,
)
from services.kit.db import Connection
from services.kit.outbox import say

WARN_AT = Decimal("0.8")
TOLD_MAX = 1_000
"""So many accounts that wait are told of a pause; the others see it when they look."""

log = structlog.get_logger()


class NoSuchBudget(Exception):  # noqa: N818  # says what happened
    """Nothing was spent of this budget today."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a day may cost, in dollars."""

    free: Decimal = Decimal(50)
    paid: Decimal = Decimal(500)
    free_account: Decimal = Decimal(5)
    paid_account: Decimal = Decimal(50)

    def of(self, scope: str) -> Decimal:
        """The limit of `total`, of `tier:…` or of `account:<tier>:…`."""
        kind, _, rest = scope.partition(":")
        match kind:
            case "total":
                return self.free + self.paid
            case "tier":
                return self.paid if rest == "priority" else self.free
            case _:
                return self.paid_account if rest.startswith("priority:") else self.free_account


_OPEN = text(
    """
    insert into budgets (day, scope, limit_usd)
    select (now() at time zone 'utc')::date, scope, limit_usd
    from unnest(cast(:scopes as text[]), cast(:limits as numeric[])) budget(scope, limit_usd)
    on conflict do nothing
    """
)
_LOCK = text(
    """
    select * from budgets where day = (now() at time zone 'utc')::date and scope = any(:scopes)
    order by scope for update
    """
)
# All of them have something left, or nothing is reserved: then `_LOCK` finds out why. While one of
# them is still to be opened none is locked: who opens waits for others who open the same.
_RESERVE = text(
    """
    with today as (
        select count(*) as known from budgets
        where day = (now() at time zone 'utc')::date and scope = any(:scopes)
    ), found as (
        select * from budgets
        where day = (now() at time zone 'utc')::date and scope = any(:scopes)
            and (select known from today) = cardinality(cast(:scopes as text[]))
        order by scope for update
    ), room as (
        select from found
        having count(*) = cardinality(cast(:scopes as text[]))
            and bool_and(spent_usd + reserved_usd < limit_usd + raised_usd)
    )
    update budgets set reserved_usd = budgets.reserved_usd + cast(:usd as numeric)
    from found, room where budgets.day = found.day and budgets.scope = found.scope
    returning budgets.day
    """
)
_SETTLE = text(
    """
    with due as (
        select * from unnest(cast(:days as date[]), cast(:scopes as text[]),
            cast(:reserved as numeric[]), cast(:costs as numeric[])) due(day, scope, reserved, cost)
    ), locked as (
        select day, scope, reserved, cost from budgets join due using (day, scope)
        order by day, scope for update of budgets
    )
    update budgets set reserved_usd = reserved_usd - locked.reserved,
        spent_usd = spent_usd + locked.cost
    from locked where budgets.day = locked.day and budgets.scope = locked.scope
    returning budgets.*
    """
)
_WARN = text(
    "update budgets set warned_at = now() where day = :day and scope = :scope and warned_at is null"
    " returning scope"
)
# What ends after midnight counts for the day before, which pauses nobody any more.
_PAUSE = text(
    "update budgets set paused_at = now() where day = :day and scope = :scope and paused_at is null"
    " and day = (now() at time zone 'utc')::date returning scope"
)
_PAUSED = text(
    """
    select ((now() at time zone 'utc')::date + 1)::timestamp at time zone 'utc' as next_day
    from budgets where day = (now() at time zone 'utc')::date
        and paused_at is not null and scope = any(:scopes) limit 1
    """
)
_PAUSED_BEFORE = text(
    """
    update budgets set paused_at = null where paused_at is not null
        and day < (now() at time zone 'utc')::date returning *
    """
)
_WAITING = text(
    """
    select account_id, tier from lanes where is_waiting and tier = any(:tiers)
    order by turn_at limit :told_max
    """
)
_RAISE = text(
    """
    with raised as (
        insert into budget_raises (day, scope, raised_usd, by_whom, why)
        values ((now() at time zone 'utc')::date, :scope, :usd, :by, :why) returning day
    )
    update budgets set raised_usd = raised_usd + :usd, paused_at = null, warned_at = null
    from raised where budgets.day = raised.day and scope = :scope returning budgets.*
    """
)


def scopes_of(account_id: UUID, tier: str) -> list[str]:
    """Every budget that an attempt counts for."""
    return [f"account:{tier}:{account_id}", f"tier:{tier}", "total"]


async def reserve(
    connection: Connection, *, account_id: UUID, tier: Tier, usd: Decimal, limits: Limits
) -> date | str:
    """Set aside what an attempt may cost: the day it counts for, or the scope with nothing left.

    What is only reserved may come back when the runs end; a budget that is spent is paused.
    """
    scopes = scopes_of(account_id, tier)
    wanted = {"scopes": scopes, "usd": usd}
    if reserved := (await connection.execute(_RESERVE, wanted)).first():
        return cast("date", reserved.day)
    amounts = [limits.of(scope) for scope in scopes]
    await connection.execute(_OPEN, {"scopes": scopes, "limits": amounts})
    for budget in (await connection.execute(_LOCK, {"scopes": scopes})).all():
        if budget.spent_usd >= _limit(budget):
            await _pause(connection, budget)
        if budget.spent_usd + budget.reserved_usd >= _limit(budget):
            return str(budget.scope)
    # Nothing was spent today before.
    return cast("date", (await connection.execute(_RESERVE, wanted)).all()[0].day)


async def settle(connection: Connection, ended: Sequence[Row[Any]]) -> None:
    """What was reserved for attempts becomes what they cost."""
    due: dict[tuple[date, str], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for attempt in ended:
        if attempt.cost_day is None:  # it began before there were budgets
            continue
        for scope in scopes_of(attempt.account_id, attempt.tier):
            sums = due[attempt.cost_day, scope]
            sums[0] += attempt.reserved_usd
            sums[1] += attempt.cost_usd
    settled = await connection.execute(
        _SETTLE,
        {
            "days": [day for day, _ in due],
            "scopes": [scope for _, scope in due],
            "reserved": [reserved for reserved, _ in due.values()],
            "costs": [cost for _, cost in due.values()],
        },
    )
    for budget in settled.all():
        if budget.warned_at is None and budget.spent_usd >= WARN_AT * _limit(budget):
            await _warn(connection, budget)
        if budget.spent_usd >= _limit(budget):
            await _pause(connection, budget)


async def paused_until(connection: Connection, account_id: UUID, tier: str) -> datetime | None:
    """When jobs of this account go on at the latest, if a budget they count for is used up."""
    scopes = scopes_of(account_id, tier)
    until: datetime | None = await connection.scalar(_PAUSED, {"scopes": scopes})
    return until


async def begin_day(connection: Connection) -> None:
    """What was paused on an earlier day goes on; those who wait are told."""
    for budget in (await connection.execute(_PAUSED_BEFORE)).all():
        log.info("budget.resumed", scope=budget.scope, why="a new day")
        await _tell_operators(connection, budget, BudgetResumed)
        await _tell(connection, budget.scope, AccountResumed)


async def raise_today(
    connection: Connection, scope: str, *, usd: Decimal, by: str, why: str
) -> None:
    """Add to today's budget and go on, at an operator's word."""
    raised = {"scope": scope, "usd": usd, "by": by, "why": why}
    budget = (await connection.execute(_RAISE, raised)).one_or_none()
    if budget is None:
        raise NoSuchBudget(scope)
    log.warning("budget.raised", scope=scope, usd=str(usd), by=by, why=why)
    await _tell_operators(connection, budget, BudgetResumed)
    await _tell(connection, scope, AccountResumed)


def _limit(budget: Row[Any]) -> Decimal:
    return Decimal(budget.limit_usd + budget.raised_usd)


async def _warn(connection: Connection, budget: Row[Any]) -> None:
    warned = await connection.execute(_WARN, {"day": budget.day, "scope": budget.scope})
    if warned.one_or_none():
        spent, limit = str(budget.spent_usd), str(_limit(budget))
        log.warning("budget.nearly_used", scope=budget.scope, spent=spent, limit=limit)
        await _tell_operators(connection, budget, BudgetWarned)


async def _pause(connection: Connection, budget: Row[Any]) -> None:
    paused_now = await connection.execute(_PAUSE, {"day": budget.day, "scope": budget.scope})
    if paused_now.one_or_none():
        spent, limit = str(budget.spent_usd), str(_limit(budget))
        log.error("budget.paused", scope=budget.scope, spent=spent, limit=limit)
        await _tell_operators(connection, budget, BudgetPaused)
        await _tell(connection, budget.scope, AccountPaused)


def subject_of(scope: str) -> UUID:
    """What a budget's events are about: they keep their order, whatever the day."""
    return uuid5(NAMESPACE_URL, f"budget:{scope}")


async def _tell_operators(
    connection: Connection,
    budget: Row[Any],
    event: type[BudgetWarned | BudgetPaused | BudgetResumed],
) -> None:
    told = event(
        day=budget.day,
        scope=budget.scope,
        spent_usd=f"{budget.spent_usd:f}",
        limit_usd=f"{_limit(budget):f}",
    )
    await say(connection, told, about=subject_of(budget.scope))


async def _tell(
    connection: Connection, scope: str, event: type[AccountPaused | AccountResumed]
) -> None:
    """Tell those whose jobs wait for this budget."""
    kind, _, rest = scope.partition(":")
    waiting: list[tuple[UUID, Any]]
    if kind == "account":
        tier, _, account_id = rest.partition(":")
        waiting = [(UUID(account_id), tier)]
    else:
        tiers = [rest] if kind == "tier" else list(get_args(Tier))
        found = await connection.execute(_WAITING, {"tiers": tiers, "told_max": TOLD_MAX})
        waiting = [(row.account_id, row.tier) for row in found]
    for account_id_, tier_ in waiting:
        told = event(account_id=account_id_, tier=tier_, reason="daily-budget")
        await say(connection, told, about=account_id_)
