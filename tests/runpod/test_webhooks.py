"""What the emulator tells others when a job has ended."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from httpx import AsyncClient

from deploy.local.runpod.webhooks import TRIES_MAX
from tests.runpod.scripted import Clock, Worker, fault, run, status


@dataclass
class Hearer:
    """A webhook's receiver on a loopback socket."""

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    async def heard(self, number: int) -> list[dict[str, Any]]:
        for _ in range(300):
            if len(self.bodies) >= number:
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.06)  # one too many would come now
        return self.bodies


@pytest.fixture
def hearer() -> Iterator[Hearer]:
    hearer = Hearer()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hearer.bodies.append(json.loads(body))
            hearer.paths.append(self.path)
            self.send_response(hearer.answers.pop(0) if hearer.answers else 200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    hearer.url = f"http://127.0.0.1:{server.server_port}/hooks/runpod/1?sig=x"
    yield hearer
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("result", "state"), [({"output": 1}, "COMPLETED"), ({"error": "boom"}, "FAILED")]
)
async def test_the_webhook_has_the_body_of_status(
    client: AsyncClient, scripted: Worker, hearer: Hearer, result: dict[str, Any], state: str
) -> None:
    job_id = await run(client, webhook=hearer.url)

    await scripted.work(result)

    (body,) = await hearer.heard(1)
    assert body == await status(client, job_id)
    assert body["status"] == state


async def test_cancelling_and_timing_out_are_told_by_webhook_too(
    client: AsyncClient, scripted: Worker, hearer: Hearer, clock: Clock
) -> None:
    await client.post(f"/cancel/{await run(client, webhook=hearer.url)}")
    late = await run(client, webhook=hearer.url)
    await scripted.take()
    clock.now += 10.0
    await client.get(f"/ping/w?job_id={late}")
    clock.now += 600
    await status(client, late)

    states = {body["status"] for body in await hearer.heard(2)}

    assert states == {"CANCELLED", "TIMED_OUT"}


async def test_a_webhook_is_tried_three_times_unless_it_is_answered_200(
    client: AsyncClient, scripted: Worker, hearer: Hearer
) -> None:
    hearer.answers = [500, 202, 500, 500]
    await run(client, webhook=hearer.url)

    await scripted.work()

    assert len(await hearer.heard(TRIES_MAX)) == TRIES_MAX


async def test_a_webhook_to_nobody_harms_nothing(client: AsyncClient, scripted: Worker) -> None:
    job_id = await run(client, webhook="http://127.0.0.1:9/nobody")

    await scripted.work()

    assert (await status(client, job_id))["status"] == "COMPLETED"


async def test_a_webhook_can_be_lost_or_doubled(
    client: AsyncClient, scripted: Worker, hearer: Hearer
) -> None:
    await fault(client, lose_webhook=1, duplicate_webhook=1)
    lost = await run(client, webhook=hearer.url)
    await scripted.work()
    doubled = await run(client, webhook=hearer.url)
    await scripted.work()

    heard = [body["id"] for body in await hearer.heard(2)]

    assert heard == [doubled, doubled]
    assert (await status(client, lost))["status"] == "COMPLETED"


async def test_a_webhook_can_be_late(client: AsyncClient, scripted: Worker, hearer: Hearer) -> None:
    await fault(client, late_webhook=1, late_seconds=0.3)
    late = await run(client, webhook=hearer.url)
    await scripted.work()
    prompt = await run(client, webhook=hearer.url)
    await scripted.work()

    assert [body["id"] for body in await hearer.heard(1)] == [prompt]
    assert [body["id"] for body in await hearer.heard(2)] == [prompt, late]


async def test_somebody_can_call_the_address_unsigned(
    client: AsyncClient, scripted: Worker, hearer: Hearer
) -> None:
    await fault(client, forge_webhook=1, lose_webhook=1)
    failed = await run(client, webhook=hearer.url)
    await scripted.work({"error": "boom"})

    (forged,) = await hearer.heard(1)
    assert forged["id"] != failed
    assert forged["status"] == "COMPLETED"
    assert hearer.paths == ["/hooks/runpod/1"]
