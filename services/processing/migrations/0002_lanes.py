"""Lanes: whose turn it is, found without looking at every job that waits."""

from alembic import op

revision = "0002"
down_revision = "0001"

_STATEMENTS = (
    """
    create table lanes (
        tier text not null check (tier in ('priority', 'standard')),
        account_id uuid not null,
        is_waiting boolean not null,
        turn_at timestamptz not null,
        primary key (account_id, tier)
    ) with (fillfactor = 70)
    """,
    "create index lanes_turns on lanes (tier, turn_at) where is_waiting",
    # A job that joins the line opens its account's lane, whichever way it came: a new order, a
    # photo that is ready at last, a change of plan, an attempt that failed. In the table, so that
    # no way into the line can forget it.
    """
    create function open_lane() returns trigger language plpgsql as $$
    begin
        insert into lanes (tier, account_id, is_waiting, turn_at)
        values (new.tier, new.account_id, true, new.queued_at)
        on conflict (account_id, tier) do update
        set is_waiting = true, turn_at = greatest(lanes.turn_at, excluded.turn_at)
        where not lanes.is_waiting;
        return null;
    end $$
    """,
    """
    create trigger open_lane_of_new after insert on jobs for each row
        when (new.state = 'QUEUED' and new.ready_at is not null)
        execute function open_lane()
    """,
    """
    create trigger open_lane after update on jobs for each row
        when (new.state = 'QUEUED' and new.ready_at is not null
            and (old.state <> 'QUEUED' or old.ready_at is null or old.tier <> new.tier))
        execute function open_lane()
    """,
    """
    insert into lanes (tier, account_id, is_waiting, turn_at)
    select tier, account_id, true, min(queued_at) from jobs
    where state = 'QUEUED' and ready_at is not null group by tier, account_id
    """,
    "drop table served",
    # The place in line counts lanes now.
    "drop index jobs_positions",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
