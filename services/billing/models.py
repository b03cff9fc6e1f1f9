"""Tables of the billing schema. The migration creates them; this serves the queries."""

import sqlalchemy as sa

metadata = sa.MetaData(schema="billing")

subscriptions = sa.Table(
    "subscriptions",
    metadata,
    sa.Column("account_id", sa.Uuid, primary_key=True),
    sa.Column("plan", sa.Text),
    sa.Column("source", sa.Text),
    sa.Column("since", sa.DateTime(timezone=True)),
    sa.Column("version", sa.BigInteger),
)
