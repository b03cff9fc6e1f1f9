"""Holds of a whole batch: placed together or not at all, and closed job by job."""

from alembic import op

revision = "0002"
down_revision = "0001"

BATCHES = """
    create table batches (
        batch_id uuid primary key,
        account_id uuid not null references accounts,
        jobs integer not null check (jobs between 1 and 200),
        amount integer not null check (amount between 1 and 1000000000),
        created_at timestamptz not null
    )
"""

PLACE_HOLDS = """
    -- Set credits aside for every job of a batch, once. What `place_hold` does for one job is done
    -- for all of them in one statement each: one change of the account, a movement per job.
    create function place_holds(
        p_batch_id uuid, p_job_ids uuid[], p_movement_ids uuid[], p_account_id uuid,
        p_amount integer, p_reason text, p_text text, p_at timestamptz, p_ttl interval,
        out outcome text, out version bigint, out available bigint
    ) language plpgsql as $$
    declare
        account accounts;
        earlier batches;
        parts integer := cardinality(p_job_ids);
        total bigint := p_amount::bigint * cardinality(p_job_ids);
    begin
        select * into account from accounts where id = p_account_id;
        if not found or (
            account.plan = 'free'
            and account.month_added < to_char(p_at at time zone 'utc', 'YYYY-MM')
        ) then
            outcome := 'due';
            return;
        end if;
        insert into batches (batch_id, account_id, jobs, amount, created_at)
            values (p_batch_id, p_account_id, parts, p_amount, p_at)
            on conflict (batch_id) do nothing;
        if not found then
            select * into earlier from batches where batch_id = p_batch_id;
            outcome := case
                when (earlier.account_id, earlier.jobs, earlier.amount)
                    <> (p_account_id, parts, p_amount) then 'differs'
                else 'same' end;
            return;
        end if;
        update accounts a set
            available = a.available - total, held = a.held + total, version = a.version + parts
            where a.id = p_account_id and a.available >= total
            returning * into account;
        if not found then
            delete from batches where batch_id = p_batch_id;
            outcome := 'refused';
            select a.available into available from accounts a where a.id = p_account_id;
            return;
        end if;
        insert into holds (job_id, account_id, amount, reason, created_at, expires_at)
            select job_id, p_account_id, p_amount, p_reason, p_at, p_at + p_ttl
            from unnest(p_job_ids) job_id;
        insert into movements (
            id, account_id, version, kind, amount, available, held, job_id, reason, created_at
        )
            select movement_id, p_account_id, account.version - parts + place, 'hold', p_amount,
                account.available + (parts - place) * p_amount,
                account.held - (parts - place) * p_amount, job_id, p_text, p_at
            from unnest(p_job_ids, p_movement_ids) with ordinality
                part(job_id, movement_id, place);
        insert into entries (movement_id, bucket, account_id, amount)
            select movement_id, side.bucket, p_account_id, side.amount
            from unnest(p_movement_ids) movement_id,
                (values ('available', -p_amount), ('held', p_amount)) side(bucket, amount);
        outcome := 'placed';
        version := account.version;
        available := account.available;
    end $$
"""


def upgrade() -> None:
    for statement in (BATCHES, PLACE_HOLDS):
        op.execute(statement)
