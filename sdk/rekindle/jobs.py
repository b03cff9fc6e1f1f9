"""Jobs: asked for once, whatever happens to the connection, and waited for."""

from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID, uuid4

from sdk.rekindle.files import fetch_result
from sdk.rekindle.models import Job, Page
from sdk.rekindle.problems import RekindleProblem
from sdk.rekindle.transport import Transport
from sdk.rekindle.waiting import wait_until

JOB_TIMEOUT_S = 900.0


class Jobs:
    """The user's jobs."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(
        self,
        kind: str,
        photo_ids: Sequence[UUID],
        *,
        note: str | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Ask for one edit; its credits are held at once.

        All tries of one call carry one key, so that it is paid for once. Give your own key to
        continue after this program has died.
        """
        answer = await self._transport.request(
            "POST",
            "/v1/jobs",
            body={"kind": kind, "photo_ids": [str(one) for one in photo_ids], "note": note},
            headers={"idempotency-key": idempotency_key or str(uuid4())},
        )
        return Job.model_validate_json(answer.content)

    async def get(self, job_id: UUID) -> Job:
        answer = await self._transport.request("GET", f"/v1/jobs/{job_id}")
        return Job.model_validate_json(answer.content)

    async def list(self, *, limit: int = 20, cursor: str | None = None) -> Page[Job]:
        answer = await self._transport.request(
            "GET", "/v1/jobs", query={"limit": limit, "cursor": cursor}
        )
        return Page[Job].model_validate_json(answer.content)

    async def cancel(self, job_id: UUID) -> Job:
        """Stop a job; a cancelled job costs nothing."""
        answer = await self._transport.request("POST", f"/v1/jobs/{job_id}/cancel")
        return Job.model_validate_json(answer.content)

    async def wait(
        self,
        job_id: UUID,
        *,
        timeout_s: float = JOB_TIMEOUT_S,
        on_change: Callable[[Job], object] | None = None,
    ) -> Job:
        """Wait until the job has ended, well or badly: look at its `state` and `problem`."""
        return await wait_until(
            self._transport,
            lambda: self.get(job_id),
            ended=lambda job: job.ended,
            timeout_s=timeout_s,
            on_change=on_change,
        )

    async def download(self, job: Job, path: Path) -> None:
        """Save a completed job's result, checked against its hash."""
        current = await self.get(job.id)  # the address in `job` may have expired
        if current.result is None:
            raise RekindleProblem(
                status=409, code="no-result", detail=f"The job is {current.state}: no result."
            )
        await fetch_result(self._transport.http, current.result, path)
