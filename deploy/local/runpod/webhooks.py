"""Webhooks: a POST when a job has ended, and two more, ten seconds apart, until 200 comes back."""

import asyncio
import logging
from typing import Any

import httpx

log = logging.getLogger("runpod.webhooks")

TRIES_MAX = 3
PAUSE_SECONDS = 10.0
TIMEOUT_SECONDS = 10.0
CONCURRENT_MAX = 50
WAITING_MAX = 10_000
OK = 200
# Made once: it takes 15 ms of every webhook.
TRUSTED = httpx.create_ssl_context(trust_env=False)


class WebhookSender:
    def __init__(self, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._pause_seconds = pause_seconds
        self._places = asyncio.Semaphore(CONCURRENT_MAX)
        self._sending: set[asyncio.Task[None]] = set()

    def send(self, url: str, body: dict[str, Any], *, after_seconds: float = 0.0) -> None:
        if len(self._sending) >= WAITING_MAX:
            log.warning("webhook.dropped job=%s", body["id"])
            return
        task = asyncio.create_task(self._deliver(url, body, after_seconds))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def close(self) -> None:
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _deliver(self, url: str, body: dict[str, Any], after_seconds: float) -> None:
        await asyncio.sleep(after_seconds)
        for attempt in range(TRIES_MAX):
            if attempt:
                await asyncio.sleep(self._pause_seconds)
            if await self._post(url, body):
                return
        log.warning("webhook.given_up job=%s", body["id"])

    async def _post(self, url: str, body: dict[str, Any]) -> bool:
        client = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False, verify=TRUSTED)
        async with self._places, client as web:
            try:
                answer = await web.post(url, json=body)
            except (httpx.HTTPError, httpx.InvalidURL):
                return False
        return answer.status_code == OK
