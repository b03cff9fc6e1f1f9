"""Batches: many jobs that were asked for, priced and held as one order."""

from alembic import op

revision = "0004"
down_revision = "0003"

_STATEMENTS = (
    """
    create table batches (
        id uuid primary key,
        account_id uuid not null,
        idempotency_key text not null,
        body_sha256 bytea not null,
        kind text not null,
        note text,
        jobs int not null check (jobs between 1 and 200),
        price int not null check (price > 0),
        state text not null check (state in ('PENDING_HOLD', 'PLACED', 'REJECTED')),
        unfinished int not null check (unfinished between 0 and jobs),
        problem_code text,
        problem_facts jsonb,
        created_at timestamptz not null default now(),
        hold_tried_at timestamptz not null default now(),
        finished_at timestamptz,
        unique (account_id, idempotency_key),
        check ((unfinished = 0) = (finished_at is not null)),
        check ((state = 'REJECTED') = (problem_code is not null))
    )
    """,
    "create index batches_of_account on batches (account_id, id desc)",
    "create index batches_pending on batches (hold_tried_at) where state = 'PENDING_HOLD'",
    "alter table jobs add column batch_id uuid references batches (id)",
    "create index jobs_of_batch on jobs (batch_id, id) where batch_id is not null",
    # A batch's jobs are settled with their batch, not one by one.
    "drop index jobs_pending",
    """
    create index jobs_pending on jobs (hold_tried_at)
        where state = 'PENDING_HOLD' and batch_id is null
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
