"""Who is let in, and what a request costs its sender."""

import asyncio
import json
import time

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.gateway import accounts, sessions
from tests.gateway.conftest import OpenDoor
from tests.gateway.doors import Door, person
from tests.kit import minting


async def session_of(engine: AsyncEngine, issuer_url: str) -> str:
    """The cookie value of somebody who signed in with a browser."""
    async with engine.begin() as connection:
        subject = person()
        account_id = await accounts.find_or_open(connection, issuer=issuer_url, subject=subject)
        return await sessions.begin(connection, account_id=account_id, subject=subject)


async def test_a_good_token_opens_an_account_and_keeps_it(door: Door, engine: AsyncEngine) -> None:
    subject = person()

    async with door.visit(subject) as visitor:
        first = await visitor.get("/v1/me")
        again = await visitor.get("/v1/me")

    assert first.status_code == 200
    assert first.json() == again.json()
    assert first.json()["email"] is None
    async with engine.begin() as connection:
        said = (await connection.execute(text("select payload from outbox"))).scalars().all()
    assert [message["type"] for message in said] == ["gateway.account.opened.v1"]
    assert said[0]["data"] == {"account_id": first.json()["account_id"]}


async def test_twenty_first_requests_at_once_open_one_account(
    door: Door, engine: AsyncEngine
) -> None:
    async with door.visit(person()) as visitor:
        answers = await asyncio.gather(*(visitor.get("/v1/me") for _ in range(20)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["account_id"] for answer in answers}) == 1
    async with engine.begin() as connection:
        counts = "select (select count(*) from accounts), (select count(*) from outbox)"
        assert (await connection.execute(text(counts))).one() == (1, 1)


async def test_accounts_opened_at_once_without_a_cache_are_one(
    engine: AsyncEngine, issuer_url: str
) -> None:
    subject = person()

    async def open_it() -> object:
        async with engine.begin() as connection:
            return await accounts.find_or_open(connection, issuer=issuer_url, subject=subject)

    found = await asyncio.gather(*(open_it() for _ in range(20)))

    assert len(set(found)) == 1
    async with engine.begin() as connection:
        assert (await connection.execute(text("select count(*) from outbox"))).scalar_one() == 1


def _without_signature(said: dict[str, object]) -> str:
    header = minting.encoded(b'{"alg":"none","typ":"JWT","kid":"new"}')
    return f"{header}.{minting.encoded(json.dumps(said).encode())}."


@pytest.mark.parametrize("spoiled", ["none", "expired", "no-alg", "scheme", "twice", "garbage"])
async def test_a_bad_token_is_a_401_problem(door: Door, spoiled: str) -> None:
    good = door.token()
    said = minting.claims(iss=door.issuer_url, aud="https://api.rekindle.local/")
    headers = {
        "none": [],
        "expired": [("authorization", f"Bearer {door.token(iat_in_s=-900, exp_in_s=-300)}")],
        "no-alg": [("authorization", f"Bearer {_without_signature(said)}")],
        "scheme": [("authorization", f"Basic {good}")],
        "twice": [("authorization", f"Bearer {good}")] * 2,
        "garbage": [("authorization", "Bearer a.b.c")],
    }[spoiled]

    async with door.browse() as visitor:
        answer = await visitor.get("/v1/me", headers=headers)

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "unauthenticated"
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_token_in_the_query_is_not_looked_at(door: Door) -> None:
    async with door.browse() as visitor:
        answer = await visitor.get("/v1/me", params={"access_token": door.token()})

    assert answer.status_code == 401


async def test_a_session_cookie_reads_without_further_proof(
    door: Door, engine: AsyncEngine, issuer_url: str
) -> None:
    cookie = await session_of(engine, issuer_url)

    async with door.browse(rekindle=cookie) as browser:
        assert (await browser.get("/v1/me")).status_code == 200
    async with door.browse(rekindle=cookie[:-1]) as stranger:
        assert (await stranger.get("/v1/me")).status_code == 401


