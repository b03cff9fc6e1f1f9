"""What every service answers alike: problems, health, bounds, and no success before the commit."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import APIRouter, Body, FastAPI
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit import http, telemetry
from services.kit.identity import TokenSource
from services.kit.problems import Problem, Unavailable

SECRET = "s" * 32
router = APIRouter()


class TooSour(Problem):
    status = 418
    title = "Too sour"


class Lemon(BaseModel):
    weight: int


@router.get("/sour")
async def sour() -> None:
    raise TooSour("This lemon is sour.", acidity=7)


@router.get("/later")
async def later() -> None:
    raise Unavailable("Not now.", retry_after_s=3)


@router.get("/broken")
async def broken() -> None:
    raise ZeroDivisionError


@router.post("/lemons")
async def take_lemon(lemon: Annotated[Lemon, Body()]) -> int:
    return lemon.weight


@router.get("/mine")
async def mine(account_id: http.AccountOfCaller) -> UUID:
    return account_id


@router.post("/deferred")
async def deferred(connection: http.Transaction) -> str:
    """Fails only when the transaction commits."""
    await connection.execute(
        text("create temp table t (n int unique deferrable initially deferred)")
    )
    await connection.execute(text("insert into t values (1), (1)"))
    return "done"


@router.get("/cause")
async def cause() -> UUID:
    return telemetry.current_cause().correlation_id


def app_with(engine: AsyncEngine, *checks: http.Check) -> FastAPI:
    return http.create_service(
        "lemons",
        version="1",
        engine=engine,
        routers=[router],
        internal_secrets=[SECRET],
        checks=checks,
    )


def client_of(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://lemons")


@pytest.fixture
async def client(engine: AsyncEngine) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app_with(engine)) as client:
        yield client


async def test_a_refusal_is_a_problem_with_its_facts(client: httpx.AsyncClient) -> None:
    answer = await client.get("/sour")

    assert answer.status_code == 418
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem.pop("trace_id")
    assert problem == {
        "type": "https://rekindle.example/problems/too-sour",
        "title": "Too sour",
        "status": 418,
        "detail": "This lemon is sour.",
        "instance": "/sour",
        "code": "too-sour",
        "acidity": 7,
    }


async def test_a_problem_that_passes_says_when_to_come_back(client: httpx.AsyncClient) -> None:
    assert (await client.get("/later")).headers["retry-after"] == "3"


async def test_a_bug_is_a_500_that_shows_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.get("/broken")

    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "ZeroDivision" not in answer.text


async def test_a_wrong_field_is_named_and_its_value_is_not_echoed(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.post("/lemons", json={"weight": "canary"})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
    assert "weight" in answer.json()["detail"]
    assert "canary" not in answer.text


async def test_an_unknown_address_is_a_problem_too(client: httpx.AsyncClient) -> None:
    assert (await client.get("/nowhere")).json()["code"] == "not-found"
    assert (await client.delete("/sour")).json()["code"] == "method-not-allowed"


async def test_a_body_beyond_the_bound_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/lemons", content=b" " * (http.BODY_BYTES_MAX + 1))

    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")


async def test_success_is_not_told_before_the_commit(client: httpx.AsyncClient) -> None:
    assert (await client.post("/deferred")).status_code == 500


async def test_a_caller_is_believed_by_its_token_only(client: httpx.AsyncClient) -> None:
    account_id = uuid4()
    token = TokenSource(issuer="gateway", audience="lemons", secret=SECRET).token(account_id)

    good = await client.get("/mine", headers={"authorization": f"Bearer {token}"})
    assert good.json() == str(account_id)
    for headers in ({}, {"authorization": token}, {"x-account-id": str(account_id)}):
        assert (await client.get("/mine", headers=headers)).status_code == 401


async def test_the_correlation_id_comes_from_the_caller_or_is_made(
    client: httpx.AsyncClient,
) -> None:
    given = uuid4()

    assert (await client.get("/cause", headers={"x-correlation-id": str(given)})).json() == str(
        given
    )
    assert UUID((await client.get("/cause", headers={"x-correlation-id": "no"})).json())


async def test_health_tells_alive_from_ready(engine: AsyncEngine) -> None:
    async def missing() -> None:
        raise OSError

    async with client_of(app_with(engine, missing)) as client:
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503
    async with client_of(app_with(engine)) as client:
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.get("/version")).json() == {"service": "lemons", "version": "1"}
