"""Credits, as processing sees it: a hold per job, placed and released over HTTP."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from services.kit.client import Answer, ServiceClient
from services.kit.problems import Unavailable


@dataclass(frozen=True, slots=True)
class Short:
    """The account cannot pay."""

    needed: int
    available: int


class Holds:
    """Credits set aside for jobs. Both calls may be repeated without harm."""

    def __init__(self, credits_: ServiceClient) -> None:
        self._credits = credits_

    async def place(
        self, job_id: UUID, *, account_id: UUID, amount: int, reason: str
    ) -> Literal["placed", "closed"] | Short:
        """Set credits aside; `Unavailable` when credits does not say whether it did."""
        answer = await self._credits.request(
            "PUT",
            f"/v1/holds/{job_id}",
            account_id=account_id,
            json={"amount": amount, "reason": reason},
        )
        match answer.status:
            case 200 | 201:
                return "placed"
            case 402:
                return _short(answer, amount)
            case 409:
                return "closed"
            case _:
                raise _odd(answer)

    async def place_batch(
        self,
        batch_id: UUID,
        job_ids: Sequence[UUID],
        *,
        account_id: UUID,
        amount: int,
        reason: str,
    ) -> Literal["placed"] | Short:
        """Set `amount` aside for each job, or nothing at all; as `place` otherwise."""
        answer = await self._credits.request(
            "PUT",
            f"/v1/holds/batches/{batch_id}",
            account_id=account_id,
            json={"job_ids": [str(one) for one in job_ids], "amount": amount, "reason": reason},
        )
        match answer.status:
            case 200 | 201:
                return "placed"
            case 402:
                return _short(answer, amount * len(job_ids))
            case _:
                raise _odd(answer)

    async def release(self, job_id: UUID, *, account_id: UUID) -> None:
        """Give the credits back, if they are held."""
        answer = await self._credits.request("DELETE", f"/v1/holds/{job_id}", account_id=account_id)
        if answer.status not in (200, 204, 404, 409):
            raise _odd(answer)

    async def close(self) -> None:
        """Close the connections kept alive."""
        await self._credits.close()


def _short(answer: Answer, amount: int) -> Short:
    try:
        return Short(needed=amount, available=int(json.loads(answer.body)["available"]))
    except (ValueError, KeyError, TypeError):
        return Short(needed=amount, available=0)


def _odd(answer: Answer) -> Unavailable:
    return Unavailable(f"Credits answered {answer.status}; the order is kept and can be repeated.")
