"""What preparation made of a photo, what is made again, and what is left over from before."""

from alembic import op

revision = "0004"
down_revision = "0003"

_STATEMENTS = (
    """
    alter table photos
        add column preview_key text,
        -- The whole picture, when the master is a part of it.
        add column frame_key text,
        add column blurhash text,
        -- The corners that were asked for, and those it was cut along.
        add column quad_asked jsonb,
        add column quad jsonb,
        add column outline jsonb,
        -- The version that was last accepted: the names of what is made of it carry it.
        add column accepted_version int,
        -- A photo that was cut out of another: which, by which request, and as which of its parts.
        add column page_id uuid,
        add column split_key text,
        add column split_place smallint
    """,
    """
    create unique index photos_of_split on photos (page_id, split_key, split_place)
        where page_id is not null
    """,
    # A photo that is ready may have a problem as well: why it could not be made anew.
    "alter table photos drop constraint photos_check2",
    "alter table photos add check (state <> 'rejected' or problem is not null)",
    """
    create table leftovers (
        key text primary key,
        photo_id uuid not null,
        left_at timestamptz not null default now(),
        remove_at timestamptz not null
    )
    """,
    "create index leftovers_due on leftovers (remove_at)",
    "create index leftovers_of_photo on leftovers (photo_id)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