async def test_a_session_that_is_over_lets_nobody_in(
    door: Door, engine: AsyncEngine, issuer_url: str
) -> None:
    cookie = await session_of(engine, issuer_url)
    async with engine.begin() as connection:
        await connection.execute(text("update sessions set expires_at = now()"))

    async with door.browse(rekindle=cookie) as browser:
        assert (await browser.get("/v1/me")).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "same-origin", "origin": "https://elsewhere.example"},
    ],
)
async def test_a_change_from_another_site_is_refused(
    door: Door, engine: AsyncEngine, issuer_url: str, headers: dict[str, str]
) -> None:
    cookie = await session_of(engine, issuer_url)

    async with door.browse(rekindle=cookie) as browser:
        change = await browser.post("/v1/photos", json={}, headers=headers)
        goodbye = await browser.post("/logout", headers=headers)
        still = await browser.get("/v1/me")

    assert (change.status_code, change.json()["code"]) == (403, "cross-site-request")
    assert goodbye.status_code == 403
    assert still.status_code == 200


@pytest.mark.parametrize("proof", ["origin", "sec-fetch-site"])
async def test_a_change_from_our_own_page_is_accepted(
    door: Door, engine: AsyncEngine, issuer_url: str, proof: str
) -> None:
    cookie = await session_of(engine, issuer_url)
    headers = {"origin": door.url} if proof == "origin" else {proof: "same-origin"}

    async with door.browse(rekindle=cookie) as browser:
        answer = await browser.post("/v1/photos", json={}, headers=headers)

    assert answer.json()["code"] == "invalid-request"


async def test_signing_out_ends_the_session_here_and_at_the_issuer(
    door: Door, engine: AsyncEngine, issuer_url: str
) -> None:
    cookie = await session_of(engine, issuer_url)

    async with door.browse(rekindle=cookie) as browser:
        answer = await browser.post("/logout", headers={"origin": door.url})

    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{issuer_url}v2/logout?client_id=")
    async with door.browse(rekindle=cookie) as browser:
        assert (await browser.get("/v1/me")).status_code == 401


async def test_an_account_that_asks_too_often_waits(open_door: OpenDoor) -> None:
    door = open_door(rate_limit_factor=5 / 600)

    async with door.visit() as visitor, door.visit() as other:
        answers = [await visitor.get("/v1/me") for _ in range(6)]
        someone_else = await other.get("/v1/me")

    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert answers[0].headers["ratelimit-policy"] == '"reads";q=5;w=60'
    assert answers[0].headers["ratelimit"] == '"reads";r=4;t=12'
    refused = answers[-1]
    assert refused.json()["code"] == "too-many-requests"
    assert int(refused.headers["retry-after"]) == refused.json()["retry_after_s"] == 12
    assert someone_else.status_code == 200


async def test_an_address_of_ones_own_choice_has_no_effect(open_door: OpenDoor) -> None:
    door = open_door(rate_limit_factor=2 / 120)
    names = ("x-forwarded-for", "x-real-ip", "forwarded")

    async with door.browse() as visitor:
        answers = [
            await visitor.get("/v1/me", headers=dict.fromkeys(names, f"10.0.0.{number}"))
            for number in range(3)
        ]

    assert [answer.status_code for answer in answers] == [401, 401, 429]


async def test_headers_of_our_services_have_no_effect_from_outside(door: Door) -> None:
    told = "00000000-0000-0000-0000-00000000beef"
    named = {"x-correlation-id": told, "x-user-id": told, "x-account-id": told}

    async with door.visit(**named) as visitor:
        missing = await visitor.get(f"/v1/photos/{told}")
        me = await visitor.get("/v1/me")

    assert missing.status_code == 404
    assert missing.json()["trace_id"] != told
    assert me.json()["account_id"] != told


async def test_a_program_that_knows_only_half_a_header_is_refused_quickly(door: Door) -> None:
    async with door.browse() as visitor:
        started = time.monotonic()
        answer = await visitor.get("/v1/me", headers={"authorization": "Bearer " + "a" * 20_000})

    assert answer.status_code == 401
    assert time.monotonic() - started < 1
