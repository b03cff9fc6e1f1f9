"""RunPod's serverless API: the four calls we make, and every way they can fail.

A submit is not idempotent and has no client reference, so the one question after a failure is
whether the request may have arrived: `Ambiguous` says so, every other error says it did not.
Answers are input like any other: bounded, validated, and a state we do not know is not an end.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import aiohttp
from pydantic import BaseModel, Field, ValidationError

from services.processing.pace import LIMITS, Pace, TooFast

CONNECT_TIMEOUT_S, ANSWER_TIMEOUT_S, CALL_TIMEOUT_S = 3.0, 15.0, 20.0
CONNECTIONS_MAX = 50
IDLE_CONNECTION_S = 5.0
ANSWER_BYTES_MAX = 1024 * 1024
RETRY_AFTER_S, RETRY_AFTER_S_MAX = 2.0, 60.0

RunPodJobId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")]


class RunPodError(Exception):
    """RunPod did not do what we asked."""


class Unreachable(RunPodError):  # noqa: N818  # says what happened
    """Nothing was sent, or the call can be repeated without harm."""


class RateLimited(Unreachable):
    """Too many calls; `retry_after_s` says when the next one may come."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"rate limited for {retry_after_s} s")
        self.retry_after_s = retry_after_s


class Unauthorized(Unreachable):
    """The key or the endpoint is wrong: only an operator can mend it."""


class Ambiguous(RunPodError):  # noqa: N818  # says what happened
    """The submit may or may not have arrived."""


class BadRequest(RunPodError):  # noqa: N818  # says what happened
    """RunPod refuses what we sent; it would refuse it again."""


class Gone(RunPodError):  # noqa: N818  # says what happened
    """RunPod does not know this job (any more)."""


class Submitted(BaseModel):
    """What `/run` answers."""

    id: RunPodJobId


class Status(BaseModel):
    """What `/status` answers. Times are milliseconds."""

    status: Annotated[str, Field(max_length=64)]
    execution_time: Annotated[float, Field(ge=0, le=1e10, alias="executionTime")] = 0
    output: Any = None
    error: Any = None


class Jobs(BaseModel):
    """How many jobs an endpoint has that are not over."""

    in_queue: Annotated[int, Field(ge=0, alias="inQueue")]
    in_progress: Annotated[int, Field(ge=0, alias="inProgress")]


class Workers(BaseModel):
    """Workers of an endpoint that are up."""

    idle: Annotated[int, Field(ge=0)] = 0
    ready: Annotated[int, Field(ge=0)] = 0
    running: Annotated[int, Field(ge=0)] = 0


class Health(BaseModel):
    """What `/health` answers."""

    jobs: Jobs
    workers: Workers = Workers()

    @property
    def has_nothing_to_do(self) -> bool:
        """Whether every job it ever got is over."""
        return self.jobs.in_queue + self.jobs.in_progress == 0

    @property
    def is_cold(self) -> bool:
        """Whether no worker is up yet: a start with a large model takes minutes."""
        return self.workers.idle + self.workers.ready + self.workers.running == 0


@dataclass(frozen=True, slots=True)
class Policy:
    """How long a run may take on the worker, and altogether; whether it may start a worker."""

    execution_timeout_s: int
    ttl_s: int
    is_low_priority: bool = False


