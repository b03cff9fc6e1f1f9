"""Prove the books: every balance is the sum of its entries, and nothing was moved by halves.

All checks read one snapshot, so they hold for a moment even while credits move.
"""

from dataclasses import dataclass

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.credits import seals

_CHECKS = {
    "every movement has two entries that sum to zero": """
        select count(*), count(*) filter (where
            e.sides is distinct from 2 or e.total <> 0 or e.moved <> m.amount or e.owners <> 1
            or e.owner <> m.account_id)
        from movements m left join (
            select movement_id, count(*) sides, sum(amount) total, max(amount) moved,
                count(distinct account_id) owners, min(account_id::text)::uuid as owner
            from entries group by movement_id
        ) e on e.movement_id = m.id
    """,
    "every entry belongs to a movement": """
        select count(*), count(*) filter (where m.id is null)
        from entries e left join movements m on m.id = e.movement_id
    """,
    "every account row is the sum of its entries": """
        select count(*), count(*) filter (where
            (a.available, a.held, a.blocked, -a.owed, greatest(a.past, 0))
            <> (coalesce(e.available, 0), coalesce(e.held, 0), coalesce(e.blocked, 0),
                coalesce(e.owed, 0), coalesce(e.lost, 0)))
        from accounts a left join (
            select account_id,
                sum(amount) filter (where bucket = 'available') available,
                sum(amount) filter (where bucket = 'held') held,
                sum(amount) filter (where bucket = 'blocked') blocked,
                sum(amount) filter (where bucket = 'owed') owed,
                sum(amount) filter (where bucket = 'lost') lost
            from entries group by account_id
        ) e on e.account_id = a.id
    """,
    "open holds are what is held": """
        select count(*), count(*) filter (where a.held <> coalesce(h.amount, 0))
        from accounts a left join (
            select account_id, sum(amount) amount from holds where state = 'held'
            group by account_id
        ) h on h.account_id = a.id
    """,
    "replaying the entries gives every balance there was": """
        select count(*), count(*) filter (where
            available <> replayed_available or held <> replayed_held or version <> place)
        from (
            select m.version, m.available, m.held,
                sum(e.available) over story replayed_available,
                sum(e.held) over story replayed_held,
                row_number() over story place
            from movements m join (
                select movement_id,
                    coalesce(sum(amount) filter (where bucket = 'available'), 0) available,
                    coalesce(sum(amount) filter (where bucket = 'held'), 0) held
                from entries group by movement_id
            ) e on e.movement_id = m.id
            window story as (partition by m.account_id order by m.version)
        ) replayed
    """,
    "every account stands where its last movement left it": """
        select count(*), count(*) filter (where
            (a.version, a.available, a.held)
            <> (coalesce(m.version, 0), coalesce(m.available, 0), coalesce(m.held, 0)))
        from accounts a left join lateral (
            select version, available, held from movements
            where account_id = a.id order by version desc limit 1
        ) m on true
    """,
    "every hold was placed once and ended as its state says": """
        select count(*), count(*) filter (where story is distinct from
            case state
                when 'held' then 'hold'
                when 'captured' then case when story like '%expire%'
                    then 'hold expire capture' else 'hold capture' end
                when 'released' then 'hold release'
                else 'hold expire' end)
        from holds h left join (
            select job_id, string_agg(kind, ' ' order by version) story
            from movements where job_id is not null and kind <> 'refund' group by job_id
        ) m on m.job_id = h.job_id
    """,
    "what was refunded had been spent": """
        select count(*), count(*) filter (where h.state <> 'captured' or exists (
            select from movements spent where spent.job_id = m.job_id and spent.kind = 'capture'
                and spent.version > m.version))
        from movements m join holds h on h.job_id = m.job_id where m.kind = 'refund'
    """,
    "what came in and went back is what its causes say": """
        select count(*), count(*) filter (where coalesce(e.amount, 0) <> coalesce(c.amount, 0))
        from accounts a left join (
            select account_id, -sum(amount) amount from entries
            where bucket in ('issued', 'revoked') group by account_id
        ) e on e.account_id = a.id left join (
            select account_id, sum(amount) amount from causes
            where kind = 'pool' and cause not like 'refund:%' group by account_id
        ) c on c.account_id = a.id
    """,
    "nobody who owes has anything to spend": """
        select count(*), count(*) filter (where owed > 0 and available + blocked > 0)
        from accounts
    """,
    "what is disputed is blocked as far as it is there": """
        select count(*), count(*) filter (where blocked <> least(disputed, available + blocked))
        from accounts
    """,
    "every movement of a job has a hold": """
        select count(*), count(*) filter (where
            h.job_id is null or h.account_id <> m.account_id or h.amount <> m.amount)
        from movements m left join holds h on h.job_id = m.job_id where m.job_id is not null
    """,
    "every adjustment is what an operator asked for": """
        select count(*), count(*) filter (where a.id is null or c.cause is null
            or (a.account_id, a.amount) <> (c.account_id, c.amount))
        from (select * from causes where cause like 'adjustment:%') c
        full join (select * from adjustments where booked_at is not null) a
            on c.cause = 'adjustment:' || a.id
    """,
    **seals.CHECKS,
}


# A day that was begun and not finished within an hour died with its process.
_BEGIN_TODAY = sa.text(
    """
    insert into audits (day) values ((now() at time zone 'utc')::date)
    on conflict (day) do update set started_at = now()
        where audits.finished_at is null and audits.started_at < now() - interval '1 hour'
    returning day
    """
)
_FINISH_TODAY = sa.text(
    """
    update audits set finished_at = now(), broken = :broken
    where day = (select max(day) from audits)
    """
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule, how many rows it was tried on, and how many break it."""

    rule: str
    rows: int
    drift: int


async def audit(engine: AsyncEngine) -> list[Finding]:
    """Try every rule on one snapshot of the books."""
    snapshot = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    async with snapshot.begin() as connection:
        findings = []
        for rule, query in _CHECKS.items():
            rows, drift = (await connection.execute(sa.text(query))).one()
            findings.append(Finding(rule, rows, drift))
        return findings


async def prove_nightly(engine: AsyncEngine) -> bool:
    """Prove and seal the books once a day, whoever comes first; what is wrong is logged."""
    async with engine.begin() as connection:
        if not (await connection.execute(_BEGIN_TODAY)).one_or_none():
            return False
    broken = [finding for finding in await audit(engine) if finding.drift]
    for finding in broken:
        log.error("audit.drift", rule=finding.rule, rows=finding.drift)
    # Wrong books are sealed as well: what becomes of them from here on is to be seen.
    await seals.seal(engine)
    async with engine.begin() as connection:
        await connection.execute(_FINISH_TODAY, {"broken": len(broken)})
    log.info("audit.done", broken=len(broken))
    return True


def table(findings: list[Finding]) -> str:
    """The findings as a short table for a terminal."""
    lines = [f"{'rows':>10}  {'drift':>6}  rule"]
    lines += [f"{f.rows:>10}  {f.drift:>6}  {f.rule}" for f in findings]
    broken = sum(f.drift > 0 for f in findings)
    lines.append("The books are right." if not broken else f"{broken} rules are broken.")
    return "\n".join(lines)
