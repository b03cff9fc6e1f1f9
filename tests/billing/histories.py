"""Random histories of a customer, and what billing makes of them however events are delivered."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, cast
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.billing import calendar_months, customers, event_log, facts, plans
from services.billing.acting import Actor
from tests.billing.memory import Contract
from tests.billing.world import World

STEPS = 18
DELAY_MAX = timedelta(days=3)
COPIES_MAX = 4
ROUNDS_MAX = 200

PLANS = ("remember", "cherish", "forever")

State = dict[str, Any]


@dataclass(slots=True)
class Story:
    """What a customer does, drawn from a seed: the same seed is the same story."""

    world: World
    random: Random
    open_disputes: list[str] = field(default_factory=list)
    refunds: list[str] = field(default_factory=list)

    def step(self) -> None:
        """Something happens, and then nothing for a while."""
        happenings: list[Callable[[], object]] = [
            *(self._top_up, self._top_up_later, self._subscribe, self._change, self._change),
            *(self._cancel, self._refund, self._fail_refund, self._dispute, self._decide),
            *(self._card, self.world.murmur, self.world.abandon),
        ]
        self.random.choice(happenings)()
        if self._running and self.random.random() < 0.4:
            # Around a boundary, so that what happened before it is heard of after it.
            self.world.advance(max(self.world.now, self._next_month() + self._about_a_day()))
        else:
            hours = self.random.choice([0, 1, 30, 24 * 5, 24 * 17, 24 * 40])
            self.world.advance(self.world.now + timedelta(hours=hours))

    def _next_month(self) -> datetime:
        anchor, months = self._running[0].anchor, 0
        while calendar_months.after(anchor, months) <= self.world.now:
            months += 1
        return calendar_months.after(anchor, months)

    def _about_a_day(self) -> timedelta:
        return timedelta(hours=self.random.randint(-30, 30))

    def _top_up(self) -> None:
        self.world.top_up(self.random.choice([10, 30, 100]), is_free=self.random.random() < 0.1)

    def _top_up_later(self) -> None:
        self.world.top_up_later(30, works=self.random.random() < 0.5)

    def _subscribe(self) -> None:
        if self._running:
            return
        if self.random.random() < 0.15:
            self.world.subscribe_on_trial(self.random.choice(PLANS), trial_days=7)
            return
        interval: plans.Interval = self.random.choice(["month", "year"])
        self.world.subscribe(
            self.random.choice(PLANS), interval=interval, coupon=self.random.random() < 0.1
        )

    def _change(self) -> None:
        if not self._running or self._running[0].status == "trialing":
            return self._subscribe()
        contract, plan = self._running[0], self.random.choice(PLANS)
        if self.random.random() < 0.2:
            self.world.change_at_renewal(contract, plan)
        else:
            interval: plans.Interval = contract.item.interval or "month"
            if self.random.random() < 0.2:
                interval = "year" if interval == "month" else "month"
            if (plan, interval) != (contract.item.plan, contract.item.interval):
                self.world.change(contract, plan, interval=interval)
        return None

    def _cancel(self) -> None:
        for contract in self._running:
            chance = self.random.random()
            if chance < 0.25:
                self.world.cancel_now(contract)
            elif contract.cancel_at_period_end:
                self.world.resume(contract)
            else:
                self.world.cancel(contract)

    def _refund(self) -> None:
        if intents := list(self.world.intents)[-3:]:
            cents = self.random.choice([1, 300, 999, 10**9])
            if refund := self.world.refund(self.random.choice(intents), cents):
                self.refunds.append(refund)

    def _fail_refund(self) -> None:
        if self.refunds and self.random.random() < 0.5:
            self.world.fail_refund(self.refunds.pop())

    def _dispute(self) -> None:
        intents = list(self.world.intents)[-3:]
        if intents and (dispute := self.world.dispute(self.random.choice(intents))):
            self.open_disputes.append(dispute)

    def _decide(self) -> None:
        if self.open_disputes:
            self.world.decide(self.open_disputes.pop(0), won=self.random.random() < 0.5)

    def _card(self) -> None:
        self.world.card_works = not self.world.card_works

    @property
    def _running(self) -> list[Contract]:
        return [c for c in self.world.subscriptions.values() if c.ended_at is None]


class Post:
    """Brings events to billing: at once and in order, or as badly as Stripe may."""

    def __init__(self, engine: AsyncEngine, world: World, random: Random | None) -> None:
        self.engine, self.world, self.random = engine, world, random
        self.actor = Actor(engine, cast("Any", world), clock=lambda: world.now)
        self._taken = 0
        self._on_their_way: list[tuple[datetime, facts.Event]] = []

    async def deliver(self, *, rest: bool = False) -> None:
        """Bring what is due by now, or all the rest of it, and let billing act."""
        for event in self.world.events[self._taken :]:
            copies = self.random.randint(1, COPIES_MAX) if self.random else 1
            for _ in range(copies):
                delay = DELAY_MAX * self.random.random() if self.random else timedelta(0)
                self._on_their_way.append((event.created + delay, event))
        self._taken = len(self.world.events)
        until = datetime.max.replace(tzinfo=UTC) if rest else self.world.now
        due = [event for moment, event in self._on_their_way if moment <= until]
        self._on_their_way = [one for one in self._on_their_way if one[0] > until]
        if self.random:
            self.random.shuffle(due)
        while due:
            some = self.random.randint(1, len(due)) if self.random else 1
            async with self.engine.begin() as connection:
                for event in due[:some]:
                    await event_log.store(connection, event)
            due = due[some:]
            await self._act()
        await self._act()

    async def _act(self) -> None:
        for _ in range(ROUNDS_MAX):
            is_busy = await self.actor.act_once()
            if not await self.actor.settle_due() and not is_busy:
                return
        raise AssertionError("billing never comes to rest")


async def played(engine: AsyncEngine, seed: int, *, post: Random | None) -> tuple[State, World]:
    """What billing made of a story, and the world it happened in."""
    account_id = uuid4()
    world = World(f"cus_{account_id}")
    async with engine.begin() as connection:
        await customers.add(connection, account_id, world.customer_id)
    story, post_ = Story(world, Random(seed)), Post(engine, world, post)
    for _ in range(STEPS):
        story.step()
        await post_.deliver()
    while len(world.events) < 25:
        world.murmur()
    world.advance(world.now + DELAY_MAX + timedelta(hours=1))
    await post_.deliver()
    world.advance(world.now + DELAY_MAX + timedelta(hours=1))
    # What has happened on this very last way would otherwise be heard of in one of two worlds.
    await post_.deliver(rest=True)
    return await state_of(engine, account_id), world


async def state_of(engine: AsyncEngine, account_id: UUID) -> State:
    """Everything that credits and processing know after all this."""
    async with engine.connect() as connection:
        moves = await connection.execute(
            text("select * from credit_moves where account_id = :id"), {"id": account_id}
        )
        plan = await connection.execute(
            text("select plan, tier, source from subscriptions where account_id = :id"),
            {"id": account_id},
        )
        waiting = await connection.execute(
            text(
                "select state, note from stripe_events where state in ('stored', 'parked')"
                " and customer_id = :customer_id"
            ),
            {"customer_id": f"cus_{account_id}"},
        )
        ended = await connection.execute(
            text(
                "select payload->'data'->>'cause', payload->'data'->>'ended_at' from outbox"
                " where aggregate_id = :id and routing_key = 'billing.subscription.ended.v1'"
            ),
            {"id": account_id},
        )
        given: Counter[tuple[str, Any]] = Counter()
        blocked: dict[str, int] = defaultdict(int)
        for move in moves:
            sign = {"grant": 1, "restore": 1, "revoke": -1}.get(move.kind, 0)
            given[move.subject_id, move.month_index] += sign * move.amount
            if move.kind == "block":
                blocked[move.subject_id] += 1
            if move.kind == "unblock":
                blocked[move.subject_id] -= 1
        return {
            "plan": tuple(plan.one_or_none() or ()),
            "given": {key: amount for key, amount in given.items() if amount},
            "ended": sorted(tuple(row) for row in ended),
            "undone": [tuple(row) for row in waiting],
        }
