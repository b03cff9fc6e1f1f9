"""Webhooks: every event is sent to each address that wants it, signed, until it is taken.

An event waits in the file until it is taken, or given up after the last try.
"""

import asyncio
import hmac
import json
import logging
import secrets
import time
from collections.abc import Sequence
from hashlib import sha256

import httpx

from deploy.local.stripe.account import Account, shown
from deploy.local.stripe.faults import Faults

log = logging.getLogger("stripe.webhooks")

NAP_S = 0.1
TIMEOUT_S = 10.0
AT_ONCE = 20
RETRY_AFTER_S = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)
"""Stripe tries for three days; here a stack that was down should not have to wait for hours."""

# Made once: it takes 15 ms of every client.
TRUSTED = httpx.create_ssl_context(trust_env=False)

Delivery = tuple[int, str, int, str | None]
"""Its number, the event, how often it was tried, and which endpoint it is for."""

Address = tuple[str, Sequence[str]]
"""Where to send, and the secrets to sign with."""


def signature(body: bytes, keys: Sequence[str], *, at: int) -> str:
    """The header over these bytes, with each of the secrets, as while one replaces another."""
    signed = f"{at}.".encode() + body
    digests = [hmac.new(key.encode(), signed, sha256).hexdigest() for key in keys]
    return ",".join([f"t={at}", *(f"v1={digest}" for digest in digests)])


class Sender:
    """The loop that empties the table of deliveries."""

    def __init__(
        self, account: Account, faults: Faults, *, url: str | None, keys: Sequence[str]
    ) -> None:
        self._account, self._faults = account, faults
        # Without an address, events wait: an address may be given at the next start.
        self._configured: Address | None = (url, keys) if url else None
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False, verify=TRUSTED)

    async def send_for_ever(self) -> None:
        while True:
            try:
                sent = await self.send_due()
            except Exception:
                log.exception("webhooks.failed")
                sent = 0
            if not sent:
                await asyncio.sleep(NAP_S)

    async def send_due(self) -> int:
        """Send what is due, many at once; how many that were."""
        due = self._due()
        if len(due) > 1 and self._faults.happens("reorder_webhooks"):
            due.reverse()
            for delivery in due:
                await self._send(delivery)
            return len(due)
        await asyncio.gather(*(self._send(delivery) for delivery in due))
        return len(due)

    async def close(self) -> None:
        await self._client.aclose()

    def _due(self) -> list[Delivery]:
        return self._account.store.connection.execute(
            "select number, event_id, tries, endpoint_id from deliveries"
            " where due <= ? and (? or endpoint_id is not null) order by number limit ?",
            (time.time(), self._configured is not None, AT_ONCE),
        ).fetchall()

    async def _send(self, delivery: Delivery) -> None:
        number, event_id, tries, endpoint_id = delivery
        address = self._address(endpoint_id)
        if address is None:
            self._done(number)
            return
        if tries == 0 and self._faults.happens("lose_webhook"):
            self._done(number)
            return
        if tries == 0 and self._faults.happens("late_webhook"):
            self._later(number, tries, self._faults.late_seconds)
            return
        event = self._account.store.get(event_id)
        body = json.dumps(shown(event or {})).encode()
        if self._faults.happens("forge_webhook"):
            await self._post(body, (address[0], [f"whsec_{secrets.token_hex(16)}"]))
        is_taken = await self._post(body, address)
        if is_taken and self._faults.happens("duplicate_webhook"):
            await self._post(body, address)
        if is_taken or tries >= len(RETRY_AFTER_S):
            self._done(number)
            event = self._account.store.get(event_id)
            if event and is_taken:
                left = max(0, event["pending_webhooks"] - 1)
                self._account.store.put({**event, "pending_webhooks": left})
        else:
            self._later(number, tries, RETRY_AFTER_S[tries])

    def _address(self, endpoint_id: str | None) -> Address | None:
        """Where a delivery goes; nowhere if its endpoint was deleted or disabled meanwhile."""
        if endpoint_id is None:
            return self._configured
        endpoint = self._account.store.get(endpoint_id)
        if endpoint is None or endpoint["status"] != "enabled":
            return None
        return endpoint["url"], [endpoint["_secret"]]

    async def _post(self, body: bytes, address: Address) -> bool:
        url, keys = address
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(body, keys, at=int(time.time())),
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        try:
            answer = await self._client.post(url, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL):
            return False
        return answer.is_success

    def _done(self, number: int) -> None:
        self._account.store.connection.execute("delete from deliveries where number = ?", (number,))

    def _later(self, number: int, tries: int, seconds: float) -> None:
        self._account.store.connection.execute(
            "update deliveries set due = ?, tries = ? where number = ?",
            (time.time() + seconds, tries + 1, number),
        )
