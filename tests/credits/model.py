"""What credits should do, written a second time: plain Python, one account, no database.

It shares no code with the ledger and predicts every answer, so that a fault must be made twice,
in two ways, to go unseen. It keeps no balances: each is worked out from all that ever happened.
"""

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

DAY = timedelta(days=1)
EVER = datetime.max.replace(tzinfo=UTC)
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass
class Hold:
    amount: int
    until: datetime
    number: int
    state: str = "held"
    captured_at: datetime = NEVER
    is_refunded: bool = False


@dataclass
class Account:
    known: bool = False
    plan: str = "free"
    monthly: int = 3
    plan_version: int = 0
    months: set[tuple[int, int]] = field(default_factory=set)
    holds: dict[Any, Hold] = field(default_factory=dict)
    written_off: set[Any] = field(default_factory=set)
    came_in: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    """By cause: how many credits (fewer than none where they were taken back), paid for when."""

    blocks: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    news: set[str] = field(default_factory=set)
    ended_at: datetime = NEVER
    ended_number: int = -1
    used_before: int = 0
    refunded_at: list[datetime] = field(default_factory=list)
    number: int = 0
    moves: int = 0
    """How many movements there are, as long as there was no news of money."""

    @property
    def held(self) -> int:
        return sum(hold.amount for hold in self.holds.values() if hold.state == "held")

    @property
    def lost(self) -> int:
        return max(0, self._paid(NEVER, self.ended_at) - self.used_before)

    @property
    def rest(self) -> int:
        """All that is neither held, spent nor lost; below zero it is owed."""
        return self._paid(NEVER, EVER) - self._used - self.lost

    @property
    def blocked(self) -> int:
        disputed = sum(
            amount
            for cause, (amount, paid_at) in self.blocks.items()
            if cause not in self.closed and paid_at > self.ended_at
        )
        return min(disputed, max(0, self.rest))

    @property
    def free(self) -> int:
        return max(0, self.rest) - self.blocked

    @property
    def owed(self) -> int:
        return max(0, -self.rest)

    @property
    def _used(self) -> int:
        states = ("held", "captured")
        return sum(hold.amount for hold in self.holds.values() if hold.state in states)

    def _paid(self, after: datetime, until: datetime) -> int:
        return sum(amount for amount, at in self.came_in.values() if after < at <= until)

    def read(self, now: datetime) -> int:
        """Bring the month's credits, if they have not come; what is available then."""
        self.known = True
        month = (now.year, now.month)
        if self.plan == "free" and not any(earlier >= month for earlier in self.months):
            self.months.add(month)
            if self.monthly:
                self.came_in[f"monthly:{month}"] = (self.monthly, now)
            self.moves += self.monthly > 0
        return self.free

    def hold(self, job: Any, amount: int, now: datetime) -> str:
        """`placed`, `same`, or why not. A refusal leaves the account as it was."""
        before = deepcopy(self.__dict__)
        self.read(now)
        answer = self._hold(job, amount, now)
        if answer not in ("placed", "same"):
            self.__dict__ = before
        return answer

    def _hold(self, job: Any, amount: int, now: datetime) -> str:
        if earlier := self.holds.get(job):
            if earlier.amount != amount:
                return "HoldDiffers"
            return "same" if earlier.state == "held" else "HoldClosed"
        if amount > self.free:
            return "InsufficientCredits"
        self.number += 1
        self.holds[job] = Hold(amount, now + DAY, self.number)
        self.moves += 1
        return "placed"

    def capture(self, job: Any, now: datetime) -> None:
        hold = self.holds.get(job)
        if hold and hold.state == "held":
            hold.state, hold.captured_at = "captured", now
            self.moves += 1
        elif hold and hold.state == "expired" and job not in self.written_off:
            if hold.amount > self.free:
                self.written_off.add(job)
                return
            hold.state, hold.captured_at = "captured", now
            self.moves += 1

    def give_back(self, job: Any, state: str) -> bool:
        hold = self.holds.get(job)
        if not hold or hold.state != "held":
            return False
        hold.state = state
        if hold.number <= self.ended_number:
            self.used_before -= min(hold.amount, self.used_before)
        self.moves += 1
        return True

    def refund(self, job: Any, now: datetime) -> str:
        """`refunded`, or why not."""
        hold = self.holds.get(job)
        if not hold:
            return "NotFound"
        if hold.state != "captured":
            return "NothingToRefund"
        if hold.is_refunded:
            return "refunded"
        if now - hold.captured_at > 7 * DAY:
            return "TooLateToRefund"
        month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        if sum(at >= month for at in self.refunded_at) >= 5:
            return "TooManyRefunds"
        hold.is_refunded = True
        self.refunded_at.append(now)
        self.came_in[f"refund:{job}"] = (hold.amount, now)
        self.moves += 1
        return "refunded"

    def sweep(self, now: datetime) -> None:
        for job, hold in self.holds.items():
            if hold.state == "held" and hold.until <= now:
                self.give_back(job, "expired")
        if self.known:
            self.read(now)

    def change_plan(
        self, version: int, plan: str, monthly: int, period: str, now: datetime
    ) -> None:
        self.known = True
        if version > self.plan_version:
            self.plan, self.monthly, self.plan_version = plan, monthly, version
        cause = f"plan:{period}"
        if period and monthly and cause not in self.came_in:
            self.came_in[cause] = (monthly, now)
            self.moves += 1

    def hear(self, what: str, cause: str, amount: int, at: datetime, closes: str) -> None:
        """News of money; `at` is when it was paid for, or when the subscription ended."""
        self.known = True
        if cause in self.news:
            return
        self.news.add(cause)
        if closes:
            self.closed.add(closes)
        match what:
            case "purchased" | "restored":
                self.came_in[cause] = (amount, at)
            case "revoked":
                self.came_in[cause] = (-amount, at)
            case "blocked":
                self.blocks[cause] = (amount, at)
            case "ended" if at > self.ended_at:
                paid = self._paid(self.ended_at, at)
                self.used_before += max(0, min(self._used - self.used_before, paid))
                self.ended_at, self.ended_number = at, self.number
