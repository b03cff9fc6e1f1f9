"""GPU endpoints that can be paused, jobs that avoid one, and results that are swept."""

from alembic import op

revision = "0003"
down_revision = "0002"

_STATEMENTS = (
    """
    create table endpoints (
        id text primary key,
        slots int not null check (slots > 0),
        led_at timestamptz not null,
        paused_at timestamptz,
        reason text,
        check ((paused_at is null) = (reason is null))
    )
    """,
    "alter table jobs add column avoid_endpoint text",
    "alter table attempts add column swept_at timestamptz",
    """
    create index attempts_unswept on attempts (finished_at)
        where swept_at is null and state in ('FINISHED', 'FAILED', 'LOST', 'QC_FAILED')
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
