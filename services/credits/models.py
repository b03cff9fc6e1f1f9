"""Tables of the credits schema, and the moves a credit may make.

The migration is what creates them; these descriptions serve the queries.
"""

from enum import Enum, StrEnum
from typing import Literal

import sqlalchemy as sa

metadata = sa.MetaData(schema="credits")

FREE_PLAN = "free"
FREE_CREDITS_MONTHLY = 3
"""What an account gets until billing has said what its plan gives."""


AMOUNT_MAX = 1_000_000_000
"""So many credits at most move at once, as the tables say as well."""


class Bucket(StrEnum):
    """Where a credit can be. It is always in exactly one of them."""

    ISSUED = "issued"
    AVAILABLE = "available"
    HELD = "held"
    SPENT = "spent"
    BLOCKED = "blocked"
    LOST = "lost"
    REVOKED = "revoked"
    OWED = "owed"


class Movement(Enum):
    """Every way a credit may travel: its name, from one bucket, to another.

    A hold is placed by the database function `place_hold`, which makes the same move.
    """

    GRANT = ("grant", Bucket.ISSUED, Bucket.AVAILABLE)
    HOLD = ("hold", Bucket.AVAILABLE, Bucket.HELD)
    CAPTURE = ("capture", Bucket.HELD, Bucket.SPENT)
    CAPTURE_LATE = ("capture", Bucket.AVAILABLE, Bucket.SPENT)
    RELEASE = ("release", Bucket.HELD, Bucket.AVAILABLE)
    EXPIRE = ("expire", Bucket.HELD, Bucket.AVAILABLE)
    REFUND = ("refund", Bucket.SPENT, Bucket.AVAILABLE)
    FORFEIT = ("forfeit", Bucket.AVAILABLE, Bucket.LOST)
    FORFEIT_OWED = ("owe", Bucket.OWED, Bucket.LOST)
    RECOVER = ("recover", Bucket.LOST, Bucket.AVAILABLE)
    CLAWBACK = ("clawback", Bucket.AVAILABLE, Bucket.REVOKED)
    OWE = ("owe", Bucket.OWED, Bucket.REVOKED)
    RESTORE = ("restore", Bucket.REVOKED, Bucket.AVAILABLE)
    REPAY = ("repay", Bucket.AVAILABLE, Bucket.OWED)
    BLOCK = ("block", Bucket.AVAILABLE, Bucket.BLOCKED)
    UNBLOCK = ("unblock", Bucket.BLOCKED, Bucket.AVAILABLE)


Kind = Literal[
    "grant",
    "hold",
    "capture",
    "release",
    "expire",
    "refund",
    "forfeit",
    "recover",
    "clawback",
    "restore",
    "block",
    "unblock",
    "owe",
    "repay",
]
"""What a receipt calls a movement."""


class HoldState(StrEnum):
    HELD = "held"
    CAPTURED = "captured"
    RELEASED = "released"
    EXPIRED = "expired"


accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("plan", sa.Text),
    sa.Column("tier", sa.Text),
    sa.Column("credits_monthly", sa.Integer),
    sa.Column("plan_version", sa.BigInteger),
    sa.Column("month_added", sa.Text),
    sa.Column("available", sa.BigInteger),
    sa.Column("held", sa.BigInteger),
    sa.Column("version", sa.BigInteger),
    sa.Column("blocked", sa.BigInteger),
    sa.Column("owed", sa.BigInteger),
    sa.Column("disputed", sa.BigInteger),
    sa.Column("ended_at", sa.DateTime(timezone=True)),
    sa.Column("erased_at", sa.DateTime(timezone=True)),
    sa.Column("ended_version", sa.BigInteger),
    sa.Column("past", sa.BigInteger),
    sa.Column("past_used", sa.BigInteger),
)

causes = sa.Table(
    "causes",
    metadata,
    sa.Column("account_id", sa.Uuid, primary_key=True),
    sa.Column("cause", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text),
    sa.Column("amount", sa.BigInteger),
    sa.Column("at", sa.DateTime(timezone=True)),
    sa.Column("closes", sa.Text),
)

holds = sa.Table(
    "holds",
    metadata,
    sa.Column("job_id", sa.Uuid, primary_key=True),
    sa.Column("account_id", sa.Uuid),
    sa.Column("amount", sa.Integer),
    sa.Column("reason", sa.Text),
    sa.Column("state", sa.Text),
    sa.Column("created_at", sa.DateTime(timezone=True)),
    sa.Column("expires_at", sa.DateTime(timezone=True)),
)

movements = sa.Table(
    "movements",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("account_id", sa.Uuid),
    sa.Column("version", sa.BigInteger),
    sa.Column("kind", sa.Text),
    sa.Column("amount", sa.Integer),
    sa.Column("available", sa.BigInteger),
    sa.Column("held", sa.BigInteger),
    sa.Column("job_id", sa.Uuid),
    sa.Column("cause", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("created_at", sa.DateTime(timezone=True)),
)

uncollected = sa.Table(
    "uncollected",
    metadata,
    sa.Column("job_id", sa.Uuid, primary_key=True),
    sa.Column("account_id", sa.Uuid),
    sa.Column("amount", sa.Integer),
    sa.Column("created_at", sa.DateTime(timezone=True)),
)
