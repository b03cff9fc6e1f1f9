"""From a program's question to its code, as Auth0 documents it."""

import re
from urllib.parse import urlsplit

import httpx
import pytest

from deploy.local.issuer.authorize import SESSION_COOKIE
from deploy.local.issuer.grants import CODE_LIFETIME_S
from deploy.local.issuer.issuer import LOGIN_LIFETIME_S, SESSION_LIFETIME_S
from services.kit.tokens import TokenVerifier
from tests.issuer.browser import (
    AUDIENCE,
    CALLBACK,
    CLI,
    EMAIL,
    ISSUER,
    PASSWORD,
    WEB,
    WEB_ORIGIN,
    Browser,
    Program,
    alert_in,
    answer_in,
)
from tests.issuer.conftest import Clock


async def test_the_documented_addresses_are_discovered(browser: Browser) -> None:
    found = (await browser.http.get("/.well-known/openid-configuration")).json()

    assert found["issuer"] == ISSUER
    assert found["authorization_endpoint"] == f"{ISSUER}authorize"
    assert found["token_endpoint"] == f"{ISSUER}oauth/token"
    assert found["jwks_uri"] == f"{ISSUER}.well-known/jwks.json"
    assert found["code_challenge_methods_supported"] == ["S256"]


async def test_a_login_ends_in_a_token_that_our_gateway_accepts(
    browser: Browser, program: Program
) -> None:
    shown = await browser.ask(program)
    assert "Welcome back" in shown.text
    answer = answer_in(await browser.submit(shown, email=EMAIL, password=PASSWORD))
    assert answer["state"] == "the program's own"

    form = program.exchange(answer["code"])
    tokens = (await browser.http.post("/oauth/token", data=form)).json()

    async def key_set() -> dict[str, object]:
        return dict((await browser.http.get("/.well-known/jwks.json")).json())

    verifier = TokenVerifier(ISSUER, AUDIENCE, [WEB], key_set)
    principal = await verifier.verify(tokens["access_token"])
    assert (principal.subject, principal.client_id) == ("auth0|demo", WEB)
    assert principal.scopes == {"openid", "email", "offline_access"}
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 86_400


async def test_a_login_page_names_the_address_it_was_given(
    browser: Browser, program: Program
) -> None:
    shown = await browser.ask(program, login_hint='"><b>x@y.org')

    assert 'value="&quot;&gt;&lt;b&gt;x@y.org"' in shown.text


@pytest.mark.parametrize("email", [EMAIL, "nobody@rekindle.test", "", "' or 1=1 --"])
async def test_a_wrong_password_and_an_unknown_person_look_the_same(
    browser: Browser, program: Program, email: str
) -> None:
    shown = await browser.ask(program)

    refused = await browser.submit(shown, email=email, password="wrong")

    assert refused.status_code == 400
    assert alert_in(refused) == "Wrong email or password."
    assert 'aria-invalid="true"' in refused.text


async def test_a_refused_person_may_try_again_on_the_same_page(
    browser: Browser, program: Program
) -> None:
    refused = await browser.submit(await browser.ask(program), email=EMAIL, password="wrong")

    assert "code" in answer_in(await browser.submit(refused, email=EMAIL, password=PASSWORD))


async def test_an_address_is_the_same_in_capitals(browser: Browser, program: Program) -> None:
    shown = await browser.ask(program)

    assert "code" in answer_in(
        await browser.submit(shown, email=f" {EMAIL.upper()} ", password=PASSWORD)
    )


async def test_who_is_signed_in_is_not_asked_again(browser: Browser, program: Program) -> None:
    await browser.log_in(program)

    assert "code" in answer_in(await browser.ask(program))
    assert "code" in answer_in(await browser.ask(program, prompt="none"))


async def test_who_is_signed_in_is_asked_again_if_the_program_insists(
    browser: Browser, program: Program
) -> None:
    await browser.log_in(program)

    assert "Welcome back" in (await browser.ask(program, prompt="login")).text
    assert "Create your account" in (await browser.ask(program, screen_hint="signup")).text


async def test_a_new_session_ends_the_one_before_it(browser: Browser, program: Program) -> None:
    await browser.log_in(program)
    before = browser.http.cookies[SESSION_COOKIE]
    await browser.log_in(program, prompt="login")

    browser.http.cookies.set(SESSION_COOKIE, before, domain="127.0.0.1")

    assert answer_in(await browser.ask(program, prompt="none"))["error"] == "login_required"


