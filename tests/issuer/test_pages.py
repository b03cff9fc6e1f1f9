"""What protects the pages, and what a person can do there besides logging in."""

import re
import stat
import time
from html import unescape
from pathlib import Path
from statistics import median

import httpx
import pytest
from fastapi import FastAPI
from pydantic import ValidationError

from deploy.local.issuer import users
from deploy.local.issuer.issuer import (
    MAILS_PER_PERSON_MAX,
    TICKET_LIFETIME_S,
    TRIES_PER_PERSON_MAX,
    TRIES_WINDOW_S,
    Issuer,
    Ticket,
)
from deploy.local.issuer.settings import Client, Settings, is_allowed
from deploy.local.issuer.store import open_store
from deploy.local.issuer.tables import ExpiringTable, RateLimit
from deploy.local.issuer.users import Users
from tests.issuer.browser import (
    EMAIL,
    ISSUER,
    PASSWORD,
    WEB_ORIGIN,
    Browser,
    Program,
    alert_in,
    answer_in,
)
from tests.issuer.conftest import Clock

NEW_PASSWORD = "another good one"


async def letter(browser: Browser, subject: str) -> str:
    """The link in the newest letter with this subject."""
    shown = (await browser.http.get("/dev/mailbox")).text
    links = re.findall(rf'href="([^"]+)">{subject}<', shown)
    assert links, shown
    return unescape(links[0]).removeprefix(ISSUER.rstrip("/"))


async def reset_link(browser: Browser, program: Program) -> str:
    shown = await browser.click(await browser.ask(program), "Forgot your password?")
    sent = await browser.submit(shown, email=EMAIL)
    assert "Look into your mailbox" in sent.text
    return await letter(browser, "Choose a new password")


@pytest.mark.parametrize("hint", ["", "signup"])
async def test_a_page_runs_no_script_and_is_framed_by_nobody(
    browser: Browser, program: Program, hint: str
) -> None:
    shown = await browser.ask(program, screen_hint=hint)

    policy = dict(
        rule.strip().split(" ", 1) for rule in shown.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert policy["form-action"] == f"'self' {WEB_ORIGIN}"
    assert "script-src" not in policy
    assert shown.headers["x-frame-options"] == "DENY"
    assert shown.headers["cache-control"] == "no-store"
    assert shown.headers["referrer-policy"] == "same-origin"
    assert not re.search(r"<script|<style|style=|\son\w+=", shown.text)


async def test_every_field_has_a_label(browser: Browser, program: Program) -> None:
    for hint in ("", "signup"):
        shown = (await browser.ask(program, screen_hint=hint)).text
        fields = re.findall(r'<input id="(\w+)"', shown)

        assert fields == ["email", "password"]
        assert all(f'<label for="{name}">' in shown for name in fields)
        assert '<html lang="en">' in shown


async def test_cookies_are_kept_from_scripts_and_other_sites(
    browser: Browser, program: Program
) -> None:
    shown = await browser.http.get("/authorize", params=program.question())
    page = await browser.http.get(shown.headers["location"])
    done = await browser.submit(page, email=EMAIL, password=PASSWORD)

    for response in (shown, done):
        cookie = response.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie


async def test_a_login_goes_on_only_in_the_browser_that_began_it(
    browser: Browser, other_browser: Browser, program: Program
) -> None:
    shown = await browser.ask(program)

    stolen = await other_browser.submit(shown, email=EMAIL, password=PASSWORD)

    assert stolen.status_code == 400
    assert "This login has ended" in stolen.text


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9401"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/u/login", "/u/signup", "/u/reset", "/dev/rotate-keys"])
async def test_a_form_of_another_website_is_refused(
    browser: Browser, program: Program, path: str, headers: dict[str, str]
) -> None:
    shown = await browser.ask(program)
    state = shown.url.params["state"]

    refused = await browser.http.post(
        path,
        params={"state": state},
        data={"email": EMAIL, "password": PASSWORD},
        headers=headers,
    )

    assert refused.status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", ""])
async def test_a_name_that_is_not_ours_is_refused(browser: Browser, host: str) -> None:
    refused = await browser.http.get("/dev/mailbox", headers={"host": host})

    assert refused.status_code == 400


