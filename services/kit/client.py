"""Calls from one service to another: kept-alive connections, bounded in number, time and size."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import aiohttp
import structlog

from services.kit import telemetry
from services.kit.identity import TokenSource
from services.kit.problems import Unavailable

CONNECTIONS_MAX = 100
CONNECT_TIMEOUT_S = 2
ANSWER_TIMEOUT_S = 15
ANSWER_BYTES_MAX = 4 * 1024 * 1024
TRIES_OF_SAFE_METHODS = 2
SAFE_METHODS = ("GET", "HEAD", "PUT", "DELETE")
PASSED_ON = ("content-type", "location", "etag", "retry-after", "link", "cache-control")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other service said, undecoded, so that it can be passed on as it is."""

    status: int
    headers: dict[str, str]
    body: bytes


class ServiceClient:
    """One other service, reached over HTTP with a token that names the account."""

    def __init__(self, base_url: str, *, caller: str, service: str, secret: str) -> None:
        self._base_url, self._service = base_url.rstrip("/"), service
        self._tokens = TokenSource(issuer=caller, audience=service, secret=secret)
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        account_id: UUID | None,
        query: Mapping[str, str] | None = None,
        json: Any = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request; whatever keeps an answer from coming is `Unavailable`.

        `body` is for what is encoded already. Methods that may be repeated are sent once more when
        the connection breaks.
        """
        sent = {
            "authorization": f"Bearer {self._tokens.token(account_id)}",
            "x-correlation-id": str(telemetry.current_cause().correlation_id),
            **(headers or {}),
        }
        if traceparent := telemetry.current_traceparent():
            sent["traceparent"] = traceparent
        tries = TRIES_OF_SAFE_METHODS if method in SAFE_METHODS else 1
        for left in reversed(range(tries)):
            try:
                return await self._send(
                    method, path, params=query, json=json, data=body, headers=sent
                )
            except (aiohttp.ClientError, TimeoutError) as error:
                log.warning("call.failed", service=self._service, error=repr(error)[:200])
                if not left:
                    raise Unavailable("A part of Rekindle does not answer right now.") from error
        raise AssertionError(tries)

    async def close(self) -> None:
        """Close the connections kept alive."""
        if self._session:
            await self._session.close()

    async def _send(self, method: str, path: str, **request: Any) -> Answer:
        async with self._open().request(method, self._base_url + path, **request) as response:
            body = await response.content.read(ANSWER_BYTES_MAX + 1)
            while not response.content.at_eof() and len(body) <= ANSWER_BYTES_MAX:
                body += await response.content.read(ANSWER_BYTES_MAX + 1 - len(body))
            if len(body) > ANSWER_BYTES_MAX:
                raise aiohttp.ClientPayloadError("the answer is too long")
            passed = {k: v for k in PASSED_ON if (v := response.headers.get(k)) is not None}
            return Answer(response.status, passed, body)

    def _open(self) -> aiohttp.ClientSession:
        # Made on first use: aiohttp wants the running loop.
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
                timeout=aiohttp.ClientTimeout(
                    total=ANSWER_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S
                ),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session
