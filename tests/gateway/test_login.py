"""Signing in with a browser, at the real issuer."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.issuer.app import create_app as create_issuer
from deploy.local.issuer.settings import Client
from deploy.local.issuer.settings import Settings as IssuerSettings
from sdk.rekindle.forms import first_form
from services.gateway.errors import LoginFailed
from services.gateway.issuer import LoginAttempt
from tests.gateway.conftest import OpenDoor
from tests.gateway.doors import AUDIENCE, WEB, Door, free_port, served
from tests.stripe.browser import Browser

EMAIL, PASSWORD = "aunt@example.com", "a quiet afternoon 1936"
SECRET = "what seals the cookies of this test"
STEPS_MAX = 6
PAID_WITHIN_S = 60.0


@pytest.fixture
async def house(open_door: OpenDoor, tmp_path: Path) -> AsyncIterator[Door]:
    """A gateway whose issuer knows one person and sends browsers back to it."""
    port = free_port()
    issuer_url, public_url = f"http://127.0.0.1:{port}/", f"http://127.0.0.1:{free_port()}"
    client = Client(callbacks=(f"{public_url}/callback",), logout=(f"{public_url}/",))
    settings = IssuerSettings(
        url=issuer_url,
        home=tmp_path,
        audience=AUDIENCE,
        clients={WEB: client},
        demo_email=EMAIL,
        demo_password=SecretStr(PASSWORD),
    )
    with served(partial(create_issuer, settings), port):
        yield open_door(oidc_issuer=issuer_url, public_url=public_url)


async def to_the_callback(browser: httpx.AsyncClient, start: str) -> httpx.URL:
    """Follow the browser from our door through the issuer's page to where it is sent back."""
    answer = await browser.get(start)
    for _ in range(STEPS_MAX):
        if answer.is_redirect:
            target = answer.url.join(answer.headers["location"])
            if target.path == "/callback":
                return target
            answer = await browser.get(target)
            continue
        form = first_form(answer.text)
        assert form, answer.text
        fields = {**form.hidden, "email": EMAIL, "password": PASSWORD}
        sent_from = {"origin": f"{answer.url.scheme}://{answer.url.netloc.decode()}"}
        answer = await browser.post(answer.url.join(form.action), data=fields, headers=sent_from)
    raise AssertionError(answer.text)


async def test_a_person_signs_in_and_out_with_a_browser(house: Door, engine: AsyncEngine) -> None:
    async with house.browse() as browser:
        back = await browser.get(await to_the_callback(browser, "/login?return_to=/v1/me"))
        me = await browser.get(back.headers["location"])
        page = await browser.get("/")
        goodbye = await browser.post("/logout", headers={"origin": house.url})
        at_the_issuer = await browser.get(goodbye.headers["location"])
        afterwards = await browser.get("/v1/me")

    assert (back.status_code, back.headers["location"]) == (303, "/v1/me")
    assert me.json()["email"] == EMAIL
    assert f"You are signed in as {EMAIL}" in page.text
    assert at_the_issuer.headers["location"] == f"{house.url}/"
    assert afterwards.status_code == 401
    (cookie,) = [c for c in back.headers.get_list("set-cookie") if c.startswith("rekindle=")]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    value = cookie.partition("=")[2].partition(";")[0]
    async with engine.begin() as connection:
        said = (await connection.execute(text("select payload from outbox"))).scalars().all()
        dumped = (await connection.execute(text("select sessions::text from sessions"))).all()
    assert [message["type"] for message in said] == ["gateway.account.opened.v1"]
    assert value not in str(dumped)


async def test_who_comes_back_from_paying_sees_the_credits_arrive(
    house: Door, stack: dict[str, Any]
) -> None:
    async with house.browse() as browser:
        await browser.get(await to_the_callback(browser, "/login"))
        headers = {"origin": house.url, "idempotency-key": str(uuid4())}
        bought = await browser.post("/v1/checkout", json={"top_up": 10}, headers=headers)
        checkout = bought.json()
        way_back = f"/?checkout={checkout['id']}&outcome=paid"
        early = await browser.get(way_back)
        left = await browser.get(f"/?checkout={checkout['id']}&outcome=left")
        somebody_elses = await browser.get(f"/?checkout={uuid4()}&outcome=paid")
        person = Browser(stack["stripe_url"])
        await asyncio.to_thread(person.pay, checkout["url"])
        person.close()
        async with asyncio.timeout(PAID_WITHIN_S):
            while "You have 13 credits" not in (page := await browser.get(way_back)).text:
                await asyncio.sleep(0.1)

    assert "being confirmed" in early.text
    assert "You have 3 credits" in early.text
    assert early.headers["refresh"] == "2"
    assert "Nothing was paid" in left.text
    assert "arrived" not in somebody_elses.text
    assert "Your payment has arrived" in page.text
    assert "refresh" not in page.headers


async def test_who_comes_back_from_paying_elsewhere_is_thanked(house: Door) -> None:
    async with house.browse() as browser:
        page = await browser.get(f"/?checkout={uuid4()}&outcome=paid")

    assert "arrives when the payment is confirmed" in page.text
    assert "Sign in" in page.text


