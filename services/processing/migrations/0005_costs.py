"""What GPUs cost, what each attempt cost, and how much of a day's budget is used."""

from alembic import op

revision = "0005"
down_revision = "0004"

# https://docs.runpod.io/serverless/pricing (flex workers), as of August 2026. `cpu` is the laptop's
# engine: an example, so that what is shown there is not nothing.
RATES = {
    "A4000": "0.00016",
    "A4500": "0.00016",
    "RTX 4000": "0.00016",
    "L4": "0.00019",
    "A5000": "0.00019",
    "3090": "0.00019",
    "4090": "0.00031",
    "A6000": "0.00034",
    "A40": "0.00034",
    "L40": "0.00053",
    "L40S": "0.00053",
    "6000 Ada": "0.00053",
    "A100": "0.00076",
    "RTX PRO 6000": "0.00111",
    "H100": "0.00116",
    "H200": "0.00155",
    "B200": "0.00240",
    "cpu": "0.00002",
}

_STATEMENTS = (
    """
    create table gpu_rates (
        gpu text,
        valid_from timestamptz,
        usd_per_s numeric not null check (usd_per_s >= 0),
        primary key (gpu, valid_from)
    )
    """,
    *(
        f"insert into gpu_rates (gpu, valid_from, usd_per_s) values ('{gpu}', '2026-01-01', {rate})"  # noqa: S608
        for gpu, rate in RATES.items()
    ),
    """
    create table cost_factors (
        at timestamptz primary key default clock_timestamp(),
        billed_usd numeric not null check (billed_usd >= 0),
        estimated_usd numeric not null check (estimated_usd > 0),
        factor numeric not null check (factor > 0)
    )
    """,
    """
    create table budgets (
        day date,
        scope text,
        spent_usd numeric not null default 0 check (spent_usd >= 0),
        reserved_usd numeric not null default 0 check (reserved_usd >= 0),
        limit_usd numeric not null check (limit_usd >= 0),
        raised_usd numeric not null default 0 check (raised_usd >= 0),
        warned_at timestamptz,
        paused_at timestamptz,
        primary key (day, scope)
    ) with (fillfactor = 50)
    """,
    "create index budgets_paused on budgets (scope, day) where paused_at is not null",
    """
    create table budget_raises (
        id bigint generated always as identity primary key,
        day date not null,
        scope text not null,
        raised_usd numeric not null check (raised_usd > 0),
        by_whom text not null,
        why text not null,
        at timestamptz not null default clock_timestamp()
    )
    """,
    """
    alter table attempts
        add column gpu text,
        add column cost_day date,
        add column reserved_usd numeric check (reserved_usd >= 0),
        add column cost_usd numeric check (cost_usd >= 0),
        add column cost_factor numeric
    """,
    "create index attempts_of_day on attempts (cost_day)",
    "alter table endpoints add column gpu text",
    # Dollars a second of a GPU as it was reported ("NVIDIA GeForce RTX 4090"): the longest name in
    # the table that is part of it; one that is not there costs as much as the dearest that is.
    """
    create function usd_per_gpu_s(p_gpu text) returns numeric language sql stable as $$
        with in_force as (
            select distinct on (gpu) gpu, usd_per_s from gpu_rates where valid_from <= now()
            order by gpu, valid_from desc
        )
        select coalesce(
            (select usd_per_s from in_force where position(lower(gpu) in lower(p_gpu)) > 0
             order by length(gpu) desc limit 1),
            (select max(usd_per_s) from in_force)
        )
    $$
    """,
    """
    create function cost_factor() returns numeric language sql stable as $$
        select coalesce((select factor from cost_factors order by at desc limit 1), 1)
    $$
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
