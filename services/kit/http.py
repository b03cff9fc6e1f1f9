"""The HTTP side of a service: its transaction, its caller, its health, and how it refuses."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any
from uuid import UUID, uuid4

import structlog
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.kit import telemetry
from services.kit.db import Connection, is_transient
from services.kit.identity import Caller, Callers
from services.kit.problems import Problem, Unauthenticated, Unavailable

BODY_BYTES_MAX = 64 * 1024
FAULTS_SHOWN_MAX = 10

_CODES = {404: "not-found", 405: "method-not-allowed", 413: "body-too-large"}

log = structlog.get_logger()

Check = Callable[[], Awaitable[None]]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class InvalidRequest(Problem):
    """A field is missing or not what it should be."""

    status = 422
    title = "The request is not valid"


def create_service(
    name: str,
    *,
    version: str,
    engine: AsyncEngine,
    routers: Sequence[APIRouter],
    internal_secrets: Sequence[str] = (),
    lifespan: Lifespan | None = None,
    checks: Sequence[Check] = (),
) -> FastAPI:
    """A FastAPI application with everything that is the same in each service.

    `checks` are what /readyz asks besides the database; each raises if its part is not there.
    """

    @asynccontextmanager
    async def whole_life(app: FastAPI) -> AsyncIterator[None]:
        if lifespan:
            async with lifespan(app):
                yield
        else:
            yield
        await engine.dispose()

    # No /docs: its page loads scripts from elsewhere.
    app = FastAPI(
        title=f"Rekindle {name}",
        version=version,
        lifespan=whole_life,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service, app.state.version, app.state.engine = name, version, engine
    app.state.callers, app.state.checks = Callers(name, internal_secrets), tuple(checks)
    app.include_router(_health)
    for router in routers:
        app.include_router(router)
    app.add_exception_handler(Problem, _show_problem)
    app.add_exception_handler(RequestValidationError, _show_invalid_request)
    app.add_exception_handler(HTTPException, _show_http_error)
    app.add_exception_handler(Exception, _show_failure)
    app.add_middleware(Edge)
    return app


async def _transaction(request: Request) -> AsyncIterator[Connection]:
    engine: AsyncEngine = request.app.state.engine
    async with engine.begin() as connection:
        yield connection


# Scope "function": the transaction commits before the answer is sent, so that a client never sees
# success for work that was rolled back.
Transaction = Annotated[Connection, Depends(_transaction, scope="function")]


async def _caller(request: Request) -> Caller:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated
    callers: Callers = request.app.state.callers
    return callers.of(token)


async def _account(caller: Annotated[Caller, Depends(_caller)]) -> UUID:
    if caller.account_id is None:
        raise Unauthenticated
    return caller.account_id


InternalCaller = Annotated[Caller, Depends(_caller)]
AccountOfCaller = Annotated[UUID, Depends(_account)]


class Edge:
    """What happens to each request before any route: its cause is set, its body is bounded.

    Written as bare ASGI: a middleware of functions costs a task and two queues per request.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        cause = telemetry.Cause(
            _uuid(headers.get(b"x-correlation-id")), None, _ascii(headers.get(b"traceparent"))
        )
        scope["trace_id"] = str(cause.correlation_id)
        with telemetry.caused_by(cause, doing=f"{scope['method']} {scope['path']}"):
            await self._app(scope, _bounded(receive), send)


def trace_id(request: Request) -> str:
    """What to quote when asking about a request: the correlation id of its log lines."""
    return str(request.scope.get("trace_id", ""))


def problem_response(request: Request, problem: Problem) -> Response:
    """A refusal as `application/problem+json`, with `Retry-After` where it helps."""
    headers = {"cache-control": "no-store"}
    if (seconds := problem.facts.get("retry_after_s")) is not None:
        headers["retry-after"] = str(seconds)
    if problem.status == Unauthenticated.status:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse(
        problem.document(instance=request.url.path, trace_id=trace_id(request)),
        status_code=problem.status,
        media_type="application/problem+json",
        headers=headers,
    )


_health = APIRouter(tags=["health"], include_in_schema=False)


@_health.get("/livez")
async def live() -> dict[str, str]:
    return {"status": "alive"}


@_health.get("/readyz")
async def ready(request: Request) -> dict[str, str]:
    """Whether requests would be answered: the database and what else the service needs."""
    state = request.app.state
    try:
        async with state.engine.connect() as connection:
            await connection.execute(text("select 1"))
        for check in state.checks:
            await check()
    except Exception as error:
        raise Unavailable(f"Not ready: {type(error).__name__}", retry_after_s=1) from error
    return {"status": "ready"}


@_health.get("/version")
async def version(request: Request) -> dict[str, str]:
    return {"service": request.app.state.service, "version": request.app.state.version}


async def _show_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return problem_response(request, error)


async def _show_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # `input` is left out: it may be personal, and may not be JSON.
    faults = [
        {"where": [str(part) for part in fault["loc"]], "what": fault["msg"]}
        for fault in error.errors()[:FAULTS_SHOWN_MAX]
    ]
    first = faults[0]
    detail = f"{'.'.join(first['where'][1:]) or 'The body'}: {first['what']}."
    return problem_response(request, InvalidRequest(detail, faults=faults))


async def _show_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "refused")
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": str(error.detail),
        "status": error.status_code,
        "code": code,
        "trace_id": trace_id(request),
    }
    return Response(
        json.dumps(document),
        status_code=error.status_code,
        media_type="application/problem+json",
        headers=dict(error.headers or {}),
    )


async def _show_failure(request: Request, error: Exception) -> Response:
    log.error("request.failed", path=request.url.path, exc_info=error)
    if is_transient(error) or isinstance(error, OSError | TimeoutError):
        return problem_response(request, Unavailable("The database does not answer right now."))
    return problem_response(request, _Internal("Something broke on our side; it is logged."))


class _Internal(Problem):
    status = 500
    title = "Our fault"

    @property
    def code(self) -> str:
        return "internal"


def _bounded(receive: Receive) -> Receive:
    received = 0

    async def bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > BODY_BYTES_MAX:
            # FastAPI turns anything but its own exception into "could not parse the body".
            raise HTTPException(413, f"A request may have {BODY_BYTES_MAX} bytes.")
        return message

    return bounded


def _uuid(value: bytes | None) -> UUID:
    try:
        return UUID(value.decode()) if value else uuid4()
    except ValueError:
        return uuid4()


def _ascii(value: bytes | None) -> str | None:
    return value.decode("ascii", "ignore") if value else None
