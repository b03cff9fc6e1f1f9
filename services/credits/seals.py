"""Seals: every night, what the books say is bound into a chain of digests.

    account:  seal ◀── seal ◀── seal      (each of the movements since the one before, and of it)
                │        │        │
    days:     head ◀── head ◀── head      (each of all seals of the day, and of the head before)

A chain entry by entry would have holds that are placed together hashed one after the other, on the
hot path. An account's movements are numbered without a gap and committed in that order, so that
a chain of batches, made afterwards, binds each of them just as well.

What it proves: since their night, no sealed movement, entry or seal was changed, added or taken
away, not even by whoever may disable triggers, unless the chain was made anew from there on. Made
anew, its heads are others: so each is logged where the database's owner does not reach, and
`audit --head` says whether the books still contain it. That also tells a restored backup from the
books it is a backup of.

What it does not prove: that what was sealed was right (the rest of the audit does), and anything of
movements that no night has sealed yet.
"""

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

# What each movement and its entries say: in binary, which no setting of a session changes, and
# column by column, so that one to come changes nothing either.
_DIGESTS = """
    select m.account_id, m.version, sha256(record_send(row(
        m.id, m.account_id, m.version, m.kind, m.amount, m.available, m.held, m.job_id, m.cause,
        m.reason, m.created_at, e.sides
    ))) digest
    from movements m left join (
        select movement_id, string_agg(record_send(row(bucket, account_id, amount)), ''
            order by bucket collate "C") sides
        from entries group by movement_id
    ) e on e.movement_id = m.id
"""

CHECKS = {
    "every movement is what was sealed": f"""
        select count(*), count(*) filter (where digest is distinct from found) from (
            select s.digest, sha256(s.before || coalesce(
                string_agg(m.digest, '' order by m.version), '')) found
            from (
                select account_id, version, digest,
                    coalesce(lag(version) over chain, 0) as after,
                    coalesce(lag(digest) over chain, '') as before
                from seals window chain as (partition by account_id order by version)
            ) s left join ({_DIGESTS}) m
                on m.account_id = s.account_id and m.version > s.after and m.version <= s.version
            group by s.account_id, s.version, s.digest, s.before
        ) compared
    """,  # noqa: S608
    "every day's seals are what its head says": """
        select count(*), count(*) filter (where d.head is null
            or d.head <> sha256(d.before || coalesce(s.digests, '')))
        from (select day, head, coalesce(lag(head) over (order by day), '') as before
            from sealed_days) d
        full join (
            select day, string_agg(
                uuid_send(account_id) || int8send(version) || digest, ''
                order by account_id, version
            ) digests
            from seals group by day
        ) s using (day)
    """,
}

# Two nights that meet at midnight must not both follow the same head.
_LOCK = sa.text("select pg_advisory_xact_lock(hashtextextended('credits.seals', 0))")
_SEAL = sa.text(
    f"""
    with today as (
        select (now() at time zone 'utc')::date as day
        where not exists (
            select from sealed_days where day >= (now() at time zone 'utc')::date
        )
    ), added as (
        insert into seals (account_id, version, day, digest)
            select m.account_id, max(m.version), today.day, sha256(
                coalesce(last.digest, '') || string_agg(m.digest, '' order by m.version))
            from today cross join ({_DIGESTS}) m left join (
                select distinct on (account_id) account_id, version, digest
                from seals order by account_id, version desc
            ) last on last.account_id = m.account_id
            where m.version > coalesce(last.version, 0)
            group by m.account_id, last.digest, today.day
            returning account_id, version, digest
    )
    insert into sealed_days (day, head)
        select day, sha256(
            coalesce((select head from sealed_days order by day desc limit 1), '')
            || coalesce((
                select string_agg(
                    uuid_send(account_id) || int8send(version) || digest, ''
                    order by account_id, version
                ) from added
            ), '')
        ) from today
        returning encode(head, 'hex'), (select count(*) from added)
    """  # noqa: S608
)
_KNOWS = sa.text("select exists (select from sealed_days where encode(head, 'hex') = :head)")

log = structlog.get_logger()


async def seal(engine: AsyncEngine) -> str | None:
    """Seal what was moved since the last night; the day's head, or None if today has one."""
    async with engine.begin() as connection:
        await connection.execute(_LOCK)
        sealed = (await connection.execute(_SEAL)).one_or_none()
    if not sealed:
        return None
    head, accounts = sealed
    log.info("books.sealed", head=head, accounts=accounts)
    return str(head)


async def knows(engine: AsyncEngine, head: str) -> bool:
    """Whether the books contain the day of this head, as it was sealed."""
    async with engine.connect() as connection:
        return bool(await connection.scalar(_KNOWS, {"head": head.lower()}))
