"""A short way to move credits in tests: each call is one transaction of its own."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.billing.v1 import PlanChanged
from services.credits import accounts, holds, ledger, refunds
from services.kit.telemetry import Cause


@dataclass(frozen=True)
class Bank:
    engine: AsyncEngine

    async def open_account(self, *, amount: int) -> UUID:
        """An account that has just this many credits and waits for none."""
        account_id = uuid4()
        await self.change_plan(account_id, plan="forever", amount=0, version=1)
        if amount:
            async with self.engine.begin() as connection:
                await accounts.grant(
                    connection, account_id=account_id, amount=amount, cause="test", reason="A gift"
                )
        return account_id

    async def change_plan(
        self, account_id: UUID, *, plan: str, amount: int, version: int, period: str = ""
    ) -> None:
        change = PlanChanged(
            account_id=account_id,
            version=version,
            plan=plan,
            tier="standard" if plan == "free" else "priority",
            credits_monthly=amount,
            period=period,
        )
        async with self.engine.begin() as connection:
            await accounts.change_plan(connection, change)

    async def read(self, account_id: UUID, *, at: datetime | None = None) -> accounts.Account:
        async with self.engine.begin() as connection:
            return await accounts.read(connection, account_id, at=at)

    async def hold(
        self,
        account_id: UUID,
        *,
        amount: int,
        job_id: UUID | None = None,
        at: datetime | None = None,
    ) -> UUID:
        job_id = job_id or uuid4()
        async with self.engine.begin() as connection:
            await holds.place(
                connection,
                account_id=account_id,
                job_id=job_id,
                amount=amount,
                reason="restore and colourize",
                at=at,
            )
        return job_id

    async def capture(self, job_id: UUID, *, at: datetime | None = None) -> None:
        async with self.engine.begin() as connection:
            await holds.capture(connection, {job_id: Cause()}, at=at)

    async def delivered(
        self, account_id: UUID, *, amount: int = 4, at: datetime | None = None
    ) -> UUID:
        """A job whose credits were spent."""
        job_id = await self.hold(account_id, amount=amount, at=at)
        await self.capture(job_id, at=at)
        return job_id

    async def refund(
        self,
        account_id: UUID,
        job_id: UUID,
        *,
        reason: refunds.Reason = "likeness",
        at: datetime | None = None,
    ) -> refunds.Refund:
        async with self.engine.begin() as connection:
            return await refunds.refund(
                connection, account_id=account_id, job_id=job_id, reason=reason, at=at
            )

    async def release(self, job_id: UUID) -> bool:
        async with self.engine.begin() as connection:
            return await holds.release(connection, job_id=job_id)

    async def expire(self, job_id: UUID) -> bool:
        async with self.engine.begin() as connection:
            return await holds.expire(connection, job_id=job_id)

    async def balance(self, account_id: UUID) -> tuple[int, int]:
        """What the account row says is available and held, without any credits being added."""
        rows = await self.rows("select available, held from accounts where id = :id", id=account_id)
        return (rows[0][0], rows[0][1])

    async def state(self, job_id: UUID) -> str:
        rows = await self.rows("select state from holds where job_id = :job_id", job_id=job_id)
        return str(rows[0][0])

    async def receipts(self, account_id: UUID) -> list[tuple[str, int, int, int]]:
        """Kind, amount and the balance after it of each movement, the oldest first."""
        async with self.engine.begin() as connection:
            found = await ledger.receipts(
                connection, account_id=account_id, limit=100, before_version=None
            )
        return [(r.movement, r.amount, r.available, r.held) for r in reversed(found)]

    async def said(self) -> list[tuple[str, dict[str, Any]]]:
        """Type and data of everything said and not relayed yet, in order."""
        rows = await self.rows("select payload from outbox order by id")
        return [(row[0]["type"], row[0]["data"]) for row in rows]

    async def rows(self, query: str, **arguments: Any) -> list[Any]:
        async with self.engine.connect() as connection:
            return list((await connection.execute(text(query), arguments)).all())
