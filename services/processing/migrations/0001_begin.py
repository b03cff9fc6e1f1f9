"""Accounts, preparations, jobs and attempts."""

from alembic import op

from services.kit import inbox, outbox

revision = "0001"
down_revision = None

_TABLES = (
    """
    create table accounts (
        account_id uuid primary key,
        plan text not null,
        tier text not null check (tier in ('priority', 'standard')),
        short_side_max int not null check (short_side_max > 0),
        plan_version int not null
    )
    """,
    """
    create table preparations (
        photo_id uuid primary key,
        account_id uuid not null,
        state text not null check (state in ('waiting', 'prepared', 'unusable', 'deleted')),
        object_key text not null,
        media_type text not null,
        quad jsonb,
        crashes int not null default 0,
        master_key text,
        thumbnail_key text,
        width int,
        height int,
        code text,
        detail text,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        check (state <> 'prepared'
            or (master_key is not null and thumbnail_key is not null and width > 0 and height > 0)),
        check (state <> 'unusable' or (code is not null and detail is not null))
    )
    """,
    """
    create table jobs (
        id uuid primary key,
        account_id uuid not null,
        idempotency_key text not null,
        body_sha256 bytea not null,
        kind text not null,
        photo_ids uuid[] not null check (cardinality(photo_ids) > 0),
        note text,
        price int not null check (price > 0),
        tier text not null check (tier in ('priority', 'standard')),
        short_side_max int not null check (short_side_max > 0),
        state text not null check (state in ('PENDING_HOLD', 'QUEUED', 'RUNNING', 'CHECKING',
            'COMPLETED', 'REJECTED', 'FAILED', 'CANCELLED')),
        seed bigint not null,
        attempts int not null default 0,
        result_key text,
        result jsonb,
        problem_code text,
        problem_detail text,
        problem_facts jsonb,
        created_at timestamptz not null default now(),
        hold_tried_at timestamptz not null default now(),
        queued_at timestamptz,
        ready_at timestamptz,
        started_at timestamptz,
        finished_at timestamptz,
        version int not null default 1,
        unique (account_id, idempotency_key),
        check ((state in ('COMPLETED', 'REJECTED', 'FAILED', 'CANCELLED'))
            = (finished_at is not null)),
        check ((state = 'COMPLETED') = (result_key is not null and result is not null)),
        check (state not in ('REJECTED', 'FAILED') or problem_code is not null)
    )
    """,
    "create index jobs_of_account on jobs (account_id, id desc)",
    # Whose turn it is: the head of each account's line, per tier.
    """
    create index jobs_turns on jobs (tier, account_id, queued_at)
        where state = 'QUEUED' and ready_at is not null
    """,
    "create index jobs_positions on jobs (tier, queued_at) where state = 'QUEUED'",
    """
    create index jobs_waiting_for_photos on jobs using gin (photo_ids)
        where state = 'QUEUED' and ready_at is null
    """,
    """
    create index jobs_waiting_since on jobs (queued_at)
        where state = 'QUEUED' and ready_at is null
    """,
    "create index jobs_of_photo on jobs using gin (photo_ids) where state = 'QUEUED'",
    "create index jobs_checking on jobs (id) where state = 'CHECKING'",
    "create index jobs_pending on jobs (hold_tried_at) where state = 'PENDING_HOLD'",
    """
    create index jobs_undone_of_account on jobs (account_id)
        where state in ('PENDING_HOLD', 'QUEUED')
    """,
    """
    create table attempts (
        id uuid primary key,
        job_id uuid not null references jobs (id),
        account_id uuid not null,
        tier text not null,
        number int not null check (number > 0),
        state text not null check (state in ('RELEASED', 'SUBMITTING', 'RUNNING', 'FINISHED',
            'FAILED', 'LOST', 'QC_FAILED')),
        endpoint text not null,
        runpod_job_id text,
        seed bigint not null,
        short_side_max int not null,
        runs_at_most_s int not null,
        result_key text not null,
        polls int not null default 0,
        next_poll_at timestamptz not null,
        hint_at timestamptz,
        deadline timestamptz not null,
        created_at timestamptz not null default now(),
        submitted_at timestamptz,
        finished_at timestamptz,
        gpu_seconds double precision check (gpu_seconds >= 0),
        output jsonb,
        crashes int not null default 0,
        error text,
        unique (job_id, number)
    )
    """,
    # A job runs at most once at a time, whatever else goes wrong.
    """
    create unique index attempts_one_on_gpu on attempts (job_id)
        where state in ('RELEASED', 'SUBMITTING', 'RUNNING')
    """,
    """
    create index attempts_due on attempts (next_poll_at)
        where state in ('RELEASED', 'SUBMITTING', 'RUNNING')
    """,
    """
    create table served (
        account_id uuid primary key,
        last_served_at timestamptz not null
    )
    """,
)


def upgrade() -> None:
    for statement in (*_TABLES, *outbox.DDL, *inbox.DDL):
        op.execute(statement)
