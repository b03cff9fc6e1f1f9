"""What processing knows of an account: its plan's tier, and how large its results may be."""

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from contracts.message import Tier
from services.kit.db import Connection
from services.processing.models import accounts, jobs

SHORT_SIDE_MAX: dict[Tier, int] = {"standard": 480, "priority": 720}


@dataclass(frozen=True, slots=True)
class Service:
    """What an account gets for its plan."""

    tier: Tier
    short_side_max: int


STANDARD = Service("standard", SHORT_SIDE_MAX["standard"])


async def service_of(connection: Connection, account_id: UUID) -> Service:
    """What the account gets now; one we never heard of is on the free plan."""
    query = sa.select(accounts.c.tier, accounts.c.short_side_max)
    row = (await connection.execute(query.where(accounts.c.account_id == account_id))).one_or_none()
    return Service(row.tier, row.short_side_max) if row else STANDARD


async def change_plan(
    connection: Connection, account_id: UUID, *, plan: str, tier: Tier, version: int
) -> None:
    """Take over a plan unless a newer one is known, and move what waits to its tier."""
    facts = {
        "plan": plan,
        "tier": tier,
        "short_side_max": SHORT_SIDE_MAX[tier],
        "plan_version": version,
    }
    upsert = insert(accounts).values(account_id=account_id, **facts)
    changed = await connection.execute(
        upsert.on_conflict_do_update(
            index_elements=[accounts.c.account_id],
            set_=facts,
            where=accounts.c.plan_version < version,
        ).returning(accounts.c.account_id)
    )
    if changed.one_or_none() is None:
        return
    await connection.execute(
        jobs.update()
        .where(
            jobs.c.account_id == account_id,
            jobs.c.state.in_(("PENDING_HOLD", "QUEUED")),
            jobs.c.tier != tier,
        )
        .values(tier=tier, short_side_max=SHORT_SIDE_MAX[tier], version=jobs.c.version + 1)
    )