class RunPod:
    """One serverless endpoint."""

    def __init__(self, api_url: str, *, endpoint_id: str, api_key: str) -> None:
        self.endpoint_id = endpoint_id
        self._base_url = f"{api_url.rstrip('/')}/{endpoint_id}"
        self._headers = {"Authorization": f"Bearer {api_key}"}
        self._http: aiohttp.ClientSession | None = None
        self._pace = {operation: Pace(operation) for operation in LIMITS}

    async def run(self, given: dict[str, Any], *, webhook: str, policy: Policy) -> str:
        """Submit a run; RunPod's id of it."""
        body = {
            "input": given,
            "webhook": webhook,
            "policy": {
                "executionTimeout": policy.execution_timeout_s * 1000,
                "ttl": policy.ttl_s * 1000,
                "lowPriority": policy.is_low_priority,
            },
        }
        try:
            answer = await self._send("POST", "/run", json=body)
            return Submitted.model_validate_json(answer).id
        except Gone as error:
            raise Unauthorized("no such endpoint") from error
        except (ValidationError, _MaybeSent) as error:
            raise Ambiguous(repr(error)[:200]) from error

    async def status(self, job_id: str) -> Status:
        """What has become of a run."""
        try:
            return Status.model_validate_json(await self._send("GET", f"/status/{job_id}"))
        except (ValidationError, _MaybeSent, BadRequest) as error:
            raise Unreachable(repr(error)[:200]) from error

    async def cancel(self, job_id: str) -> None:
        """Ask for a run to stop; `status` will tell whether it did."""
        try:
            await self._send("POST", f"/cancel/{job_id}")
        except (_MaybeSent, BadRequest) as error:
            raise Unreachable(repr(error)[:200]) from error

    async def health(self) -> Health:
        """What the endpoint has to do, and who is there to do it."""
        try:
            return Health.model_validate_json(await self._send("GET", "/health"))
        except Gone as error:
            raise Unauthorized("no such endpoint") from error
        except (ValidationError, _MaybeSent, BadRequest) as error:
            raise Unreachable(repr(error)[:200]) from error

    async def is_cold(self) -> bool:
        """Whether no worker is up; no, when RunPod does not say."""
        try:
            return (await self.health()).is_cold
        except RunPodError:
            return False

    async def close(self) -> None:
        """Close the connections kept alive."""
        if self._http:
            await self._http.close()

    async def _send(self, method: str, path: str, **request: Any) -> bytes:
        pace = self._pace[path.split("/")[1]]
        try:
            async with (
                pace.call(),
                asyncio.timeout(CALL_TIMEOUT_S),
                self._open().request(method, self._base_url + path, **request) as response,
            ):
                body = b""
                async for chunk in response.content.iter_any():
                    body += chunk
                    if len(body) > ANSWER_BYTES_MAX:
                        raise _MaybeSent("the answer is too long")
        except TooFast as error:
            raise RateLimited(error.wait_s) from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Unreachable(repr(error)[:200]) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _MaybeSent(repr(error)[:200]) from error
        try:
            _raise_for(response)
        except RateLimited as error:
            pace.hold(error.retry_after_s)
            raise
        return body

    def _open(self) -> aiohttp.ClientSession:
        # Made on first use: aiohttp wants the running loop. Its client costs a fifth of httpx's,
        # and every job calls at least twice.
        if self._http is None:
            self._http = aiohttp.ClientSession(
                headers=self._headers,
                connector=aiohttp.TCPConnector(
                    limit=CONNECTIONS_MAX,
                    # A connection the other side has closed makes a submit ambiguous.
                    keepalive_timeout=IDLE_CONNECTION_S,
                ),
                timeout=aiohttp.ClientTimeout(
                    total=ANSWER_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._http


class _MaybeSent(RunPodError):  # noqa: N818  # says what happened
    """The request left us and no usable answer came back."""


def _raise_for(response: aiohttp.ClientResponse) -> None:
    match response.status:
        case 200:
            return
        case 401 | 403:
            raise Unauthorized(f"HTTP {response.status}")
        case 404:
            raise Gone("HTTP 404")
        case 429:
            raise RateLimited(_retry_after_s(response))
        case status if 400 <= status < 500:  # noqa: PLR2004  # all of them are our fault
            raise BadRequest(f"HTTP {status}")
        case status:
            raise _MaybeSent(f"HTTP {status}")


def _retry_after_s(response: aiohttp.ClientResponse) -> float:
    try:
        return min(max(0.0, float(response.headers["retry-after"])), RETRY_AFTER_S_MAX)
    except (KeyError, ValueError):
        return RETRY_AFTER_S


@asynccontextmanager
async def open_endpoints(
    api_url: str, ids: Iterable[str], *, api_key: str
) -> AsyncIterator[dict[str, RunPod]]:
    """A client for each endpoint, closed in the end."""
    async with AsyncExitStack() as opened:
        clients = {}
        for endpoint_id in ids:
            clients[endpoint_id] = RunPod(api_url, endpoint_id=endpoint_id, api_key=api_key)
            opened.push_async_callback(clients[endpoint_id].close)
        yield clients