async def test_guessing_is_slowed_down(browser: Browser, program: Program, clock: Clock) -> None:
    shown = await browser.ask(program)
    for _ in range(TRIES_PER_PERSON_MAX):
        assert (await browser.submit(shown, email=EMAIL, password="guess")).status_code == 400

    refused = await browser.submit(shown, email=EMAIL.upper(), password=PASSWORD)
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == str(TRIES_WINDOW_S)

    clock.later_s = TRIES_WINDOW_S
    assert "code" in answer_in(await browser.submit(shown, email=EMAIL, password=PASSWORD))


async def test_a_right_password_makes_wrong_ones_forgotten(
    browser: Browser, program: Program
) -> None:
    for _ in range(2):
        shown = await browser.ask(program, prompt="login")
        for _ in range(TRIES_PER_PERSON_MAX - 1):
            await browser.submit(shown, email=EMAIL, password="guess")
        assert "code" in answer_in(await browser.submit(shown, email=EMAIL, password=PASSWORD))


async def test_guessing_at_many_people_from_one_address_is_slowed_down(
    browser: Browser, program: Program, issuer: Issuer, clock: Clock
) -> None:
    issuer.tries_per_address = RateLimit(tries_max=2, window_s=60, keys_max=9, clock=clock)
    shown = await browser.ask(program)

    answers = [
        await browser.submit(shown, email=f"{number}@rekindle.test", password="guess")
        for number in range(3)
    ]

    assert [answer.status_code for answer in answers] == [400, 400, 429]


async def test_a_form_that_was_answered_is_done_with(browser: Browser, program: Program) -> None:
    shown = await browser.ask(program)
    await browser.submit(shown, email=EMAIL, password=PASSWORD)

    assert (await browser.submit(shown, email=EMAIL, password=PASSWORD)).status_code == 400


async def test_nobodys_mailbox_is_flooded(
    browser: Browser, program: Program, issuer: Issuer
) -> None:
    for _ in range(MAILS_PER_PERSON_MAX + 2):
        await reset_link(browser, program)

    assert len(issuer.mailbox) == MAILS_PER_PERSON_MAX


