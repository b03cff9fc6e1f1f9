"""Shares: addresses under which anybody may look at one job's before and after, for a while."""

from alembic import op

revision = "0005"
down_revision = "0004"

SHARES = (
    """
    create table shares (
        id uuid primary key,
        account_id uuid not null references accounts (id) on delete cascade,
        job_id uuid not null,
        -- The hash of the token: whoever reads this table cannot open the address with it.
        token_hash bytea not null unique check (length(token_hash) = 32),
        created_at timestamptz not null default now(),
        expires_at timestamptz not null,
        revoked_at timestamptz
    )
    """,
    # One address of a job at a time: to revoke it is to end all sharing of that picture.
    "create unique index shares_open on shares (job_id) where revoked_at is null",
    "create index shares_account_id on shares (account_id)",
    "create index shares_expires_at on shares (expires_at)",
)


def upgrade() -> None:
    for statement in SHARES:
        op.execute(statement)
