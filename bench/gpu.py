"""A no-op GPU: it speaks RunPod's `/run`, `/status`, `/cancel` and `/health`, and works in no time.

`/run` stores one small valid result where the signed address says and calls the webhook. Nothing is
restored, decoded or queued, so that what is left to be measured is ours. It runs in the place of
the emulator; its CPU, like the storage's, is shown and not counted.
"""

import asyncio
import hashlib
import io
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import aiohttp

from tests.journeys import photos

SIZE = (64, 80)
"""Width and height of every result: those of the photos that `bench.crowd` uploads."""

CONNECTIONS_MAX = 64
GPU = "no-op"
STORED = (200, 412)
"""Stored, or stored before: the address is good for one object."""

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


def create_app() -> "NoopGpu":
    """What `uvicorn --factory` serves."""
    return NoopGpu()


class NoopGpu:
    """The whole application: runs by their id, and when the work on each job began."""

    def __init__(self) -> None:
        self._result: bytes = _picture()
        self._facts = {
            "engine": GPU,
            "engine_version": "1",
            "gpu": GPU,
            "width": SIZE[0],
            "height": SIZE[1],
            "bytes": len(self._result),
            "sha256": hashlib.sha256(self._result).hexdigest(),
            "media_type": "image/png",
        }
        self._runs: dict[str, dict[str, Any]] = {}
        self._began: dict[str, float] = {}
        self._working: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        body = await _body(receive)
        status, answer = self._answer(scope["path"].split("/")[1:], body)
        said = json.dumps(answer).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(said))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": said})

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            event = (await receive())["type"]
            if event == "lifespan.startup":
                connector = aiohttp.TCPConnector(limit=CONNECTIONS_MAX)
                self._session = aiohttp.ClientSession(connector=connector)
            elif self._session:
                await self._session.close()
            await send({"type": f"{event}.complete"})
            if event == "lifespan.shutdown":
                return

    def _answer(self, path: list[str], body: bytes) -> tuple[int, Any]:
        match path:
            case ["ready"]:
                return 200, {}
            case ["v2", _, "run"]:
                return 200, self._run(json.loads(body))
            case ["v2", _, "status" | "cancel", run_id] if run_id in self._runs:
                return 200, self._runs[run_id]
            case ["v2", _, "health"]:
                return 200, {"jobs": {"inQueue": 0, "inProgress": 0}, "workers": {"idle": 1}}
            case ["starts"]:
                return 200, self._began
            case _:
                return 404, {}

    def _run(self, asked: dict[str, Any]) -> dict[str, Any]:
        run = {"id": f"{uuid4()}-u1", "status": "IN_PROGRESS"}
        self._runs[run["id"]] = run
        # results/<account>/<job>/<attempt>.png?…
        job_id = asked["input"]["output"]["url"].partition("?")[0].split("/")[-2]
        self._began[job_id] = time.monotonic()
        task = asyncio.create_task(self._work(run, asked["input"], asked["webhook"]))
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return {"id": run["id"], "status": "IN_QUEUE"}

    async def _work(self, run: dict[str, Any], given: dict[str, Any], webhook: str) -> None:
        assert self._session
        place = given["output"]
        async with self._session.put(
            place["url"], data=self._result, headers=place["headers"]
        ) as stored:
            assert stored.status in STORED, await stored.text()
        output = {**self._facts, "attempt_id": given["attempt_id"]}
        run |= {"status": "COMPLETED", "delayTime": 0, "executionTime": 1, "output": output}
        async with self._session.post(webhook, json=run) as heard:
            await heard.read()


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        event = await receive()
        body += event.get("body", b"")
        if not event.get("more_body"):
            return bytes(body)


def _picture() -> bytes:
    """What everybody uploads, as it was: true to the photo, so it passes every check."""
    stored = io.BytesIO()
    photos.faded_scene(*SIZE).save(stored, "PNG")
    return stored.getvalue()