async def test_there_is_room_for_only_so_many_people(
    browser: Browser, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(users, "USERS_MAX", 1)
    shown = await browser.ask(program, screen_hint="signup")

    refused = await browser.submit(shown, email="new@rekindle.test", password=PASSWORD)

    assert alert_in(refused) == "There is no room for another account here."


@pytest.mark.parametrize("path", ["/authorize", "/u/login", "/v2/logout"])
async def test_an_endless_address_is_refused(browser: Browser, path: str) -> None:
    assert (await browser.http.get(path, params={"state": "x" * 9_000})).status_code == 414


async def test_a_forgotten_password_is_replaced_by_mail(
    browser: Browser, other_browser: Browser, program: Program
) -> None:
    old = await other_browser.tokens(program)
    link = await reset_link(browser, program)

    changed = await browser.submit(await browser.http.get(link), password=NEW_PASSWORD)
    assert "Your password is changed" in changed.text

    shown = await browser.click(changed, "Log in")
    assert (await browser.submit(shown, email=EMAIL, password=PASSWORD)).status_code == 400
    assert "code" in answer_in(await browser.submit(shown, email=EMAIL, password=NEW_PASSWORD))
    assert (await other_browser.renew(program, old["refresh_token"])).status_code == 403
    silent = await other_browser.ask(program, prompt="none")
    assert answer_in(silent)["error"] == "login_required"


async def test_a_reset_link_is_good_once_and_not_for_long(
    browser: Browser, program: Program, clock: Clock
) -> None:
    link = await reset_link(browser, program)
    form = await browser.http.get(link)
    short = await browser.submit(form, password="short")
    assert alert_in(short) == "Choose a password of 8 to 128 characters."
    await browser.submit(form, password=NEW_PASSWORD)

    assert (await browser.submit(form, password="a third one")).status_code == 400
    later = await reset_link(browser, program)
    clock.later_s = TICKET_LIFETIME_S
    assert (await browser.http.get(later)).status_code == 400


async def test_nobody_learns_from_a_reset_who_has_an_account(
    browser: Browser, program: Program
) -> None:
    shown = await browser.ask(program)
    form = await browser.click(shown, "Forgot your password?")

    known = await browser.submit(form, email=EMAIL)
    unknown = await browser.submit(form, email="nobody@rekindle.test")

    assert known.text.replace(EMAIL, "X") == unknown.text.replace("nobody@rekindle.test", "X")
    assert "nobody@" not in (await browser.http.get("/dev/mailbox")).text


async def test_a_new_person_confirms_their_address(
    browser: Browser, program: Program, issuer: Issuer
) -> None:
    shown = await browser.ask(program, screen_hint="signup")
    await browser.submit(shown, email="new@rekindle.test", password=PASSWORD)
    link = await letter(browser, "Confirm your e-mail address")
    as_reset = link.replace("/u/confirm", "/u/new-password")
    assert (await browser.http.get(as_reset)).status_code == 400

    thanked = await browser.submit(await browser.http.get(link))

    assert "is confirmed" in thanked.text
    user = issuer.users.find_by_email("new@rekindle.test")
    assert user
    assert user.email_verified


async def test_a_letter_cannot_break_out_of_the_mailbox(browser: Browser, issuer: Issuer) -> None:
    issuer.send("<b>x", "<i>y", path="u/confirm", ticket=Ticket("confirm", "s", ""))

    shown = (await browser.http.get("/dev/mailbox")).text

    assert "&lt;b&gt;x" in shown
    assert "<i>" not in shown


@pytest.mark.parametrize("name", ["style.css", "icon.svg"])
async def test_what_a_page_is_dressed_in_is_served(browser: Browser, name: str) -> None:
    assert (await browser.http.get(f"/assets/{name}")).status_code == 200


@pytest.mark.parametrize("name", ["layout.html", "..%2Fapp.py", "%2e%2e%2fapp.py"])
async def test_nothing_else_is_served(browser: Browser, name: str) -> None:
    assert (await browser.http.get(f"/assets/{name}")).status_code == 404


async def test_an_unknown_person_costs_as_much_as_a_wrong_password(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    people = Users(store, time.time)
    people.ensure(subject="s", email=EMAIL, password=PASSWORD)

    async def seconds(email: str) -> float:
        begun = time.perf_counter()
        assert await people.authenticate(email, "wrong") is None
        return time.perf_counter() - begun

    known = median([await seconds(EMAIL) for _ in range(3)])
    unknown = median([await seconds("nobody@rekindle.test") for _ in range(3)])
    store.close()

    assert 0.4 < known / unknown < 2.5


async def test_what_is_kept_is_readable_by_the_owner_only(app: FastAPI, home: Path) -> None:
    await Browser(httpx.ASGITransport(app)).http.post("/dev/rotate-keys")

    for name in ("keys.json", "issuer.sqlite3"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600
    assert PASSWORD.encode() not in (home / "issuer.sqlite3").read_bytes()


def test_a_full_table_lets_its_oldest_entry_go(clock: Clock) -> None:
    table: ExpiringTable[int] = ExpiringTable(entries_max=2, lifetime_s=10, clock=clock)
    first, second, third = (table.put(number) for number in range(3))

    assert len(table) == 2
    assert [table.get(name) for name in (first, second, third)] == [None, 1, 2]
    clock.later_s = 10
    assert table.get(third) is None


def test_a_limit_watches_no_more_keys_than_it_may(clock: Clock) -> None:
    limit = RateLimit(tries_max=1, window_s=10, keys_max=2, clock=clock)

    assert [limit.allows(key) for key in "aabcb"] == [True, False, True, True, False]
    assert limit.allows("a")


def test_an_address_must_end_with_a_slash(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="ends with a slash"):
        Settings(url=ISSUER[:-1], home=tmp_path, audience="a", clients={"a": Client(callbacks=())})


def test_an_address_beyond_loopback_is_good_at_its_own_port_only() -> None:
    assert is_allowed("http://[::1]:8080/callback", ("http://[::1]/callback",))
    assert not is_allowed("https://app.example:8443/cb", ("https://app.example/cb",))
