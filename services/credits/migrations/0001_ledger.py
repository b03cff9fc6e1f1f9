"""The ledger: accounts, holds, movements, entries, and the functions that move credits."""

from alembic import op

from services.kit import inbox, outbox

revision = "0001"
down_revision = None

TABLES = (
    """
    create table accounts (
        id uuid primary key,
        plan text not null default 'free',
        tier text not null default 'standard' check (tier in ('standard', 'priority')),
        credits_monthly integer not null check (credits_monthly >= 0),
        plan_version bigint not null default 0,
        -- The last month whose free credits were added; the unique cause is what forbids a second.
        month_added text not null default '' check (month_added ~ '^(\\d{4}-\\d{2})?$'),
        available bigint not null default 0 check (available >= 0),
        held bigint not null default 0 check (held >= 0),
        version bigint not null default 0
    )
    """,
    "create index accounts_on_free on accounts (month_added) where plan = 'free'",
    """
    create table holds (
        job_id uuid primary key,
        account_id uuid not null references accounts,
        amount integer not null check (amount between 1 and 1000000000),
        reason text not null,
        state text not null default 'held'
            check (state in ('held', 'captured', 'released', 'expired')),
        created_at timestamptz not null,
        expires_at timestamptz not null
    )
    """,
    "create index holds_open on holds (expires_at) where state = 'held'",
    """
    create table movements (
        id uuid primary key,
        account_id uuid not null references accounts,
        version bigint not null,
        kind text not null check (kind in ('grant', 'hold', 'capture', 'release', 'expire')),
        amount integer not null check (amount between 1 and 1000000000),
        available bigint not null check (available >= 0),
        held bigint not null check (held >= 0),
        job_id uuid,
        cause text,
        reason text not null,
        created_at timestamptz not null,
        constraint movements_one_per_version unique (account_id, version),
        constraint movements_one_per_cause unique (account_id, cause),
        constraint movements_say_why check (
            case when kind = 'grant' then cause is not null and job_id is null
            else job_id is not null and cause is null end
        )
    )
    """,
    # An expired hold may still be captured late, but nothing else may ever happen to a hold twice.
    """
    create unique index movements_capture_xor_release on movements (job_id)
        where kind in ('capture', 'release')
    """,
    """
    create unique index movements_release_xor_expire on movements (job_id)
        where kind in ('release', 'expire')
    """,
    "create unique index movements_one_hold_per_job on movements (job_id) where kind = 'hold'",
    """
    create table entries (
        movement_id uuid not null,
        bucket text not null check (bucket in ('issued', 'available', 'held', 'spent')),
        account_id uuid not null,
        amount bigint not null check (amount <> 0),
        primary key (movement_id, bucket)
    )
    """,
    """
    create table uncollected (
        job_id uuid primary key references holds,
        account_id uuid not null references accounts,
        amount integer not null check (amount > 0),
        created_at timestamptz not null
    )
    """,
)

IMMUTABLE = (
    """
    create function refuse_change() returns trigger language plpgsql as $$
    begin
        raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
    end $$
    """,
    """
    create trigger movements_are_final before update or delete on movements
        for each statement execute function refuse_change()
    """,
    """
    create trigger entries_are_final before update or delete on entries
        for each statement execute function refuse_change()
    """,
    # The owner keeps what it needs and no more. (Without UPDATE no foreign key can point here:
    # its check locks the row it refers to. The audit looks for entries without a movement.)
    "revoke update, delete, truncate on movements, entries from current_user",
)

MOVE = """
    -- Book one movement: the account row, the movement and its two entries, or nothing at all when
    -- the source is `available` and has too little.
    create function move(
        p_id uuid, p_account_id uuid, p_kind text, p_source text, p_target text,
        p_amount integer, p_job_id uuid, p_cause text, p_reason text, p_at timestamptz
    ) returns setof movements language plpgsql as $$
    begin
        return query
        with account as (
            update accounts set
                available = available
                    + case 'available' when p_target then p_amount when p_source then -p_amount
                      else 0 end,
                held = held
                    + case 'held' when p_target then p_amount when p_source then -p_amount
                      else 0 end,
                version = version + 1
            where id = p_account_id and (p_source <> 'available' or available >= p_amount)
            returning *
        ), entry as (
            insert into entries (movement_id, bucket, account_id, amount)
            select p_id, side.bucket, account.id, side.amount
            from account, (values (p_source, -p_amount), (p_target, p_amount)) side(bucket, amount)
        )
        insert into movements (
            id, account_id, version, kind, amount, available, held, job_id, cause, reason,
            created_at
        )
        select p_id, id, version, p_kind, p_amount, available, held, p_job_id, p_cause, p_reason,
            p_at
        from account
        returning *;
    end $$
"""

PLACE_HOLD = """
    -- Set credits aside for a job, once. Whoever inserts the hold first decides; a second caller
    -- waits at its primary key. `due`: the account is unknown, or has free credits to come.
    create function place_hold(
        p_movement_id uuid, p_job_id uuid, p_account_id uuid, p_amount integer,
        p_reason text, p_text text, p_at timestamptz, p_ttl interval,
        out outcome text, out version bigint, out available bigint
    ) language plpgsql as $$
    declare
        account accounts;
        earlier holds;
        moved movements;
    begin
        select * into account from accounts where id = p_account_id;
        if not found or (
            account.plan = 'free'
            and account.month_added < to_char(p_at at time zone 'utc', 'YYYY-MM')
        ) then
            outcome := 'due';
            return;
        end if;
        insert into holds (job_id, account_id, amount, reason, created_at, expires_at)
            values (p_job_id, p_account_id, p_amount, p_reason, p_at, p_at + p_ttl)
            on conflict (job_id) do nothing;
        if not found then
            select * into earlier from holds where job_id = p_job_id;
            outcome := case
                when (earlier.account_id, earlier.amount) <> (p_account_id, p_amount) then 'differs'
                when earlier.state <> 'held' then 'closed'
                else 'same' end;
            return;
        end if;
        select * into moved from move(
            p_movement_id, p_account_id, 'hold', 'available', 'held', p_amount, p_job_id, null,
            p_text, p_at
        );
        if not found then
            delete from holds where job_id = p_job_id;
            outcome := 'refused';
            select a.available into available from accounts a where a.id = p_account_id;
            return;
        end if;
        outcome := 'placed';
        version := moved.version;
        available := moved.available;
    end $$
"""


def upgrade() -> None:
    for statement in (*TABLES, *IMMUTABLE, MOVE, PLACE_HOLD, *outbox.DDL, *inbox.DDL):
        op.execute(statement)
