"""A clock that tests move, a worker that speaks the SDK's side by hand, and a client's verbs."""

import json
from dataclasses import dataclass
from typing import Any

from httpx import AsyncClient

KEY = "rpa_test"
JOB = {"input": {"n": 1}}


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


class Worker:
    """Speaks the SDK's side of the protocol."""

    def __init__(self, client: AsyncClient, name: str = "w") -> None:
        self.client, self.name = client, name

    async def take(self, *, in_progress: int = 1) -> dict[str, Any] | None:
        answer = await self.client.get(
            f"/job-take/{self.name}?gpu=cpu&job_in_progress={in_progress}"
        )
        return answer.json() if answer.status_code == 200 else None

    async def done(self, job_id: str, result: dict[str, Any]) -> None:
        # The SDK sends JSON under a form's content type.
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        url = f"/job-done/{self.name}/{job_id}?gpu=cpu&isStream=false"
        answer = await self.client.post(url, content=json.dumps(result), headers=headers)
        assert answer.status_code == 200

    async def work(self, result: dict[str, Any] | None = None) -> str:
        job = await self.take()
        assert job is not None
        await self.done(job["id"], result or {"output": {"ok": True}})
        return str(job["id"])


async def run(client: AsyncClient, **more: Any) -> str:
    answer = await client.post("/run", json={**JOB, **more})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


async def status(client: AsyncClient, job_id: str) -> dict[str, Any]:
    answer = await client.get(f"/status/{job_id}")
    return answer.json() if answer.status_code == 200 else {"status": answer.status_code}


async def fault(client: AsyncClient, **faults: Any) -> None:
    answer = await client.post("http://runpod/__faults", json=faults)
    assert answer.status_code == 200, answer.text
