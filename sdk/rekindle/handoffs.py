"""Hand-offs: another device adds photos to the user's account for a while, and nothing else."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

from sdk.rekindle.models import BegunHandoff, Handoff, Page
from sdk.rekindle.transport import Transport
from sdk.rekindle.waiting import wait_until

LAST_PHOTO_TIMEOUT_S = 180.0


class Handoffs:
    """What the user opened to other devices."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def begin(self, *, key: str | None = None) -> BegunHandoff:
        """Open one; with the same `key` it is the same one. Only this answer has the address."""
        headers = {"idempotency-key": key or str(uuid4())}
        answer = await self._transport.request("POST", "/v1/handoffs", headers=headers)
        return BegunHandoff.model_validate_json(answer.content)

    async def list(self) -> tuple[Handoff, ...]:
        """Return those that are open, newest first."""
        answer = await self._transport.request("GET", "/v1/handoffs")
        return Page[Handoff].model_validate_json(answer.content).items

    async def get(self, handoff_id: UUID) -> Handoff:
        answer = await self._transport.request("GET", f"/v1/handoffs/{handoff_id}")
        return Handoff.model_validate_json(answer.content)

    async def revoke(self, handoff_id: UUID) -> None:
        """End it now; what arrived stays."""
        await self._transport.request("DELETE", f"/v1/handoffs/{handoff_id}")

    async def wait(
        self, handoff: Handoff, *, on_change: Callable[[Handoff], object] | None = None
    ) -> Handoff:
        """Wait until no more photos can come and those that came are ready or refused."""
        left_s = (handoff.expires_at - datetime.now(UTC)).total_seconds()
        return await wait_until(
            self._transport,
            lambda: self.get(handoff.id),
            ended=lambda seen: seen.ended,
            timeout_s=left_s + LAST_PHOTO_TIMEOUT_S,
            on_change=on_change,
        )