async def test_a_session_ends_after_three_days(
    browser: Browser, program: Program, clock: Clock
) -> None:
    await browser.log_in(program)
    clock.later_s = SESSION_LIFETIME_S

    assert answer_in(await browser.ask(program, prompt="none"))["error"] == "login_required"


async def test_silence_is_answered_with_login_required(browser: Browser, program: Program) -> None:
    answer = answer_in(await browser.ask(program, prompt="none"))

    assert answer["error"] == "login_required"
    assert answer["error_description"] == "Login required"
    assert answer["state"] == "the program's own"


async def test_a_frame_is_answered_by_message_to_its_own_origin_only(
    browser: Browser, program: Program
) -> None:
    silent = {"prompt": "none", "response_mode": "web_message"}
    refused = await browser.ask(program, **silent)
    await browser.log_in(program)
    answered = await browser.ask(program, **silent)

    assert '"error": "login_required"' in refused.text
    assert re.search(r'"type": "authorization_response", "response": {"code": "', answered.text)
    assert f'"{WEB_ORIGIN}");' in answered.text
    assert f"frame-ancestors {WEB_ORIGIN}" in answered.headers["content-security-policy"]
    assert "x-frame-options" not in answered.headers


async def test_a_message_cannot_end_the_script_it_stands_in(
    browser: Browser, program: Program
) -> None:
    asked = {"prompt": "none", "response_mode": "web_message", "state": "</script><script>x"}

    assert "</script><script>" not in (await browser.ask(program, **asked)).text


async def test_a_program_without_a_web_origin_gets_no_messages(browser: Browser) -> None:
    program = Program(CLI, "http://127.0.0.1:4711/callback")

    refused = await browser.ask(program, prompt="none", response_mode="web_message")

    assert refused.status_code == 403


async def test_a_program_on_a_desktop_may_listen_at_any_port(browser: Browser) -> None:
    program = Program(CLI, "http://127.0.0.1:40123/callback")

    tokens = await browser.tokens(program)

    assert tokens["refresh_token"]


@pytest.mark.parametrize(
    ("client_id", "redirect_uri"),
    [
        (WEB, None),
        (WEB, ""),
        (WEB, "https://evil.example/callback"),
        (WEB, f"{CALLBACK}/"),
        (WEB, f"{CALLBACK}?next=x"),
        (WEB, "http://127.0.0.1:9501/callback"),
        (CLI, "http://127.0.0.1:40123/other"),
        (CLI, "http://127.0.0.1:40123/callback#x"),
        (CLI, "http://127.0.0.1:40123@evil.example/callback"),
        (CLI, "http://user@127.0.0.1:40123/callback"),
        (CLI, "http://127.0.0.1:99999/callback"),
        (CLI, "http://127.0.0.1:/callback"),
        (CLI, "http://localhost:40123/callback"),
        (CLI, "https://127.0.0.1:40123/callback"),
        (CLI, "http://127.0.0.1.evil.example:80/callback"),
    ],
)
async def test_an_unknown_callback_is_never_gone_to(
    browser: Browser, client_id: str, redirect_uri: str | None
) -> None:
    refused = await browser.ask(Program(client_id), redirect_uri=redirect_uri)

    assert refused.status_code == 403
    assert "Callback URL mismatch" in refused.text
    assert "location" not in refused.headers


async def test_an_unknown_program_is_told_so(browser: Browser) -> None:
    refused = await browser.ask(Program("nobody"))

    assert refused.status_code == 400
    assert "Unknown program" in refused.text


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"audience": "https://other.example/"}, "access_denied"),
    ],
    ids=str,
)
async def test_a_mistaken_question_is_answered_to_the_program(
    browser: Browser, program: Program, changes: dict[str, str | None], error: str
) -> None:
    await browser.log_in(program)

    response = await browser.ask(program, **changes)

    assert answer_in(response)["error"] == error
    assert response.headers["location"].startswith(f"{CALLBACK}?")


async def test_a_parameter_given_twice_is_refused(browser: Browser, program: Program) -> None:
    twice = httpx.QueryParams(program.question()).add("redirect_uri", "https://evil.example/")

    refused = await browser.http.get("/authorize", params=twice)

    assert refused.status_code == 400


