"""The gateway's tables: accounts, sessions, idempotency records, the feed, outbox and inbox."""

from alembic import op

from services.kit import inbox, outbox

revision = "gateway_0001"
down_revision = None
branch_labels = None
depends_on = None

ACCOUNTS = """
    create table accounts (
        id uuid primary key,
        issuer text not null,
        subject text not null,
        email text,
        opened_at timestamptz not null default now(),
        unique (issuer, subject)
    )
"""

SESSIONS = (
    """
    create table sessions (
        -- The hash of the cookie's value: whoever reads this table cannot sign in with it.
        value_hash bytea primary key check (length(value_hash) = 32),
        account_id uuid not null references accounts (id) on delete cascade,
        subject text not null,
        created_at timestamptz not null default now(),
        expires_at timestamptz not null
    )
    """,
    "create index sessions_account_id on sessions (account_id)",
    "create index sessions_expires_at on sessions (expires_at)",
)

IDEMPOTENCY = (
    """
    create table idempotency (
        account_id uuid not null,
        route text not null,
        key text not null check (length(key) between 1 and 255),
        body_hash bytea not null check (length(body_hash) = 32),
        -- Null while the first request is being answered.
        status smallint check (status between 200 and 499),
        headers jsonb,
        body bytea,
        created_at timestamptz not null default now(),
        primary key (account_id, route, key),
        check ((status is null) = (headers is null) and (status is null) = (body is null))
    )
    """,
    "create index idempotency_created_at on idempotency (created_at)",
)

FEED = (
    """
    create table feeds (
        account_id uuid primary key,
        -- Counted on this row, not by a sequence: its lock makes numbers visible in their order.
        last_seq bigint not null check (last_seq > 0)
    )
    """,
    """
    create table user_events (
        account_id uuid not null references feeds (account_id) on delete cascade,
        seq bigint not null check (seq > 0),
        type text not null,
        time timestamptz not null,
        payload jsonb not null,
        recorded_at timestamptz not null default now(),
        primary key (account_id, seq)
    )
    """,
    "create index user_events_recorded_at on user_events (recorded_at)",
)


def upgrade() -> None:
    """Create everything."""
    for statement in (ACCOUNTS, *SESSIONS, *IDEMPOTENCY, *FEED, *outbox.DDL, *inbox.DDL):
        op.execute(statement)


def downgrade() -> None:
    """Remove everything."""
    op.execute(
        "drop table user_events, feeds, idempotency, sessions, accounts, outbox, inbox cascade"
    )
