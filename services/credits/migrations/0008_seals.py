"""The books are sealed every night: one chain of digests per account, and one of all days."""

from alembic import op

revision = "0008"
down_revision = "0007"

SEALS = (
    """
    -- The movements of an account after its seal before this one, up to this version.
    create table seals (
        account_id uuid not null,
        version bigint not null check (version > 0),
        day date not null,
        digest bytea not null check (length(digest) = 32),
        primary key (account_id, version)
    )
    """,
    "create index seals_of_day on seals (day)",
    """
    create table sealed_days (
        day date primary key,
        head bytea not null check (length(head) = 32)
    )
    """,
    """
    create trigger seals_are_final before update or delete on seals
        for each statement execute function refuse_change()
    """,
    """
    create trigger sealed_days_are_final before update or delete on sealed_days
        for each statement execute function refuse_change()
    """,
    "revoke update, delete, truncate on seals, sealed_days from current_user",
)


def upgrade() -> None:
    for statement in SEALS:
        op.execute(statement)