async def test_a_code_is_good_once(browser: Browser, program: Program) -> None:
    form = program.exchange(await browser.log_in(program))
    first = await browser.http.post("/oauth/token", data=form)

    second = await browser.http.post("/oauth/token", data=form)

    assert second.status_code == 403
    assert second.json() == {
        "error": "invalid_grant",
        "error_description": "Invalid authorization code",
    }
    renewed = await browser.renew(program, first.json()["refresh_token"])
    assert renewed.status_code == 403, "what came of a copied code must be withdrawn"


async def test_a_code_is_good_for_a_minute(
    browser: Browser, program: Program, clock: Clock
) -> None:
    code = await browser.log_in(program)
    clock.later_s = CODE_LIFETIME_S

    refused = await browser.http.post("/oauth/token", data=program.exchange(code))

    assert refused.json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changes", "description"),
    [
        ({"code_verifier": "w" * 43}, "Failed to verify code verifier"),
        ({"code_verifier": "short"}, "Failed to verify code verifier"),
        ({"redirect_uri": f"{CALLBACK}/"}, "The redirect URI is wrong."),
        ({"client_id": CLI}, "Invalid authorization code"),
        ({"code": "made up"}, "Invalid authorization code"),
    ],
    ids=str,
)
async def test_a_code_is_good_only_for_who_asked(
    browser: Browser, program: Program, changes: dict[str, str], description: str
) -> None:
    form = program.exchange(await browser.log_in(program)) | changes

    refused = await browser.http.post("/oauth/token", data=form)

    assert refused.status_code == 403
    assert refused.json()["error"] == "invalid_grant"
    assert refused.json()["error_description"].startswith(description)


async def test_a_verifier_that_can_be_guessed_is_refused(browser: Browser) -> None:
    program = Program(verifier="short")
    form = program.exchange(await browser.log_in(program))

    refused = await browser.http.post("/oauth/token", data=form)

    assert refused.json()["error_description"] == "Failed to verify code verifier"


async def test_a_new_person_signs_up_and_is_signed_in(browser: Browser, program: Program) -> None:
    shown = await browser.ask(program, screen_hint="signup")
    assert "Create your account" in shown.text

    answer = answer_in(
        await browser.submit(shown, email="New@Rekindle.test", password="eight or more")
    )

    tokens = (await browser.http.post("/oauth/token", data=program.exchange(answer["code"]))).json()
    who = await browser.http.get(
        "/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"}
    )
    assert re.fullmatch(r"auth0\|[0-9a-f]{24}", who.json()["sub"])
    assert who.json()["email"] == "new@rekindle.test"
    assert who.json()["email_verified"] is False


@pytest.mark.parametrize(
    ("email", "password", "alert"),
    [
        ("new@rekindle.test", "short", "Choose a password of 8 to 128 characters."),
        ("new@rekindle.test", "x" * 129, "Choose a password of 8 to 128 characters."),
        ("new", "eight or more", "That does not look like an e-mail address."),
        ("a@b", "eight or more", "That does not look like an e-mail address."),
        ("a@b.org\r\nx", "eight or more", "That does not look like an e-mail address."),
        ("a" * 250 + "@b.org", "eight or more", "That does not look like an e-mail address."),
        (EMAIL.upper(), "eight or more", "We could not make this account."),
    ],
)
async def test_a_sign_up_that_cannot_be_says_why(
    browser: Browser, program: Program, email: str, password: str, alert: str
) -> None:
    shown = await browser.ask(program, screen_hint="signup")

    refused = await browser.submit(shown, email=email, password=password)

    assert refused.status_code == 400
    assert alert_in(refused).startswith(alert)


async def test_the_two_pages_lead_to_each_other(browser: Browser, program: Program) -> None:
    shown = await browser.ask(program)

    shown = await browser.click(shown, "Create an account")
    shown = await browser.click(shown, "Log in")

    assert "code" in answer_in(await browser.submit(shown, email=EMAIL, password=PASSWORD))


async def test_a_login_ends_after_an_hour(browser: Browser, program: Program, clock: Clock) -> None:
    shown = await browser.ask(program)
    clock.later_s = LOGIN_LIFETIME_S

    ended = await browser.submit(shown, email=EMAIL, password=PASSWORD)

    assert ended.status_code == 400
    assert "This login has ended" in ended.text


async def test_a_state_comes_back_to_the_letter(browser: Browser, program: Program) -> None:
    response = await browser.ask(program, prompt="none", state="a&b=c#d")

    assert answer_in(response)["state"] == "a&b=c#d"
    assert urlsplit(response.headers["location"]).fragment == ""
