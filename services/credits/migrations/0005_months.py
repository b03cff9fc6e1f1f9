"""Entries by month, and what the nightly audits found."""

from alembic import op

revision = "0005"
down_revision = "0004"

AUDITS = """
    create table audits (
        day date primary key,
        started_at timestamptz not null default now(),
        finished_at timestamptz,
        broken integer
    )
"""

# The month is in the id: a movement's id is a UUIDv7, whose first 48 bits are milliseconds. So the
# key stays what it was, and no month has to be told to whoever writes or looks for an entry.
ENTRIES = (
    "alter table entries rename to entries_unparted",
    "alter index entries_pkey rename to entries_unparted_pkey",
    """
    create table entries (
        movement_id uuid not null,
        bucket text not null constraint entries_bucket_check check (bucket in (
            'issued', 'available', 'held', 'spent', 'blocked', 'lost', 'revoked', 'owed'
        )),
        account_id uuid not null,
        amount bigint not null check (amount <> 0),
        primary key (movement_id, bucket)
    ) partition by range (movement_id)
    """,
    """
    -- The least id that a movement made at this moment can have.
    create function first_id_at(p_at timestamptz) returns uuid language sql immutable as $$
        select (lpad(to_hex((extract(epoch from p_at) * 1000)::bigint), 12, '0')
            || '00000000000000000000')::uuid
    $$
    """,
    """
    -- Partitions from this month on, as many as are asked for; those that are there stay.
    create function make_months(p_count integer) returns integer language plpgsql as $$
    declare
        month timestamptz;
        made integer := 0;
        name text;
    begin
        for ahead in 0 .. p_count - 1 loop
            month := (date_trunc('month', now() at time zone 'utc') + ahead * interval '1 month')
                at time zone 'utc';
            name := 'entries_' || to_char(month at time zone 'utc', 'YYYY_MM');
            if to_regclass(name) is null then
                execute format('create table %I partition of entries for values from (%L) to (%L)',
                    name, first_id_at(month), first_id_at(
                        (month at time zone 'utc' + interval '1 month') at time zone 'utc'));
                execute format('revoke update, delete, truncate on %I from current_user', name);
                made := made + 1;
            end if;
        end loop;
        return made;
    end $$
    """,
    # What fits no month, as a clock that is far off might make, must not be refused.
    "create table entries_other partition of entries default",
    "select make_months(3)",
    "insert into entries select * from entries_unparted",
    "drop table entries_unparted",
    """
    create trigger entries_are_final before update or delete on entries
        for each statement execute function refuse_change()
    """,
    "revoke update, delete, truncate on entries, entries_other from current_user",
)


def upgrade() -> None:
    for statement in (AUDITS, *ENTRIES):
        op.execute(statement)
