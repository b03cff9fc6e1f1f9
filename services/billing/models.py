"""Tables of the billing schema. The migrations create them; this serves the queries."""

import sqlalchemy as sa

metadata = sa.MetaData(schema="billing")

_When = sa.DateTime(timezone=True)

subscriptions = sa.Table(
    "subscriptions",
    metadata,
    sa.Column("account_id", sa.Uuid, primary_key=True),
    sa.Column("plan", sa.Text),
    sa.Column("tier", sa.Text),
    sa.Column("source", sa.Text),
    sa.Column("since", _When),
    sa.Column("version", sa.BigInteger),
    sa.Column("due_at", _When),
)
"""The plan of each account, whoever pays for it."""

customers = sa.Table(
    "customers",
    metadata,
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("account_id", sa.Uuid),
    sa.Column("created_at", _When),
    sa.Column("deleted_at", _When),
    sa.Column("lease", sa.BigInteger),
    sa.Column("leased_until", _When),
)

prices = sa.Table(
    "prices",
    metadata,
    sa.Column("price_id", sa.Text, primary_key=True),
    sa.Column("lookup_key", sa.Text),
    sa.Column("amount_cents", sa.BigInteger),
    sa.Column("currency", sa.Text),
    sa.Column("is_current", sa.Boolean),
)

checkouts = sa.Table(
    "checkouts",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("account_id", sa.Uuid),
    sa.Column("idempotency_key", sa.Text),
    sa.Column("lookup_key", sa.Text),
    sa.Column("price_id", sa.Text),
    sa.Column("state", sa.Text),
    sa.Column("session_id", sa.Text),
    sa.Column("url", sa.Text),
    sa.Column("created_at", _When),
)

stripe_events = sa.Table(
    "stripe_events",
    metadata,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("type", sa.Text),
    sa.Column("object", sa.Text),
    sa.Column("object_id", sa.Text),
    sa.Column("payment_intent_id", sa.Text),
    sa.Column("customer_id", sa.Text),
    sa.Column("created_at", _When),
    sa.Column("received_at", _When),
    sa.Column("state", sa.Text),
    sa.Column("attempts", sa.Integer),
    sa.Column("next_attempt_at", _When),
    sa.Column("handled_at", _When),
    sa.Column("note", sa.Text),
)

stripe_subscriptions = sa.Table(
    "stripe_subscriptions",
    metadata,
    sa.Column("subscription_id", sa.Text, primary_key=True),
    sa.Column("customer_id", sa.Text),
    sa.Column("account_id", sa.Uuid),
    sa.Column("status", sa.Text),
    sa.Column("price_id", sa.Text),
    sa.Column("plan", sa.Text),
    sa.Column("credits_monthly", sa.Integer),
    sa.Column("is_annual", sa.Boolean),
    sa.Column("amount_cents", sa.BigInteger),
    sa.Column("will_end_at", _When),
    sa.Column("started_at", _When),
    sa.Column("period_ends_at", _When),
    sa.Column("ended_at", _When),
)

payments = sa.Table(
    "payments",
    metadata,
    sa.Column("payment_id", sa.Text, primary_key=True),
    sa.Column("account_id", sa.Uuid),
    sa.Column("charge_id", sa.Text),
    sa.Column("source", sa.Text),
    sa.Column("source_id", sa.Text),
    sa.Column("amount_cents", sa.BigInteger),
    sa.Column("credits", sa.Integer),
    sa.Column("paid_at", _When),
)

paid_lines = sa.Table(
    "paid_lines",
    metadata,
    sa.Column("line_id", sa.Text, primary_key=True),
    sa.Column("payment_id", sa.Text),
    sa.Column("account_id", sa.Uuid),
    sa.Column("subscription_id", sa.Text),
    sa.Column("plan", sa.Text),
    sa.Column("credits_monthly", sa.Integer),
    sa.Column("is_annual", sa.Boolean),
    sa.Column("is_proration", sa.Boolean),
    sa.Column("amount_cents", sa.BigInteger),
    sa.Column("starts_at", _When),
    sa.Column("ends_at", _When),
)

refunds = sa.Table(
    "refunds",
    metadata,
    sa.Column("refund_id", sa.Text, primary_key=True),
    sa.Column("payment_id", sa.Text),
    sa.Column("amount_cents", sa.BigInteger),
    sa.Column("is_effective", sa.Boolean),
    sa.Column("created_at", _When),
)

disputes = sa.Table(
    "disputes",
    metadata,
    sa.Column("dispute_id", sa.Text, primary_key=True),
    sa.Column("payment_id", sa.Text),
    sa.Column("amount_cents", sa.BigInteger),
    sa.Column("state", sa.Text),
    sa.Column("created_at", _When),
)

payments_missed = sa.Table(
    "payments_missed",
    metadata,
    sa.Column("invoice_id", sa.Text, primary_key=True),
    sa.Column("reason", sa.Text, primary_key=True),
    sa.Column("account_id", sa.Uuid),
    sa.Column("said_at", _When),
)

credit_moves = sa.Table(
    "credit_moves",
    metadata,
    sa.Column("cause", sa.Text, primary_key=True),
    sa.Column("account_id", sa.Uuid),
    sa.Column("kind", sa.Text),
    sa.Column("subject_id", sa.Text),
    sa.Column("month_index", sa.Integer),
    sa.Column("amount", sa.Integer),
    sa.Column("said_at", _When),
)
