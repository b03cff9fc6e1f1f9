"""Adjustments of a balance by operators, and who answers for them."""

from alembic import op

revision = "0009"
down_revision = "0008"

ADJUSTMENTS = (
    """
    create table adjustments (
        id uuid primary key,
        account_id uuid not null references accounts,
        amount integer not null check (amount <> 0 and abs(amount) <= 1000000000),
        reason text not null check (length(trim(reason)) between 1 and 200),
        asked_by text not null check (length(trim(asked_by)) between 1 and 200),
        asked_at timestamptz not null default now(),
        approved_by text check (lower(trim(approved_by)) <> lower(trim(asked_by))),
        booked_at timestamptz,
        -- As `ALONE_MAX` of adjustments.py, which counts a whole day's as well.
        constraint adjustments_need_a_second check (
            booked_at is null or abs(amount) <= 50 or approved_by is not null
        )
    )
    """,
    "create index adjustments_by_asker on adjustments (lower(asked_by), asked_at)",
    "revoke update, delete, truncate on adjustments from current_user",
    "grant update (approved_by, booked_at) on adjustments to current_user",
)


def upgrade() -> None:
    for statement in ADJUSTMENTS:
        op.execute(statement)
