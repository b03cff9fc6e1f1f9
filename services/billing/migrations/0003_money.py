"""What Stripe says of customers, subscriptions and payments, and what credits was told of it."""

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS = (
    # A plan can be paid for. When `due_at` comes, it is looked at again without being asked.
    "alter table subscriptions drop constraint subscriptions_source_check",
    """
    alter table subscriptions
        add constraint subscriptions_source_check check (source in ('free', 'gift', 'paid')),
        add column tier text not null default 'standard' check (tier in ('priority', 'standard')),
        add column due_at timestamptz
    """,
    "update subscriptions set tier = 'priority' where plan <> 'free'",
    "create index subscriptions_due_at on subscriptions (due_at) where due_at is not null",
    # An account may have several customers, one after the other. Who holds the lease reads from
    # Stripe and writes it down; its number tells a holder that was too slow.
    """
    create table customers (
        customer_id text primary key,
        account_id uuid not null,
        created_at timestamptz not null default now(),
        deleted_at timestamptz,
        lease bigint not null default 0,
        leased_until timestamptz not null default '-infinity'
    )
    """,
    """
    create unique index customers_one_per_account on customers (account_id)
        where deleted_at is null
    """,
    # Prices are never deleted: who subscribed to an old one goes on paying it.
    """
    create table prices (
        price_id text primary key,
        lookup_key text not null,
        amount_cents bigint not null check (amount_cents > 0),
        currency text not null,
        is_current boolean not null,
        synced_at timestamptz not null default now()
    )
    """,
    "create unique index prices_one_current on prices (lookup_key) where is_current",
    """
    create table checkouts (
        id uuid primary key,
        account_id uuid not null,
        idempotency_key text not null,
        lookup_key text not null,
        price_id text not null references prices,
        state text not null default 'open' check (state in ('open', 'paid', 'failed', 'expired')),
        session_id text unique,
        url text,
        created_at timestamptz not null default now(),
        unique (account_id, idempotency_key)
    )
    """,
    # Without their bodies: what happened is read from Stripe again, and bodies name people.
    """
    create table stripe_events (
        event_id text primary key,
        type text not null,
        object text not null,
        object_id text not null,
        payment_intent_id text,
        customer_id text,
        created_at timestamptz not null,
        received_at timestamptz not null default now(),
        state text not null default 'stored'
            check (state in ('stored', 'handled', 'ignored', 'refused', 'parked')),
        attempts int not null default 0,
        next_attempt_at timestamptz not null default now(),
        handled_at timestamptz,
        note text
    )
    """,
    """
    create index stripe_events_waiting on stripe_events (next_attempt_at)
        where state = 'stored'
    """,
    "create index stripe_events_parked on stripe_events (received_at) where state = 'parked'",
    """
    create table stripe_subscriptions (
        subscription_id text primary key,
        customer_id text not null references customers,
        account_id uuid not null,
        status text not null,
        price_id text not null references prices,
        plan text not null,
        credits_monthly int not null check (credits_monthly > 0),
        is_annual boolean not null,
        amount_cents bigint not null,
        will_end_at timestamptz,
        started_at timestamptz not null,
        period_ends_at timestamptz not null,
        ended_at timestamptz
    )
    """,
    "create index stripe_subscriptions_account on stripe_subscriptions (account_id)",
    # Money that came in, by the payment intent; by session or invoice where nothing was to pay.
    """
    create table payments (
        payment_id text primary key,
        account_id uuid not null,
        charge_id text,
        source text not null check (source in ('top_up', 'plan')),
        source_id text not null unique,
        amount_cents bigint not null check (amount_cents >= 0),
        credits int not null check (credits >= 0),
        paid_at timestamptz not null
    )
    """,
    "create index payments_account on payments (account_id)",
    "create index payments_paid_at on payments (paid_at)",
    # What a payment for a plan bought: a period, or the rest of one on a higher plan.
    """
    create table paid_lines (
        line_id text primary key,
        payment_id text not null references payments,
        account_id uuid not null,
        subscription_id text not null references stripe_subscriptions,
        plan text not null,
        credits_monthly int not null check (credits_monthly > 0),
        is_annual boolean not null,
        is_proration boolean not null,
        amount_cents bigint not null check (amount_cents >= 0),
        starts_at timestamptz not null,
        ends_at timestamptz not null check (ends_at > starts_at)
    )
    """,
    "create index paid_lines_account on paid_lines (account_id)",
    "create index paid_lines_payment on paid_lines (payment_id)",
    """
    create table refunds (
        refund_id text primary key,
        payment_id text not null references payments,
        amount_cents bigint not null check (amount_cents > 0),
        is_effective boolean not null,
        created_at timestamptz not null
    )
    """,
    "create index refunds_payment on refunds (payment_id)",
    """
    create table disputes (
        dispute_id text primary key,
        payment_id text not null references payments,
        amount_cents bigint not null check (amount_cents > 0),
        state text not null check (state in ('open', 'won', 'lost')),
        created_at timestamptz not null
    )
    """,
    "create index disputes_payment on disputes (payment_id)",
    # What credits was told, once and for all: a cause never counts twice.
    """
    create table credit_moves (
        cause text primary key,
        account_id uuid not null,
        kind text not null
            check (kind in ('grant', 'block', 'unblock', 'revoke', 'restore', 'forfeit')),
        subject_id text not null,
        month_index int,
        amount int not null check (amount >= 0),
        said_at timestamptz not null default now()
    )
    """,
    "create index credit_moves_account on credit_moves (account_id)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
