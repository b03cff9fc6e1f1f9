"""Accounts that were erased: who has still to say so, and whose subjects do not begin anew yet."""

from alembic import op

revision = "0004"
down_revision = "0003"

ERASURES = (
    """
    create table erasures (
        account_id uuid primary key,
        -- Of issuer and subject, for a month: then nothing tells whose the account was.
        person_hash bytea check (length(person_hash) = 32),
        asked_at timestamptz not null default now(),
        -- Services that have not said yet that nothing is left.
        waiting_for text[] not null,
        finished_at timestamptz
    )
    """,
    "create index erasures_person on erasures (person_hash)",
    "create index erasures_unfinished on erasures (asked_at) where finished_at is null",
)


def upgrade() -> None:
    for statement in ERASURES:
        op.execute(statement)
