"""Which plan each account is on."""

from alembic import op

from services.kit import inbox, outbox

revision = "0001"
down_revision = None

SUBSCRIPTIONS = """
    create table subscriptions (
        account_id uuid primary key,
        plan text not null check (plan in ('free', 'remember', 'cherish', 'forever')),
        source text not null check (source in ('free', 'gift')),
        since timestamptz not null default now(),
        version bigint not null default 1,
        check ((plan = 'free') = (source = 'free'))
    )
"""


def upgrade() -> None:
    for statement in (SUBSCRIPTIONS, *outbox.DDL, *inbox.DDL):
        op.execute(statement)
