"""The client: photos in, jobs on them, results out, and what it cost.

async with Rekindle(url, tokens) as rekindle:
    photo = await rekindle.photos.add(Path("grandmother.jpg"))
    job = await rekindle.jobs.create("restore_colourize", [photo.id])
    job = await rekindle.jobs.wait(job.id)
    await rekindle.jobs.download(job, Path("grandmother-restored.png"))
"""

import asyncio
from collections.abc import AsyncIterator, Container
from types import TracebackType
from typing import Self
from uuid import UUID

from sdk.rekindle import events
from sdk.rekindle.batches import Batches
from sdk.rekindle.handoffs import Handoffs
from sdk.rekindle.jobs import Jobs
from sdk.rekindle.models import Account, Balance, Erased, FeedEvent, Kind, Page, Plans, Receipt
from sdk.rekindle.photos import Photos
from sdk.rekindle.problems import TookTooLong
from sdk.rekindle.purchases import Purchases
from sdk.rekindle.tokens import FixedToken, TokenProvider
from sdk.rekindle.transport import Transport

SETTLED_TIMEOUT_S, SETTLED_ASK_EVERY_S = 15.0, 0.25
CLOSING = ("capture", "release", "expire")


class Rekindle:
    """One user's Rekindle. Use it as a context manager: it keeps connections open."""

    def __init__(self, base_url: str, tokens: TokenProvider | str | None = None) -> None:
        provider = FixedToken(tokens) if isinstance(tokens, str) else tokens
        self._transport = Transport(base_url, provider)
        self.photos = Photos(self._transport)
        self.jobs = Jobs(self._transport)
        self.batches = Batches(self._transport)
        self.handoffs = Handoffs(self._transport)
        self.credits = Credits(self._transport)
        self.purchases = Purchases(self._transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._transport.http.aclose()

    @property
    def base_url(self) -> str:
        return self._transport.base_url

    async def me(self) -> Account:
        answer = await self._transport.request("GET", "/v1/me")
        return Account.model_validate_json(answer.content)

    async def erase(self, *, confirm: UUID) -> Erased:
        """Erase everything, for good; `confirm` is the account's own id."""
        query = {"confirm": str(confirm)}
        answer = await self._transport.request("DELETE", "/v1/me", query=query)
        return Erased.model_validate_json(answer.content)

    async def plans(self) -> Plans:
        answer = await self._transport.request("GET", "/v1/plans")
        return Plans.model_validate_json(answer.content)

    async def kinds(self) -> tuple[Kind, ...]:
        answer = await self._transport.request("GET", "/v1/kinds")
        return Page[Kind].model_validate_json(answer.content).items

    def events(self, *, after: int | None = None) -> AsyncIterator[FeedEvent]:
        """Yield what happens to this user's photos, jobs and credits, as it happens."""
        return events.follow(self._transport, after=after)


class Credits:
    """What the user can spend, and where it went."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def balance(self) -> Balance:
        answer = await self._transport.request("GET", "/v1/credits")
        return Balance.model_validate_json(answer.content)

    async def receipts(self, *, limit: int = 20, cursor: str | None = None) -> Page[Receipt]:
        """Return the movements, newest first."""
        answer = await self._transport.request(
            "GET", "/v1/credits/receipts", query={"limit": limit, "cursor": cursor}
        )
        return Page[Receipt].model_validate_json(answer.content)

    async def granted(self, *, beyond: Container[UUID]) -> Receipt:
        """Wait for credits that came in, other than by the receipts known: by a purchase's end."""
        for _ in range(int(SETTLED_TIMEOUT_S / SETTLED_ASK_EVERY_S)):
            for receipt in (await self.receipts()).items:
                if receipt.movement == "grant" and receipt.id not in beyond:
                    return receipt
            await asyncio.sleep(SETTLED_ASK_EVERY_S)
        raise TookTooLong(f"No credits came within {SETTLED_TIMEOUT_S:.0f} s; they still may.")

    async def settled(self, job_id: UUID) -> Receipt | None:
        """Wait for the receipt that closes a job's hold: it follows the job's end by a moment."""
        for _ in range(int(SETTLED_TIMEOUT_S / SETTLED_ASK_EVERY_S)):
            for receipt in (await self.receipts()).items:
                if receipt.job_id == job_id and receipt.movement in CLOSING:
                    return receipt
            await asyncio.sleep(SETTLED_ASK_EVERY_S)
        return None
