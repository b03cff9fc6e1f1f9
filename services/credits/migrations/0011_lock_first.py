"""Whoever places a hold locks the account before anything refers to it.

A hold that was inserted first had its account locked for its foreign key already, by everyone who
waited for the row at once. PostgreSQL notes so many lockers in a multixact, and a scan never drops
a version of the row that bears one: after 32 callers had fought for an account, each look at its
row read twenty pages of dead versions, a hundred times per batch.
"""

from alembic import op

revision = "0011"
down_revision = "0010"

# Of `place_hold` and `place_holds`, whose first statement this is.
LOCK_FIRST = """
    do $$
    declare
        look constant text := 'select * into account from accounts where id = p_account_id';
        name regproc;
    begin
        foreach name in array array['place_hold', 'place_holds']::regproc[] loop
            execute replace(
                pg_get_functiondef(name), look || ';', look || ' for no key update;'
            );
        end loop;
    end $$
"""
PLACE_TOGETHER = """
    -- Place many holds of many accounts, each for a job of its own, and say so in the outbox.
    -- What cannot go with the others is `alone` and left undone: an account that is unknown, has
    -- free credits to come or too few credits, and a job that has a hold.
    create or replace function place_together(
        p_movement_ids uuid[], p_job_ids uuid[], p_account_ids uuid[], p_amounts integer[],
        p_reasons text[], p_texts text[], p_event_ids uuid[], p_exchange text, p_routing_key text,
        p_envelopes text[], p_at timestamptz, p_ttl interval
    ) returns table (number bigint, is_placed boolean) language plpgsql
    set plan_cache_mode = force_generic_plan as $$
    declare
        fresh uuid[];
        paid uuid[];
    begin
        with locked as materialized (
            select id, plan, month_added from accounts where id = any(p_account_ids)
            order by id for no key update
        ), added as (
            insert into holds (job_id, account_id, amount, reason, created_at, expires_at)
                select wanted.job_id, locked.id, wanted.amount, wanted.reason, p_at, p_at + p_ttl
                from unnest(p_job_ids, p_account_ids, p_amounts, p_reasons)
                    wanted(job_id, account_id, amount, reason)
                join locked on locked.id = wanted.account_id
                where locked.plan <> 'free'
                    or locked.month_added >= to_char(p_at at time zone 'utc', 'YYYY-MM')
                order by wanted.job_id
                on conflict (job_id) do nothing
                returning job_id
        )
        select array_agg(job_id) into fresh from added;

        with changed as (
            update accounts a set available = a.available - asked.amount,
                held = a.held + asked.amount, version = a.version + asked.jobs
            from (
                select account_id, sum(amount) amount, count(*) jobs from holds
                where job_id = any(fresh) group by account_id
            ) asked
            where a.id = asked.account_id and a.available >= asked.amount
            returning a.id, a.available, a.held, a.version
        ), wanted as (
            select wanted.*, changed.available
                    + sum(wanted.amount) over later - wanted.amount as available,
                changed.held - sum(wanted.amount) over later + wanted.amount as held,
                changed.version - count(*) over later + 1 as version
            from unnest(
                p_movement_ids, p_job_ids, p_account_ids, p_amounts, p_texts, p_event_ids,
                p_envelopes
            ) with ordinality wanted(
                movement_id, job_id, account_id, amount, text, event_id, envelope, place
            )
            join changed on changed.id = wanted.account_id
            where wanted.job_id = any(fresh)
            window later as (partition by wanted.account_id order by place desc)
        ), moved as (
            insert into movements (
                id, account_id, version, kind, amount, available, held, job_id, reason, created_at
            )
            select movement_id, account_id, version, 'hold', amount, available, held, job_id, text,
                p_at
            from wanted
        ), entered as (
            insert into entries (movement_id, bucket, account_id, amount)
            select movement_id, side.bucket, account_id, side.sign * amount
            from wanted, (values ('available', -1), ('held', 1)) side(bucket, sign)
        ), said as (
            insert into outbox (event_id, aggregate_id, exchange, routing_key, payload)
            select event_id, account_id, p_exchange, p_routing_key,
                jsonb_set(
                    jsonb_set(envelope::jsonb, '{data,version}', to_jsonb(version)),
                    '{data,available}', to_jsonb(available)
                )
            from wanted order by place
        )
        select array_agg(job_id) into paid from wanted;

        delete from holds where job_id = any(fresh) and job_id <> all(coalesce(paid, '{}'));
        return query
            select place, job_id = any(coalesce(paid, '{}'))
            from unnest(p_job_ids) with ordinality wanted(job_id, place);
    end $$
"""


def upgrade() -> None:
    op.execute(LOCK_FIRST)
    op.execute(PLACE_TOGETHER)
