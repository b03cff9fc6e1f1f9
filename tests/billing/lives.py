"""The life of one customer, event by event: what happens at Stripe, and what billing says of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.billing import customers
from tests.billing.histories import Post
from tests.billing.world import World

A_DAY = timedelta(days=1)

Said = tuple[str, str, int | None]
"""A word for the event, its cause (or plan and tier), and the credits."""

WORDS = {
    "billing.credits.purchased.v1": "bought",
    "billing.credits.revoked.v1": "revoked",
    "billing.credits.restored.v1": "restored",
    "billing.credits.blocked.v1": "blocked",
    "billing.credits.unblocked.v1": "unblocked",
    "billing.subscription.ended.v1": "ended",
    "billing.plan.changed.v1": "plan",
}


@dataclass(slots=True)
class Life:
    """A customer at Stripe, the account that is theirs, and the post between."""

    engine: AsyncEngine
    account_id: UUID
    world: World
    post: Post

    async def hear(self) -> list[Said]:
        """Deliver what has happened; what billing says because of it."""
        before = len(await self.events())
        await self.post.deliver()
        return [_short(event) for event in (await self.events())[before:]]

    async def pass_days(self, days: float) -> list[Said]:
        """Let time pass day by day, delivering on the way."""
        return await self.until(self.world.now + timedelta(days=days))

    async def until(self, moment: datetime) -> list[Said]:
        said: list[Said] = []
        while self.world.now < moment:
            self.world.advance(min(self.world.now + A_DAY, moment))
            said += await self.hear()
        return said

    async def events(self) -> list[dict[str, Any]]:
        """Everything said about the account, in order."""
        query = "select payload from outbox where aggregate_id = :id order by id"
        async with self.engine.connect() as connection:
            rows = await connection.scalars(text(query), {"id": self.account_id})
            return [{"type": row["type"], **row["data"]} for row in rows]

    async def net(self) -> int:
        """Credits bought, less those taken back."""
        signs = {"bought": 1, "restored": 1, "revoked": -1}
        said = [_short(event) for event in await self.events()]
        return sum(signs.get(word, 0) * (amount or 0) for word, _, amount in said)

    async def plan(self) -> tuple[str, str, str]:
        query = "select plan, tier, source from subscriptions where account_id = :id"
        async with self.engine.connect() as connection:
            row = (await connection.execute(text(query), {"id": self.account_id})).one()
            return (row[0], row[1], row[2])

    async def parked(self) -> list[str]:
        query = "select note from stripe_events where state = 'parked' and customer_id = :customer"
        async with self.engine.connect() as connection:
            found = await connection.scalars(text(query), {"customer": self.world.customer_id})
            return list(found)

    def name(self, kind: str, number: int) -> str:
        """The id of the n-th thing of its kind at Stripe."""
        return f"{kind}_{number}_{self.world.customer_id}"


async def begun(engine: AsyncEngine) -> Life:
    """A customer who has bought nothing yet."""
    account_id = uuid4()
    world = World(f"cus_{account_id}")
    async with engine.begin() as connection:
        await customers.add(connection, account_id, world.customer_id)
    return Life(engine, account_id, world, Post(engine, world, None))


def words(said: list[Said], *wanted: str) -> list[Said]:
    """Of what was said, what begins with one of these words."""
    return [one for one in said if one[0] in wanted]


def _short(event: dict[str, Any]) -> Said:
    word = WORDS[event["type"]]
    if word == "plan":
        return word, f"{event['plan']} {event['tier']}", None
    return word, event["cause"], event.get("amount")