async def test_without_a_balance_the_page_is_shown_all_the_same(
    open_door: OpenDoor, house: Door
) -> None:
    async with house.browse() as browser:
        await browser.get(await to_the_callback(browser, "/login"))
        away = open_door(oidc_issuer=house.issuer_url, credits_url="http://127.0.0.1:9")
        async with away.browse(**dict(browser.cookies)) as elsewhere:
            page = await elsewhere.get("/?checkout=nonsense&outcome=paid")

    assert f"You are signed in as {EMAIL}." in page.text
    assert "credits to spend" not in page.text


async def test_two_logins_are_one_account_and_one_session(house: Door, engine: AsyncEngine) -> None:
    async with house.browse() as browser:
        for _ in range(2):
            await browser.get(await to_the_callback(browser, "/login"))

    async with engine.begin() as connection:
        counts = "select (select count(*) from accounts), (select count(*) from sessions)"
        assert (await connection.execute(text(counts))).one() == (1, 1)


@pytest.mark.parametrize(
    "target",
    [
        "https://elsewhere.example/",
        "//elsewhere.example",
        "/\\elsewhere.example",
        "/\t/elsewhere.example",
        "javascript:alert(1)",
        "elsewhere",
        "/" + "a" * 600,
    ],
)
async def test_nobody_is_sent_elsewhere_after_signing_in(house: Door, target: str) -> None:
    async with house.browse() as browser:
        begun = await browser.get("/login", params={"return_to": target})

    cookie = begun.cookies["rekindle-login"].strip('"')
    attempt = LoginAttempt.opened(cookie, SECRET)
    assert attempt.return_to == "/"


async def test_a_code_from_another_browser_is_not_taken(house: Door, engine: AsyncEngine) -> None:
    async with house.browse() as attacker, house.browse() as victim:
        target = await to_the_callback(attacker, "/login")
        without_cookie = await victim.get(target)
        await victim.get("/login")
        with_another = await victim.get(target)

    for answer in (without_cookie, with_another):
        assert (answer.status_code, answer.headers["location"]) == (303, "/?sign_in=failed")
        assert "rekindle=" not in str(answer.headers.get_list("set-cookie"))
    async with engine.begin() as connection:
        assert (await connection.execute(text("select count(*) from sessions"))).scalar_one() == 0


async def test_an_answer_to_another_question_is_not_taken(house: Door) -> None:
    async with house.browse() as browser:
        target = await to_the_callback(browser, "/login")
        other = target.copy_set_param("state", "guessed")
        answer = await browser.get(other)

    assert answer.headers["location"] == "/?sign_in=failed"


async def test_a_code_works_once(house: Door) -> None:
    async with house.browse() as browser, house.browse() as later:
        target = await to_the_callback(browser, "/login")
        attempt = dict(browser.cookies)
        await browser.get(target)
        later.cookies.update(attempt)
        again = await later.get(target)

    assert again.headers["location"] == "/?sign_in=failed"


async def test_a_refusal_of_the_issuer_leads_back_to_a_calm_page(house: Door) -> None:
    async with house.browse() as browser:
        begun = await browser.get("/login")
        state = parse_qs(urlsplit(begun.headers["location"]).query)["state"][0]
        answer = await browser.get("/callback", params={"error": "denied", "state": state})
        page = await browser.get(answer.headers["location"])

    assert "did not work" in page.text


async def test_an_issuer_that_is_away_leads_back_too(open_door: OpenDoor) -> None:
    door = open_door(oidc_issuer="http://127.0.0.1:9/")
    async with door.browse() as browser:
        begun = await browser.get("/login")
        state = parse_qs(urlsplit(begun.headers["location"]).query)["state"][0]
        answer = await browser.get("/callback", params={"code": "c", "state": state})

    assert answer.headers["location"] == "/?sign_in=failed"


async def test_the_issuer_must_name_our_nonce(house: Door) -> None:
    async with house.browse() as browser:
        target = await to_the_callback(browser, "/login")
        cookie = browser.cookies["rekindle-login"].strip('"')
        attempt = LoginAttempt.opened(cookie, SECRET)
        forged = replace(attempt, nonce="another").sealed(SECRET)
        browser.cookies.clear()
        answer = await browser.get(target, headers={"cookie": f"rekindle-login={forged}"})

    assert answer.headers["location"] == "/?sign_in=failed"


def test_an_attempt_is_sealed_and_does_not_last() -> None:
    attempt = LoginAttempt.new(return_to="/")
    sealed = attempt.sealed(SECRET)
    late = replace(attempt, expires=int(time.time()) - 1).sealed(SECRET)

    assert LoginAttempt.opened(sealed, SECRET) == attempt
    for bad in ("", "a.b", sealed[:-1], "A" + sealed, late, attempt.sealed("another secret")):
        with pytest.raises(LoginFailed):
            LoginAttempt.opened(bad, SECRET)


async def test_over_tls_the_cookies_say_so(open_door: OpenDoor) -> None:
    port = free_port()
    door = open_door(public_url=f"https://127.0.0.1:{port}")
    async with httpx.AsyncClient(trust_env=False) as browser:
        begun = await browser.get(f"http://127.0.0.1:{port}/login")

    assert door.url.startswith("https")
    assert "Secure" in begun.headers["set-cookie"]
    assert begun.headers["strict-transport-security"].startswith("max-age=")


@pytest.fixture(autouse=True)
def _known_secret(settings: dict[str, Any]) -> None:
    settings["session_secret"] = SECRET
