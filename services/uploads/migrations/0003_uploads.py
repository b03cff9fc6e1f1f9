"""Uploads in parts, the same file only once, and what an account may have under way."""

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS = (
    """
    alter table photos
        add in_parts boolean not null default false,
        -- S3's name for the upload in parts, until its parts are one object.
        add upload_id text,
        -- Of the object that was looked at: nothing else is ever prepared.
        add etag text,
        -- Its file did not come within a day.
        add abandoned boolean not null default false,
        add check (in_parts or upload_id is null),
        add check (not abandoned or state = 'deleted')
    """,
    # What was announced until now was never compared with any bytes.
    "update photos set sha256_announced = null",
    """
    create unique index photos_by_content on photos (account_id, sha256_announced, size_announced)
        where sha256_announced is not null and state in ('begun', 'accepted', 'ready')
    """,
    "create index photos_by_time on photos (account_id, created_at)",
    # What an account keeps is added up for each new photo, from this index alone.
    """
    create index photos_kept on photos (account_id) include (state, size_announced)
        where state <> 'deleted'
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
