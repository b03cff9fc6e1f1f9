"""What days cost: GPU time as it was counted, and what storing and sending results should add."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import text

from services.kit.db import Connection

GB = 1_000_000_000
STORAGE_USD_PER_GB_DAY = Decimal("0.023") / 30
EGRESS_USD_PER_GB = Decimal("0.09")
"""S3 Standard's first tier and the first 10 TB out (https://aws.amazon.com/s3/pricing)."""

DAYS_MAX = 366
ACCOUNTS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget of today, in dollars."""

    scope: str
    spent: Decimal
    reserved: Decimal
    limit: Decimal
    state: str


@dataclass(frozen=True, slots=True)
class Day:
    """A day of UTC: dollars of GPU time per tier, and estimates of the rest."""

    day: date
    runs: int
    gpu_hours: Decimal
    free: Decimal
    paid: Decimal
    storage: Decimal
    egress: Decimal

    @property
    def total(self) -> Decimal:
        """Everything, in dollars."""
        return self.free + self.paid + self.storage + self.egress


_TODAY = text(
    """
    (select scope, spent_usd, reserved_usd, limit_usd + raised_usd as limit_usd,
            case when paused_at is not null then 'paused'
                 when warned_at is not null then 'nearly used' else 'open' end as state
     from budgets where day = (now() at time zone 'utc')::date and scope not like 'account:%'
     order by scope)
    union all
    (select scope, spent_usd, reserved_usd, limit_usd + raised_usd,
            case when paused_at is not null then 'paused'
                 when warned_at is not null then 'nearly used' else 'open' end
     from budgets where day = (now() at time zone 'utc')::date and scope like 'account:%'
     order by spent_usd + reserved_usd desc limit :accounts_shown)
    """
)
# Every result is kept, and is taken to be fetched once.
_DAYS = text(
    """
    with days as (
        select day::date as day from generate_series(
            (now() at time zone 'utc')::date - cast(:days as int) + 1,
            (now() at time zone 'utc')::date, interval '1 day') day
    ), spent as (
        select cost_day as day, count(*) as runs, sum(gpu_seconds) / 3600 as gpu_hours,
            sum(cost_usd) filter (where tier = 'standard') as free,
            sum(cost_usd) filter (where tier = 'priority') as paid
        from attempts where cost_day > (now() at time zone 'utc')::date - cast(:days as int)
        group by cost_day
    ), results as (
        select (finished_at at time zone 'utc')::date as day,
            sum(cast(result ->> 'bytes' as bigint)) as bytes
        from jobs where state = 'COMPLETED' group by 1
    )
    select days.day, coalesce(runs, 0) as runs, coalesce(gpu_hours, 0) as gpu_hours,
        coalesce(free, 0) as free, coalesce(paid, 0) as paid,
        coalesce((select bytes from results where results.day = days.day), 0) as sent_bytes,
        coalesce((select sum(bytes) from results where results.day <= days.day), 0) as kept_bytes
    from days left join spent using (day) order by days.day
    """
)


async def today(connection: Connection) -> list[Budget]:
    """Today's budgets: the whole, the tiers, and the accounts that spent most."""
    rows = await connection.execute(_TODAY, {"accounts_shown": ACCOUNTS_SHOWN})
    return [
        Budget(row.scope, row.spent_usd, row.reserved_usd, row.limit_usd, row.state) for row in rows
    ]


async def days(connection: Connection, count: int) -> Sequence[Day]:
    """The last days up to today, the oldest first."""
    rows = await connection.execute(_DAYS, {"days": min(count, DAYS_MAX)})
    return [
        Day(
            day=row.day,
            runs=row.runs,
            gpu_hours=Decimal(row.gpu_hours),
            free=row.free,
            paid=row.paid,
            storage=row.kept_bytes * STORAGE_USD_PER_GB_DAY / GB,
            egress=row.sent_bytes * EGRESS_USD_PER_GB / GB,
        )
        for row in rows
    ]
