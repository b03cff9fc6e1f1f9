"""Log in at the issuer: authorization code with PKCE, as programs without a secret do."""

import asyncio
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from html import escape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from sdk.rekindle.forms import first_form
from sdk.rekindle.problems import LoginFailed, NotLoggedIn, Unreachable
from sdk.rekindle.tokens import Tokens

CLIENT_ID = "rekindle-cli"
AUDIENCE = "https://api.rekindle.local/"
SCOPE = "openid email offline_access"
ISSUER_TIMEOUT_S = 15.0
PERSON_TIMEOUT_S = 300.0
STEPS_MAX = 8
REQUEST_LINE_BYTES_MAX = 8 * 1024


@dataclass(frozen=True)
class Attempt:
    """One login that was begun: its secrets tell our answer from anybody else's."""

    redirect_uri: str
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    state: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def challenge(self) -> str:
        """The verifier's hash, which may be seen by anyone (RFC 7636, S256)."""
        digest = sha256(self.verifier.encode()).digest()
        return urlsafe_b64encode(digest).rstrip(b"=").decode()

    def code_in(self, address: str) -> str:
        """Return the code the issuer sent back, if the answer is to this attempt."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        if not secrets.compare_digest(query.get("state", "").encode(), self.state.encode()):
            raise LoginFailed("The answer does not belong to this login: begin again.")
        if "code" not in query:
            reason = query.get("error_description") or query.get("error") or "no reason given"
            raise LoginFailed(f"The issuer refused the login: {reason}.")
        return query["code"]


class Issuer:
    """The issuer's Auth0-shaped endpoints, as the program `rekindle-cli`."""

    def __init__(self, issuer_url: str) -> None:
        self.url = issuer_url.rstrip("/")

    def authorize_url(self, attempt: Attempt) -> str:
        return f"{self.url}/authorize?" + urlencode(
            {
                "response_type": "code",
                "client_id": CLIENT_ID,
                "redirect_uri": attempt.redirect_uri,
                "audience": AUDIENCE,
                "scope": SCOPE,
                "state": attempt.state,
                "code_challenge": attempt.challenge,
                "code_challenge_method": "S256",
            }
        )

    async def exchange(self, attempt: Attempt, code: str) -> Tokens:
        """Turn the code into tokens; only who made the challenge can."""
        answer = await self._post(
            "/oauth/token",
            grant_type="authorization_code",
            code=code,
            code_verifier=attempt.verifier,
            redirect_uri=attempt.redirect_uri,
        )
        if not answer.is_success:
            raise LoginFailed(f"The issuer refused the login: {_reason(answer)}.")
        return self._tokens(answer.json(), refresh_token="")

    async def renew(self, tokens: Tokens) -> Tokens:
        """Use the refresh token, which is thereby spent."""
        answer = await self._post(
            "/oauth/token", grant_type="refresh_token", refresh_token=tokens.refresh_token
        )
        if answer.is_client_error:
            raise NotLoggedIn(f"Your login has ended: {_reason(answer)}.")
        if not answer.is_success:
            raise Unreachable(f"The issuer at {self.url} cannot renew your login right now.")
        return self._tokens(answer.json(), refresh_token=tokens.refresh_token)

    async def revoke(self, tokens: Tokens) -> None:
        """Make the refresh token worthless, wherever a copy of it may be."""
        await self._post("/oauth/revoke", token=tokens.refresh_token)

    async def _post(self, path: str, **form: str) -> httpx.Response:
        async with _talking_to(self.url) as client:
            return await client.post(self.url + path, data={"client_id": CLIENT_ID, **form})

    def _tokens(self, answer: dict[str, Any], *, refresh_token: str) -> Tokens:
        return Tokens(
            access_token=answer["access_token"],
            refresh_token=answer.get("refresh_token") or refresh_token,
            expires_at=time.time() + float(answer.get("expires_in", 0)),
            issuer_url=self.url,
        )


async def login_in_browser(issuer: Issuer, show: Callable[[str], object]) -> Tokens:
    """Let a person log in: `show` is given the address, the answer comes to a port of ours."""
    arrived: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = await _request_target(reader)
        heard = urlsplit(target).path == "/callback"
        writer.write(_page("You are logged in." if heard else "There is nothing here."))
        await writer.drain()
        writer.close()
        if heard and not arrived.done():
            arrived.set_result(target)

    server = await asyncio.start_server(answer, "127.0.0.1", 0, limit=REQUEST_LINE_BYTES_MAX)
    async with server:
        port = server.sockets[0].getsockname()[1]
        attempt = Attempt(redirect_uri=f"http://127.0.0.1:{port}/callback")
        show(issuer.authorize_url(attempt))
        try:
            target = await asyncio.wait_for(arrived, PERSON_TIMEOUT_S)
        except TimeoutError:
            raise LoginFailed(
                f"Nobody logged in within {PERSON_TIMEOUT_S / 60:.0f} minutes."
            ) from None
    return await issuer.exchange(attempt, attempt.code_in(target))


async def login_with_password(issuer: Issuer, *, email: str, password: str) -> Tokens:
    """Walk the login page as a browser would: for the local stack's demo user."""
    attempt = Attempt(redirect_uri="http://127.0.0.1/callback")
    async with _talking_to(issuer.url) as client:
        page = await client.get(issuer.authorize_url(attempt))
        for _ in range(STEPS_MAX):
            if page.is_redirect:
                target = str(page.url.join(page.headers["location"]))
                if target.startswith(attempt.redirect_uri):
                    return await issuer.exchange(attempt, attempt.code_in(target))
                page = await client.get(target)
                continue
            form = first_form(page.text)
            if not page.is_success or form is None:
                raise LoginFailed("The issuer shows no login page, or refuses this user.")
            page = await client.post(
                page.url.join(form.action) if form.action else page.url,
                data={**form.hidden, "email": email, "password": password},
            )
    raise LoginFailed("The issuer did not accept the e-mail address and password.")


@asynccontextmanager
async def _talking_to(issuer_url: str) -> AsyncIterator[httpx.AsyncClient]:
    try:
        async with httpx.AsyncClient(timeout=ISSUER_TIMEOUT_S) as client:
            yield client
    except httpx.TransportError as error:
        raise Unreachable(f"The issuer at {issuer_url} does not answer.") from error


def _reason(answer: httpx.Response) -> str:
    try:
        body = answer.json()
        return str(body.get("error_description") or body["error"]).rstrip(".")
    except (ValueError, KeyError, AttributeError):
        return f"HTTP {answer.status_code}"


async def _request_target(reader: asyncio.StreamReader) -> str:
    try:
        line = await asyncio.wait_for(reader.readline(), ISSUER_TIMEOUT_S)
    except (TimeoutError, ValueError):
        return ""
    parts = line.decode("ascii", "replace").split()
    return parts[1] if len(parts) > 1 and parts[0] == "GET" else ""


def _page(sentence: str) -> bytes:
    body = f"<!doctype html><title>Rekindle</title><p>{escape(sentence)} You can close this page."
    return (
        "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncache-control: no-store\r\n"
        f"content-length: {len(body.encode())}\r\nconnection: close\r\n\r\n{body}"
    ).encode()
