"""Hand-offs: phones that may add photos to an account for a while, and what they added."""

from alembic import op

revision = "0003"
down_revision = "0002"

HANDOFFS = (
    """
    create table handoffs (
        id uuid primary key,
        account_id uuid not null references accounts (id) on delete cascade,
        -- The hash of the token: whoever reads this table cannot add photos with it.
        token_hash bytea not null unique check (length(token_hash) = 32),
        created_at timestamptz not null default now(),
        opened_at timestamptz,
        expires_at timestamptz not null,
        revoked_at timestamptz,
        photos_used smallint not null default 0 check (photos_used between 0 and 30)
    )
    """,
    "create index handoffs_account_id on handoffs (account_id, expires_at)",
    "create index handoffs_expires_at on handoffs (expires_at)",
)

PHOTOS = (
    """
    create table handoff_photos (
        photo_id uuid primary key,
        handoff_id uuid not null references handoffs (id) on delete cascade,
        state text not null default 'begun'
            check (state in ('begun', 'accepted', 'ready', 'rejected', 'deleted')),
        -- That of the event which told the state; an older one changes nothing.
        version int not null default 1
    )
    """,
    "create index handoff_photos_handoff_id on handoff_photos (handoff_id)",
)


def upgrade() -> None:
    for statement in (*HANDOFFS, *PHOTOS):
        op.execute(statement)
