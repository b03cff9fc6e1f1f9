"""Accounts: which of our ids belongs to the person an issuer vouches for."""

from uuid import UUID

from sqlalchemy import text

from contracts.gateway.v1 import AccountOpened
from services.gateway import erasures
from services.kit import failpoints, outbox
from services.kit.db import Connection, uuid7

_FIND = text("select id from accounts where issuer = :issuer and subject = :subject")
_OPEN = text(
    "insert into accounts (id, issuer, subject) values (:id, :issuer, :subject)"
    " on conflict (issuer, subject) do nothing returning id"
)
_NOTE_EMAIL = text(
    "update accounts set email = :email where id = :id and email is distinct from :email"
)
_EMAIL = text("select email from accounts where id = :id")


async def find_or_open(
    connection: Connection, *, issuer: str, subject: str, account_id: UUID | None = None
) -> UUID:
    """The account of a person; their first sign-in opens it, under `account_id` if one is given."""
    person = {"issuer": issuer, "subject": subject}
    if found := (await connection.execute(_FIND, person)).scalar_one_or_none():
        return UUID(str(found))
    await erasures.require_no_traces(connection, **person)
    # Of several first requests at once, the others wait here and then find the row of the one.
    opened = await connection.execute(_OPEN, person | {"id": account_id or uuid7()})
    new_id = opened.scalar_one_or_none()
    if new_id is None:
        return UUID(str((await connection.execute(_FIND, person)).scalar_one()))
    await failpoints.reach("mid_account_open")
    await outbox.say(connection, AccountOpened(account_id=new_id), about=new_id)
    return UUID(str(new_id))


async def note_email(connection: Connection, account_id: UUID, email: str) -> None:
    """Remember the address the issuer last told us."""
    await connection.execute(_NOTE_EMAIL, {"id": account_id, "email": email})


async def email_of(connection: Connection, account_id: UUID) -> str | None:
    """The address of an account, if the issuer ever told us."""
    found: str | None = (await connection.execute(_EMAIL, {"id": account_id})).scalar_one_or_none()
    return found
