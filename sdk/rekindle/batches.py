"""Batches: the same work on many photos, as one order with one price."""

from collections.abc import AsyncIterator, Callable, Sequence
from uuid import UUID, uuid4

from sdk.rekindle.models import Batch, Job, Page, Quote
from sdk.rekindle.transport import Transport
from sdk.rekindle.waiting import wait_until

BATCH_TIMEOUT_S = 4 * 3600.0
JOBS_PER_PAGE = 100


class Batches:
    """The user's batches."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def quote(self, kind: str, photos: int) -> Quote:
        """What so many photos would cost, and what is left afterwards."""
        answer = await self._transport.request(
            "POST", "/v1/jobs/quote", body={"kind": kind, "orders": photos}
        )
        return Quote.model_validate_json(answer.content)

    async def create(
        self,
        kind: str,
        photo_ids: Sequence[UUID],
        *,
        note: str | None = None,
        idempotency_key: str | None = None,
    ) -> Batch:
        """Ask for work on up to 200 photos; all credits are held at once, or none."""
        answer = await self._transport.request(
            "POST",
            "/v1/batches",
            body={"kind": kind, "photo_ids": [str(one) for one in photo_ids], "note": note},
            headers={"idempotency-key": idempotency_key or str(uuid4())},
        )
        return Batch.model_validate_json(answer.content)

    async def get(self, batch_id: UUID) -> Batch:
        answer = await self._transport.request("GET", f"/v1/batches/{batch_id}")
        return Batch.model_validate_json(answer.content)

    async def list(self, *, limit: int = 20, cursor: str | None = None) -> Page[Batch]:
        answer = await self._transport.request(
            "GET", "/v1/batches", query={"limit": limit, "cursor": cursor}
        )
        return Page[Batch].model_validate_json(answer.content)

    async def jobs(self, batch_id: UUID) -> AsyncIterator[Job]:
        """Yield every job of a batch, newest first."""
        cursor: str | None = None
        while True:
            query = {"limit": JOBS_PER_PAGE, "cursor": cursor, "batch": str(batch_id)}
            answer = await self._transport.request("GET", "/v1/jobs", query=query)
            page = Page[Job].model_validate_json(answer.content)
            for job in page.items:
                yield job
            cursor = page.next_cursor
            if cursor is None:
                return

    async def cancel(self, batch_id: UUID) -> Batch:
        """Stop what has not ended; cancelled jobs cost nothing."""
        answer = await self._transport.request("POST", f"/v1/batches/{batch_id}/cancel")
        return Batch.model_validate_json(answer.content)

    async def wait(
        self,
        batch_id: UUID,
        *,
        timeout_s: float = BATCH_TIMEOUT_S,
        on_change: Callable[[Batch], object] | None = None,
    ) -> Batch:
        """Wait until every job of the batch has ended, well or badly."""
        return await wait_until(
            self._transport,
            lambda: self.get(batch_id),
            ended=lambda batch: batch.ended,
            timeout_s=timeout_s,
            on_change=on_change,
        )
