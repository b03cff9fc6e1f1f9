"""What credits should do, written a second time: plain Python, one account, no database.

It shares no code with the ledger and predicts every answer, so that a fault must be made twice,
in two ways, to go unseen.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

DAY = timedelta(days=1)


@dataclass
class Hold:
    amount: int
    until: datetime
    state: str = "held"


@dataclass
class Account:
    known: bool = False
    plan: str = "free"
    monthly: int = 3
    plan_version: int = 0
    months: set[tuple[int, int]] = field(default_factory=set)
    periods: set[str] = field(default_factory=set)
    free: int = 0
    moves: int = 0
    holds: dict[Any, Hold] = field(default_factory=dict)
    written_off: set[Any] = field(default_factory=set)

    @property
    def held(self) -> int:
        return sum(hold.amount for hold in self.holds.values() if hold.state == "held")

    def read(self, now: datetime) -> int:
        """Bring the month's credits, if they have not come; what is available then."""
        self.known = True
        month = (now.year, now.month)
        if self.plan == "free" and not any(earlier >= month for earlier in self.months):
            self.months.add(month)
            self.free += self.monthly
            self.moves += self.monthly > 0
        return self.free

    def hold(self, job: Any, amount: int, now: datetime) -> str:
        """`placed`, `same`, or why not. A refusal leaves the account as it was."""
        month, free, moves, known = set(self.months), self.free, self.moves, self.known
        self.read(now)
        answer = self._hold(job, amount, now)
        if answer not in ("placed", "same"):
            self.months, self.free, self.moves, self.known = month, free, moves, known
        return answer

    def _hold(self, job: Any, amount: int, now: datetime) -> str:
        if earlier := self.holds.get(job):
            if earlier.amount != amount:
                return "HoldDiffers"
            return "same" if earlier.state == "held" else "HoldClosed"
        if amount > self.free:
            return "InsufficientCredits"
        self.holds[job] = Hold(amount, now + DAY)
        self.free -= amount
        self.moves += 1
        return "placed"

    def capture(self, job: Any) -> None:
        hold = self.holds.get(job)
        if hold and hold.state == "held":
            hold.state = "captured"
            self.moves += 1
        elif hold and hold.state == "expired" and job not in self.written_off:
            if hold.amount > self.free:
                self.written_off.add(job)
                return
            hold.state = "captured"
            self.free -= hold.amount
            self.moves += 1

    def give_back(self, job: Any, state: str) -> bool:
        hold = self.holds.get(job)
        if not hold or hold.state != "held":
            return False
        hold.state = state
        self.free += hold.amount
        self.moves += 1
        return True

    def sweep(self, now: datetime) -> None:
        for job, hold in self.holds.items():
            if hold.state == "held" and hold.until <= now:
                self.give_back(job, "expired")
        if self.known:
            self.read(now)

    def change_plan(self, version: int, plan: str, monthly: int, period: str) -> None:
        self.known = True
        if version > self.plan_version:
            self.plan, self.monthly, self.plan_version = plan, monthly, version
        if period and monthly and period not in self.periods:
            self.periods.add(period)
            self.free += monthly
            self.moves += 1
