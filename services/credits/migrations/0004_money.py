"""What money does to credits: they are forfeited, taken back, blocked, owed and given back."""

from alembic import op

revision = "0004"
down_revision = "0003"

ACCOUNTS = """
    alter table accounts
        add blocked bigint not null default 0 check (blocked >= 0),
        add owed bigint not null default 0 check (owed >= 0),
        -- What open disputes ask for; `blocked` is as much of it as there is.
        add disputed bigint not null default 0 check (disputed >= 0),
        -- The last end of a subscription, and what was left of all that had been paid for by then.
        -- It is lost; below zero, more of it was taken back than was left.
        add ended_at timestamptz,
        add ended_version bigint not null default 0,
        add past bigint not null default 0,
        -- How much of that past had been used when it ended; a hold of it may still come back.
        add past_used bigint not null default 0 check (past_used >= 0)
"""

CAUSES = (
    """
    -- Everything that ever happened to an account but for its jobs. What the account has is worked
    -- out from these, so that the order in which they were heard does not matter.
    create table causes (
        account_id uuid not null references accounts,
        cause text not null,
        kind text not null check (kind in ('pool', 'block', 'close', 'end')),
        amount bigint not null,
        at timestamptz not null,
        closes text,
        primary key (account_id, cause)
    )
    """,
    """
    insert into causes (account_id, cause, kind, amount, at)
        select account_id, cause, 'pool', amount, created_at from movements where kind = 'grant'
    """,
    """
    create trigger causes_are_final before update or delete on causes
        for each statement execute function refuse_change()
    """,
    "revoke update, delete, truncate on causes from current_user",
)

MOVEMENTS = (
    "alter table movements drop constraint movements_kind_check",
    """
    alter table movements add constraint movements_kind_check check (kind in (
        'grant', 'hold', 'capture', 'release', 'expire', 'refund', 'forfeit', 'recover',
        'clawback', 'restore', 'block', 'unblock', 'owe', 'repay'
    ))
    """,
    # One cause may move credits more than once (what is left is taken, the rest is owed), but it
    # grants and restores once. That it acts once at all is said by the key of `causes`.
    "alter table movements drop constraint movements_one_per_cause",
    """
    create unique index movements_one_per_cause on movements (account_id, cause)
        where kind in ('grant', 'restore')
    """,
    "create unique index movements_one_refund_per_job on movements (job_id) where kind = 'refund'",
    "alter table movements drop constraint movements_say_why",
    """
    alter table movements add constraint movements_say_why check (
        case when kind in ('hold', 'capture', 'release', 'expire', 'refund')
        then job_id is not null and cause is null
        else cause is not null and job_id is null end
    )
    """,
    "alter table entries drop constraint entries_bucket_check",
    """
    alter table entries add constraint entries_bucket_check check (bucket in (
        'issued', 'available', 'held', 'spent', 'blocked', 'lost', 'revoked', 'owed'
    ))
    """,
)

MOVE = """
    -- Book one movement: the account row, the movement and its two entries, or nothing at all when
    -- the source is `available` and has too little. What is owed is a bucket below zero.
    create or replace function move(
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
                blocked = blocked
                    + case 'blocked' when p_target then p_amount when p_source then -p_amount
                      else 0 end,
                owed = owed
                    - case 'owed' when p_target then p_amount when p_source then -p_amount
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


def upgrade() -> None:
    for statement in (ACCOUNTS, *CAUSES, *MOVEMENTS, MOVE):
        op.execute(statement)
