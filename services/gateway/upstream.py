"""Passing a request on to the service that owns the truth, and its answer back, undecoded."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

import structlog
from fastapi import Query, Request
from fastapi.responses import Response

from services.kit.client import Answer, ServiceClient
from services.kit.problems import Unauthenticated, Unavailable

SERVER_ERRORS = 500
OK, CREATED, NOT_MODIFIED = 200, 201, 304
TAG_LENGTH = 32
PROBLEM = "application/problem+json"
CURSOR_LENGTH_MAX = 512

PageLimit = Annotated[int, Query(ge=1, le=100)]
PageCursor = Annotated[str | None, Query(max_length=CURSOR_LENGTH_MAX)]

log = structlog.get_logger()


async def ask(
    client: ServiceClient,
    method: str,
    path: str,
    *,
    account_id: UUID | None,
    query: Mapping[str, Any] | None = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Ask a service on behalf of an account; what is not a proper answer is `Unavailable`."""
    sent = dict(headers or {})
    if body is not None:
        sent["content-type"] = "application/json"
    given = {name: str(value) for name, value in (query or {}).items() if value is not None}
    answer = await client.request(
        method, path, account_id=account_id, query=given, body=body, headers=sent
    )
    is_problem = answer.headers.get("content-type", "").startswith(PROBLEM)
    if answer.status == Unauthenticated.status or (
        answer.status >= SERVER_ERRORS and not is_problem
    ):
        # The caller is who it says: it is our own token, or the service, that is at fault.
        log.error("call.refused", path=path, status=answer.status)
        raise Unavailable("A part of Rekindle does not answer properly right now.")
    return answer


def passed_back(answer: Answer) -> Response:
    """The service's answer as ours."""
    return Response(answer.body, status_code=answer.status, headers=answer.headers)


def read_back(request: Request, answer: Answer) -> Response:
    """What a service said to a read, under an `ETag`; who has it already gets a 304."""
    if answer.status != OK:
        return passed_back(answer)
    tag = f'"{sha256(answer.body).hexdigest()[:TAG_LENGTH]}"'
    known = (one.strip() for one in request.headers.get("if-none-match", "").split(","))
    if any(one in ("*", tag, f"W/{tag}") for one in known):
        return Response(status_code=NOT_MODIFIED, headers={"etag": tag})
    response = passed_back(answer)
    response.headers["etag"] = tag
    return response


def page_read_back(request: Request, answer: Answer) -> Response:
    """One page of a list, with the address of the next one in `Link`."""
    response = read_back(request, answer)
    if response.status_code == OK and (cursor := json.loads(answer.body).get("next_cursor")):
        query = [(k, v) for k, v in request.query_params.multi_items() if k != "cursor"]
        target = f"{request.url.path}?{urlencode([*query, ('cursor', cursor)])}"
        response.headers["link"] = f'<{target}>; rel="next"'
    return response
