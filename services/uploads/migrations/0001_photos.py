"""The photos, and the messages about them."""

from alembic import op

from services.kit import inbox, outbox

revision = "0001"
down_revision = None

PHOTOS = """
    create table photos (
        id uuid primary key,
        account_id uuid not null,
        state text not null default 'begun'
            check (state in ('begun', 'accepted', 'ready', 'rejected', 'deleted')),
        version int not null default 1 check (version > 0),
        filename text not null check (length(filename) <= 255),
        size_announced bigint not null check (size_announced > 0),
        -- What the uploader says; nobody has compared it with the bytes.
        sha256_announced text,
        size_bytes bigint,
        media_type text,
        width int,
        height int,
        problem jsonb,
        master_key text,
        thumbnail_key text,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        upload_expires_at timestamptz not null,
        -- When objects that must not stay are to be removed (again); null: nothing is left.
        sweep_at timestamptz,
        check (
            state not in ('accepted', 'ready')
            or (size_bytes > 0 and media_type is not null and width > 0 and height > 0)
        ),
        check (state <> 'ready' or (master_key is not null and thumbnail_key is not null)),
        check ((state = 'rejected') = (problem is not null))
    )
"""


def upgrade() -> None:
    op.execute(PHOTOS)
    op.execute(
        "create index photos_of_account on photos (account_id, id desc) where state <> 'deleted'"
    )
    op.execute("create index photos_to_sweep on photos (sweep_at) where sweep_at is not null")
    for statement in (*outbox.DDL, *inbox.DDL):
        op.execute(statement)
