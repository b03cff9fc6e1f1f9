"""Logging in: what is sent, what is believed, and what a program on the same machine cannot do."""

import asyncio
import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from sdk.rekindle import login as login_module
from sdk.rekindle.forms import first_form
from sdk.rekindle.login import Attempt, Issuer, login_in_browser, login_with_password
from sdk.rekindle.problems import LoginFailed, NotLoggedIn, Unreachable
from sdk.rekindle.tokens import Tokens
from tests.sdk.scripted import answer, scripted

GRANTED = {"access_token": "a", "refresh_token": "r", "expires_in": 600, "token_type": "Bearer"}
PAGE = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n"
    b'<form action="/search"><input name="q"></form>'
    b'<form method="post" action="/u/login?state=x">'
    b'<input type="hidden" name="csrf" value="c&amp;d">'
    b'<input name="email"><input type="password" name="password"></form>'
)


def fields(body: bytes) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(body.decode()).items()}


def test_the_challenge_is_the_hash_of_a_verifier_nobody_can_guess() -> None:
    one, other = Attempt("http://127.0.0.1/callback"), Attempt("http://127.0.0.1/callback")

    digest = sha256(one.verifier.encode()).digest()
    assert one.challenge == urlsafe_b64encode(digest).decode().rstrip("=")
    assert re.fullmatch(r"[\w.~-]{43,128}", one.verifier)
    assert one.verifier != other.verifier
    assert one.state != other.state


def test_the_issuer_is_asked_as_an_api_program_with_pkce() -> None:
    attempt = Attempt("http://127.0.0.1:5/callback")
    address = urlsplit(Issuer("http://issuer/").authorize_url(attempt))
    query = {name: values[0] for name, values in parse_qs(address.query).items()}

    assert address.path == "/authorize"
    assert query == {
        "response_type": "code",
        "client_id": "rekindle-cli",
        "redirect_uri": "http://127.0.0.1:5/callback",
        "audience": "https://api.rekindle.local/",
        "scope": "openid email offline_access",
        "state": attempt.state,
        "code_challenge": attempt.challenge,
        "code_challenge_method": "S256",
    }


def test_an_answer_to_another_login_is_not_believed() -> None:
    attempt = Attempt("http://127.0.0.1/callback")

    with pytest.raises(LoginFailed, match="does not belong"):
        attempt.code_in("/callback?code=stolen&state=guessed")
    with pytest.raises(LoginFailed, match="does not belong"):
        attempt.code_in("/callback?code=stolen")
    with pytest.raises(LoginFailed, match="Not today"):
        attempt.code_in(f"/callback?error=denied&error_description=Not+today&state={attempt.state}")


def test_the_login_form_is_found_among_others() -> None:
    form = first_form(PAGE.decode())

    assert form is not None
    assert (form.action, form.hidden) == ("/u/login?state=x", {"csrf": "c&d"})
    assert first_form("<form><input name=q></form>") is None


async def test_the_browsers_answer_comes_to_a_port_of_ours() -> None:
    shown: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with scripted(answer(200, GRANTED)) as server:
        waiting = asyncio.create_task(login_in_browser(Issuer(server.url), shown.set_result))
        query = parse_qs(urlsplit(await shown).query)
        back = query["redirect_uri"][0]
        async with httpx.AsyncClient() as browser:
            await browser.get(back.replace("/callback", "/favicon.ico"))
            page = await browser.get(back, params={"code": "k", "state": query["state"][0]})
        tokens = await waiting

    assert urlsplit(back).hostname == "127.0.0.1"
    assert "You are logged in" in page.text
    assert tokens.access_token == "a"
    sent = fields(server.requests[0].body)
    assert sent["code"] == "k"
    assert sent["redirect_uri"] == back
    digest = sha256(sent["code_verifier"].encode()).digest()
    assert urlsafe_b64encode(digest).decode().rstrip("=") == query["code_challenge"][0]


async def test_a_login_that_nobody_finishes_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_module, "PERSON_TIMEOUT_S", 0.05)

    with pytest.raises(LoginFailed, match="Nobody logged in"):
        await login_in_browser(Issuer("http://issuer"), lambda _: None)


async def test_a_wrong_password_is_tried_a_bounded_number_of_times() -> None:
    async with scripted(*[PAGE] * 20) as server:
        with pytest.raises(LoginFailed, match="did not accept"):
            await login_with_password(Issuer(server.url), email="e@x", password="wrong")

    assert len(server.requests) == login_module.STEPS_MAX + 1
    assert server.requests[1].target == "/u/login?state=x"
    assert fields(server.requests[1].body) == {"csrf": "c&d", "email": "e@x", "password": "wrong"}


async def test_a_renewed_login_keeps_the_newest_refresh_token() -> None:
    old = Tokens("a0", "r0", 0, "http://issuer")
    without_rotation = {"access_token": "a2", "expires_in": 60}
    async with scripted(answer(200, GRANTED), answer(200, without_rotation)) as server:
        rotated = await Issuer(server.url).renew(old)
        kept = await Issuer(server.url).renew(rotated)

    assert fields(server.requests[0].body)["refresh_token"] == "r0"
    assert rotated.refresh_token == "r"
    assert (kept.access_token, kept.refresh_token) == ("a2", "r")


async def test_a_spent_refresh_token_means_logging_in_again() -> None:
    refusal = answer(403, {"error": "invalid_grant", "error_description": "Unknown token."})
    async with scripted(refusal) as server:
        with pytest.raises(NotLoggedIn, match="Unknown token"):
            await Issuer(server.url).renew(Tokens("a", "r", 0, server.url))


async def test_an_issuer_that_is_away_does_not_end_the_login() -> None:
    async with scripted(answer(503, {})) as server:
        issuer = Issuer(server.url)
        with pytest.raises(Unreachable):
            await issuer.renew(Tokens("a", "r", 0, server.url))
        with pytest.raises(Unreachable, match="does not answer"):
            await issuer.renew(Tokens("a", "r", 0, server.url))
