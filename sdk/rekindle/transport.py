"""Requests to the gateway: the token, the time-outs, and how often we ask again.

Every request of this client may be sent twice: those that read or delete by nature, a job and a
split because of their Idempotency-Key, a begun photo because one without bytes costs nothing and is
swept away.
"""

import asyncio
import random
from collections.abc import Mapping
from typing import Any

import httpx

from sdk.rekindle.problems import RekindleError, RekindleProblem, Unreachable
from sdk.rekindle.tokens import TokenProvider

CONNECT_TIMEOUT_S, ANSWER_TIMEOUT_S = 5.0, 30.0
CONNECTIONS_MAX = 20
TRIES_MAX = 6
PAUSE_FIRST_S, PAUSE_OWN_MAX_S, PAUSE_MAX_S = 0.1, 2.0, 10.0
ASK_AGAIN = frozenset({429, 502, 503, 504})


class Transport:
    """One gateway, one user, one pool of connections."""

    def __init__(self, base_url: str, tokens: TokenProvider | None) -> None:
        self.base_url = base_url.rstrip("/")
        self._tokens = tokens
        self.http = httpx.AsyncClient(
            timeout=httpx.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
        )

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The successful answer, or the problem it ended with after `TRIES_MAX` tries."""
        failure: RekindleError = Unreachable("Nothing was asked.")
        for attempt in range(TRIES_MAX):
            if attempt:
                await asyncio.sleep(_pause_s(attempt, failure))
            request = self.http.build_request(
                method,
                self.base_url + path,
                params={name: value for name, value in (query or {}).items() if value is not None},
                json=body,
                headers=headers,
            )
            try:
                answer = await self.send(request)
            except httpx.TransportError as error:
                failure = self.unreachable(error)
                continue
            if answer.is_success:
                return answer
            failure = problem_of(answer)
            if not _may_be_asked_again(failure):
                break
        raise failure

    async def send(self, request: httpx.Request, *, stream: bool = False) -> httpx.Response:
        """Send once with the user's token; a token that is refused is renewed, once."""
        if self._tokens is None:
            return await self.http.send(request, stream=stream)
        token = await self._tokens.token()
        request.headers["authorization"] = f"Bearer {token}"
        answer = await self.http.send(request, stream=stream)
        if answer.status_code != httpx.codes.UNAUTHORIZED:
            return answer
        await answer.aclose()
        request.headers["authorization"] = f"Bearer {await self._tokens.renewed(token)}"
        return await self.http.send(request, stream=stream)

    def unreachable(self, error: httpx.TransportError) -> Unreachable:
        reason = "took too long" if isinstance(error, httpx.TimeoutException) else "does not answer"
        return Unreachable(f"Rekindle at {self.base_url} {reason}.")


def problem_of(answer: httpx.Response) -> RekindleProblem:
    """Read a refusal, whether it is ours or a proxy's page."""
    try:
        document = answer.json()
    except ValueError:
        document = None
    problem = RekindleProblem.from_document(answer.status_code, document)
    if (seconds := answer.headers.get("retry-after", "")).isdigit():
        problem.facts.setdefault("retry_after_s", int(seconds))
    return problem


def _may_be_asked_again(problem: RekindleProblem) -> bool:
    # A 409 with a time to wait says that the same key is being worked on right now.
    conflict_passes = problem.status == httpx.codes.CONFLICT and "retry_after_s" in problem.facts
    return problem.status in ASK_AGAIN or conflict_passes


def _pause_s(attempt: int, failure: RekindleError) -> float:
    asked = failure.facts.get("retry_after_s") if isinstance(failure, RekindleProblem) else None
    own_s = min(PAUSE_FIRST_S * 2**attempt, PAUSE_OWN_MAX_S)
    pause_s: float = own_s * (0.5 + random.random() / 2)  # noqa: S311
    return min(max(pause_s, float(asked or 0)), PAUSE_MAX_S)
