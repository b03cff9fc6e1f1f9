"""Renewals that were not paid, as far as their owners were told."""

from alembic import op

revision = "0004"
down_revision = "0003"

STATEMENTS = (
    # A bank's question after a card that was declined is news again.
    """
    create table payments_missed (
        invoice_id text not null,
        reason text not null check (reason in ('declined', 'confirmation')),
        account_id uuid not null,
        said_at timestamptz not null default now(),
        primary key (invoice_id, reason)
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
