"""The tables of uploads."""

from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB


class State(StrEnum):
    """Where a photo stands; `photos` draws how it moves."""

    BEGUN = "begun"
    ACCEPTED = "accepted"
    READY = "ready"
    REJECTED = "rejected"
    DELETED = "deleted"


metadata = sa.MetaData(schema="uploads")

photos = sa.Table(
    "photos",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("account_id", sa.Uuid, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("filename", sa.Text, nullable=False),
    sa.Column("caption", sa.Text),
    sa.Column("size_announced", sa.BigInteger, nullable=False),
    sa.Column("sha256_announced", sa.Text),
    sa.Column("in_parts", sa.Boolean, nullable=False),
    sa.Column("upload_id", sa.Text),
    sa.Column("etag", sa.Text),
    sa.Column("size_bytes", sa.BigInteger),
    sa.Column("media_type", sa.Text),
    sa.Column("width", sa.Integer),
    sa.Column("height", sa.Integer),
    sa.Column("problem", JSONB(none_as_null=True)),
    sa.Column("master_key", sa.Text),
    sa.Column("thumbnail_key", sa.Text),
    sa.Column("preview_key", sa.Text),
    sa.Column("frame_key", sa.Text),
    sa.Column("blurhash", sa.Text),
    sa.Column("quad_asked", JSONB(none_as_null=True)),
    sa.Column("quad", JSONB(none_as_null=True)),
    sa.Column("outline", JSONB(none_as_null=True)),
    sa.Column("accepted_version", sa.Integer),
    sa.Column("page_id", sa.Uuid),
    sa.Column("split_key", sa.Text),
    sa.Column("split_place", sa.SmallInteger),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("upload_expires_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("sweep_at", sa.DateTime(timezone=True)),
    sa.Column("abandoned", sa.Boolean, nullable=False),
)

leftovers = sa.Table(
    "leftovers",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("photo_id", sa.Uuid, nullable=False),
    sa.Column("left_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("remove_at", sa.DateTime(timezone=True), nullable=False),
)
