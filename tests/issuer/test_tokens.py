"""What programs get, how they renew it, and how it ends."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from jose import jwt

from deploy.local.issuer import grants
from deploy.local.issuer.app import create_app
from deploy.local.issuer.grants import REFRESH_LIFETIME_S
from deploy.local.issuer.settings import Settings
from services.kit.tokens import InvalidToken, TokenVerifier
from tests.issuer.browser import (
    AUDIENCE,
    CALLBACK,
    CLI,
    EMAIL,
    ISSUER,
    WEB,
    WEB_ORIGIN,
    Browser,
    Program,
)
from tests.issuer.conftest import Clock


def read(token: str) -> dict[str, Any]:
    return dict(jwt.get_unverified_claims(token))


async def test_an_access_token_says_what_auth0_says(browser: Browser, program: Program) -> None:
    claims = read((await browser.tokens(program))["access_token"])

    assert claims.pop("exp") - claims.pop("iat") == 86_400
    assert claims == {
        "iss": ISSUER,
        "sub": "auth0|demo",
        "aud": [AUDIENCE, f"{ISSUER}userinfo"],
        "azp": WEB,
        "scope": "openid email offline_access",
    }


async def test_an_id_token_says_who_signed_in_to_the_program_that_asked(
    browser: Browser, program: Program
) -> None:
    tokens = await browser.tokens(program, scope="openid email profile")

    keys = (await browser.http.get("/.well-known/jwks.json")).json()
    claims = jwt.decode(tokens["id_token"], keys, ["RS256"], audience=WEB, issuer=ISSUER)
    assert claims["sub"] == "auth0|demo"
    assert claims["nonce"] == program.question()["nonce"]
    assert (claims["email"], claims["email_verified"]) == (EMAIL, True)
    assert claims["name"] == EMAIL
    assert claims["sid"]


async def test_an_id_token_is_not_accepted_for_an_access_token(
    browser: Browser, program: Program
) -> None:
    tokens = await browser.tokens(program)

    async def key_set() -> dict[str, Any]:
        return dict((await browser.http.get("/.well-known/jwks.json")).json())

    with pytest.raises(InvalidToken):
        await TokenVerifier(ISSUER, AUDIENCE, [WEB], key_set).verify(tokens["id_token"])


async def test_a_program_gets_only_what_it_asked_for(browser: Browser, program: Program) -> None:
    tokens = await browser.tokens(program, scope="email unheard:of")

    assert "id_token" not in tokens
    assert "refresh_token" not in tokens
    assert tokens["scope"] == "email"
    assert read(tokens["access_token"])["aud"] == [AUDIENCE]


async def test_without_an_audience_a_token_opens_no_api(browser: Browser, program: Program) -> None:
    tokens = await browser.tokens(program, audience=None)

    assert read(tokens["access_token"])["aud"] == [f"{ISSUER}userinfo"]


async def test_a_refresh_token_is_replaced_when_used(browser: Browser, program: Program) -> None:
    first = await browser.tokens(program)

    second = (await browser.renew(program, first["refresh_token"])).json()
    third = await browser.renew(program, second["refresh_token"])

    assert third.status_code == 200
    assert (
        len({first["refresh_token"], second["refresh_token"], third.json()["refresh_token"]}) == 3
    )
    assert read(second["access_token"])["sub"] == "auth0|demo"
    assert "nonce" not in read(second["id_token"])


async def test_a_refresh_token_used_twice_ends_its_family(
    browser: Browser, program: Program
) -> None:
    first = await browser.tokens(program)
    second = (await browser.renew(program, first["refresh_token"])).json()
    unrelated = await browser.tokens(program, prompt="login")

    copied = await browser.renew(program, first["refresh_token"])

    assert copied.status_code == 403
    assert copied.json() == {
        "error": "invalid_grant",
        "error_description": "Unknown or invalid refresh token.",
    }
    assert (await browser.renew(program, second["refresh_token"])).status_code == 403
    assert (await browser.renew(program, unrelated["refresh_token"])).status_code == 200


async def test_a_refresh_token_is_no_use_to_another_program(
    browser: Browser, program: Program
) -> None:
    token = (await browser.tokens(program))["refresh_token"]

    assert (await browser.renew(Program(CLI), token)).status_code == 403
    assert (await browser.renew(program, token)).status_code == 200


async def test_a_refresh_may_ask_for_less_and_not_for_more(
    browser: Browser, program: Program
) -> None:
    token = (await browser.tokens(program))["refresh_token"]

    renewed = (await browser.renew(program, token, scope="openid profile")).json()

    assert renewed["scope"] == "openid"


async def test_a_family_ends_a_month_after_the_login(
    browser: Browser, program: Program, clock: Clock
) -> None:
    token = (await browser.tokens(program))["refresh_token"]
    clock.later_s = REFRESH_LIFETIME_S - 10
    token = (await browser.renew(program, token)).json()["refresh_token"]

    clock.later_s = REFRESH_LIFETIME_S + 10

    assert (await browser.renew(program, token)).status_code == 403


async def test_a_revoked_token_is_good_no_more(browser: Browser, program: Program) -> None:
    token = (await browser.tokens(program))["refresh_token"]
    by_another = {"client_id": CLI, "token": token}
    assert (await browser.http.post("/oauth/revoke", json=by_another)).status_code == 200
    token = (await browser.renew(program, token)).json()["refresh_token"]

    revoked = await browser.http.post("/oauth/revoke", json={"client_id": WEB, "token": token})

    assert revoked.status_code == 200
    assert (await browser.renew(program, token)).status_code == 403


async def test_no_more_refresh_tokens_are_kept_than_allowed(
    browser: Browser, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grants, "REFRESH_TOKENS_MAX", 2)
    kept = [(await browser.tokens(program, prompt="login"))["refresh_token"] for _ in range(3)]

    assert (await browser.renew(program, kept[0])).status_code == 403
    assert (await browser.renew(program, kept[2])).status_code == 200


async def test_a_login_survives_a_restart(
    browser: Browser, program: Program, app: FastAPI, settings: Settings
) -> None:
    tokens = await browser.tokens(program)
    app.state.issuer.close()
    restarted = create_app(settings)
    again = Browser(httpx.ASGITransport(restarted))

    async with again.http:
        renewed = await again.renew(program, tokens["refresh_token"])
        who = await again.http.get(
            "/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"}
        )
    restarted.state.issuer.close()

    assert renewed.status_code == 200
    assert who.json() == {"sub": "auth0|demo", "email": EMAIL, "email_verified": True}


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer x.y.z", "Basic {token}", "bearer {token}", "Bearer {token}x"],
)
async def test_userinfo_is_for_who_has_a_token(
    browser: Browser, program: Program, header: str
) -> None:
    token = (await browser.tokens(program))["access_token"]

    refused = await browser.http.get(
        "/userinfo", headers={"authorization": header.format(token=token)}
    )

    assert refused.status_code == 401
    assert refused.text == "Unauthorized"


MISSING = "Missing required parameter: "


@pytest.mark.parametrize(
    ("fields", "status", "error", "description"),
    [
        ({}, 400, "invalid_request", f"{MISSING}grant_type"),
        ({"grant_type": "authorization_code"}, 400, "invalid_request", f"{MISSING}client_id"),
        (
            {"grant_type": "authorization_code", "client_id": WEB},
            400,
            "invalid_request",
            f"{MISSING}code",
        ),
        (
            {"grant_type": "authorization_code", "client_id": WEB, "code": "x"},
            400,
            "invalid_request",
            f"{MISSING}code_verifier",
        ),
        (
            {"grant_type": "refresh_token", "client_id": WEB},
            400,
            "invalid_request",
            f"{MISSING}refresh_token",
        ),
        ({"grant_type": "refresh_token", "client_id": "x"}, 401, "access_denied", "Unauthorized"),
        (
            {"grant_type": "client_credentials", "client_id": WEB},
            403,
            "unauthorized_client",
            "Grant type 'client_credentials' not allowed for the client.",
        ),
        ({"grant_type": "magic"}, 403, "unsupported_grant_type", "Unsupported grant type: magic"),
    ],
    ids=str,
)
async def test_a_mistaken_program_is_told_in_oauths_words(
    browser: Browser, fields: dict[str, str], status: int, error: str, description: str
) -> None:
    for sent in ({"json": fields}, {"data": fields}):
        refused = await browser.http.post("/oauth/token", **sent)  # type: ignore[arg-type]

        assert refused.status_code == status
        assert refused.json() == {"error": error, "error_description": description}
        assert refused.headers["cache-control"] == "no-store"


BODIES: dict[str, Callable[[], bytes]] = {
    "not JSON": lambda: b"{",
    "a list": lambda: b"[]",
    "deep": lambda: b"[" * 8_000,
    "too long": lambda: json.dumps({"grant_type": "x" * 20_000}).encode(),
    "not text": lambda: b"\xff\xfe",
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("media_type", ["application/json", "application/x-www-form-urlencoded"])
async def test_a_body_that_cannot_be_read_is_refused(
    browser: Browser, name: str, media_type: str
) -> None:
    headers = {"content-type": media_type}

    refused = await browser.http.post("/oauth/token", content=BODIES[name](), headers=headers)

    assert refused.status_code == 400
    assert refused.json()["error"] == "invalid_request"


async def test_the_programs_web_origin_may_call_and_no_other(browser: Browser) -> None:
    asked = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "auth0-client",
    }

    known = await browser.http.options("/oauth/token", headers={"origin": WEB_ORIGIN} | asked)
    unknown = await browser.http.options(
        "/oauth/token", headers={"origin": "https://evil.example"} | asked
    )

    assert known.headers["access-control-allow-origin"] == WEB_ORIGIN
    assert "access-control-allow-credentials" not in known.headers
    assert "access-control-allow-origin" not in unknown.headers


async def test_a_turned_key_signs_and_the_one_before_is_still_shown(
    browser: Browser, program: Program
) -> None:
    before = (await browser.tokens(program))["access_token"]
    await browser.http.get("/userinfo", headers={"authorization": f"Bearer {before}"})
    turned = (await browser.http.post("/dev/rotate-keys")).json()["keys"]
    after = (await browser.tokens(program, prompt="login"))["access_token"]

    kids = [jwt.get_unverified_header(token)["kid"] for token in (after, before)]
    assert [key["kid"] for key in turned] == kids
    for token in (before, after):
        headers = {"authorization": f"Bearer {token}"}
        assert (await browser.http.get("/userinfo", headers=headers)).status_code == 200


async def test_a_key_turned_twice_is_gone(browser: Browser, program: Program) -> None:
    token = (await browser.tokens(program))["access_token"]
    for _ in range(2):
        turned = (await browser.http.post("/dev/rotate-keys")).json()["keys"]

    headers = {"authorization": f"Bearer {token}"}
    assert len(turned) == 2
    assert (await browser.http.get("/userinfo", headers=headers)).status_code == 401


async def test_no_private_part_of_a_key_is_shown(browser: Browser) -> None:
    (key,) = (await browser.http.get("/.well-known/jwks.json")).json()["keys"]

    assert set(key) == {"kty", "kid", "use", "alg", "n", "e"}


async def test_signing_out_ends_the_session_and_goes_on(browser: Browser, program: Program) -> None:
    await browser.log_in(program)

    gone = await browser.http.get(
        "/v2/logout", params={"client_id": WEB, "returnTo": f"{WEB_ORIGIN}/"}
    )

    assert gone.headers["location"] == f"{WEB_ORIGIN}/"
    assert "Welcome back" in (await browser.ask(program)).text


async def test_signing_out_by_openid_connect_knows_the_program_by_its_id_token(
    browser: Browser, program: Program
) -> None:
    hint = (await browser.tokens(program))["id_token"]
    target = {"post_logout_redirect_uri": f"{WEB_ORIGIN}/", "state": "s"}

    gone = await browser.http.get("/oidc/logout", params={"id_token_hint": hint} | target)

    assert gone.headers["location"] == f"{WEB_ORIGIN}/?state=s"
    assert "Welcome back" in (await browser.ask(program)).text


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v2/logout", {"client_id": WEB, "returnTo": "https://evil.example/"}),
        ("/v2/logout", {"client_id": CLI, "returnTo": f"{WEB_ORIGIN}/"}),
        ("/v2/logout", {"returnTo": CALLBACK}),
        ("/oidc/logout", {"client_id": WEB, "post_logout_redirect_uri": "https://evil.example/"}),
    ],
    ids=str,
)
async def test_signing_out_goes_nowhere_unknown(
    browser: Browser, path: str, asked: dict[str, str]
) -> None:
    refused = await browser.http.get(path, params=asked)

    assert refused.status_code == 400
    assert "location" not in refused.headers


async def test_signing_out_to_nowhere_says_so(browser: Browser) -> None:
    assert "You are signed out." in (await browser.http.get("/v2/logout")).text
