"""Accounts that were erased, in each service: what is to be forgotten, and what must not come back.

The row stays for ever. It holds an account's id, which says nothing about anybody, and is how a
message that comes late, or is replayed, is known to be about somebody who is gone.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from contracts.message import Event
from services.kit import outbox
from services.kit.db import Connection

AT_ONCE_MAX = 20

DDL = (
    """
    create table erasures (
        account_id uuid primary key,
        asked_at timestamptz not null default now(),
        finished_at timestamptz
    )
    """,
    "create index erasures_unfinished on erasures (asked_at) where finished_at is null",
)

_BEGIN = text(
    "insert into erasures (account_id) values (:account_id) on conflict (account_id) do nothing"
)
# Of this schema: services share a database, and none waits for another.
_NUMBER = "hashtextextended('erasures:' || current_schema() || :account_id, 0)"
_ALONE = text(f"select pg_advisory_xact_lock({_NUMBER})")
_TOGETHER = text(f"select pg_advisory_xact_lock_shared({_NUMBER})")
_IS_ERASED = text("select exists (select from erasures where account_id = :account_id)")
_UNFINISHED = text(
    "select account_id from erasures where finished_at is null order by asked_at limit :at_once_max"
)
_FINISH = text(
    "update erasures set finished_at = now()"
    " where account_id = :account_id and finished_at is null returning account_id"
)


async def begin(connection: Connection, account_id: UUID) -> None:
    """From this transaction on nothing of the account may come to be here.

    Whoever was told that it is not erased, and begins something, is waited for.
    """
    await connection.execute(_ALONE, {"account_id": str(account_id)})
    await connection.execute(_BEGIN, {"account_id": account_id})


async def is_erased(connection: Connection, account_id: UUID) -> bool:
    """Whether the account is gone or going; if not, it does not go before this transaction ends."""
    await connection.execute(_TOGETHER, {"account_id": str(account_id)})
    found: bool = (await connection.execute(_IS_ERASED, {"account_id": account_id})).scalar_one()
    return found


async def unfinished(connection: Connection) -> Sequence[UUID]:
    """Accounts of which something may be left, the longest first."""
    return (await connection.scalars(_UNFINISHED, {"at_once_max": AT_ONCE_MAX})).all()


async def finish(connection: Connection, account_id: UUID, forgotten: Event) -> None:
    """Nothing is left: say so, once."""
    finished = await connection.execute(_FINISH, {"account_id": account_id})
    if finished.one_or_none():
        await outbox.say(connection, forgotten, about=account_id)
