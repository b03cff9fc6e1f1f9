"""A browser and a program, as far as a login needs them: cookies, redirects, forms, PKCE."""

import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from html import unescape
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

ISSUER = "http://127.0.0.1:9400/"
AUDIENCE = "https://api.rekindle.test/"
WEB, CLI = "web", "cli"
WEB_ORIGIN = "http://127.0.0.1:9500"
CALLBACK = f"{WEB_ORIGIN}/callback"
EMAIL, PASSWORD = "demo@rekindle.test", "a good old photo"
REDIRECTS_MAX = 5


@dataclass
class Program:
    """A public client in the middle of one login."""

    client_id: str = WEB
    redirect_uri: str = CALLBACK
    verifier: str = field(default_factory=lambda: token_urlsafe(48))

    def question(self, **changes: str | None) -> dict[str, str]:
        """What it asks `/authorize`; `None` leaves a parameter out."""
        digest = sha256(self.verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "audience": AUDIENCE,
            "scope": "openid email offline_access",
            "state": "the program's own",
            "nonce": "n-0S6_WzA2Mj",
            "code_challenge": urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in (asked | changes).items() if value is not None}

    def exchange(self, code: str) -> dict[str, str]:
        """What it sends to `/oauth/token`."""
        return {
            "grant_type": "authorization_code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "code": code,
            "code_verifier": self.verifier,
        }


class Browser:
    """Somebody in front of the issuer's pages."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self.http = httpx.AsyncClient(transport=transport, base_url=ISSUER)

    async def ask(self, program: Program, **changes: str | None) -> httpx.Response:
        """Go where the program sends the browser, until a page or an answer comes."""
        return await self._follow(
            await self.http.get("/authorize", params=program.question(**changes))
        )

    async def submit(self, shown: httpx.Response, **typed: str) -> httpx.Response:
        """Fill in the form on a page, and send it as a browser does."""
        action = re.search(r'<form method="post" action="([^"]+)"', shown.text)
        assert action, shown.text
        hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', shown.text)
        headers = {"origin": ISSUER.rstrip("/"), "sec-fetch-site": "same-origin"}
        return await self._follow(
            await self.http.post(unescape(action[1]), data=dict(hidden) | typed, headers=headers)
        )

    async def click(self, shown: httpx.Response, text: str) -> httpx.Response:
        """Follow the link with this text."""
        link = re.search(rf'href="([^"]+)">{re.escape(text)}<', shown.text)
        assert link, shown.text
        return await self._follow(await self.http.get(unescape(link[1])))

    async def log_in(self, program: Program, **changes: str | None) -> str:
        """Log the demo user in, and return the code."""
        shown = await self.ask(program, **changes)
        return answer_in(await self.submit(shown, email=EMAIL, password=PASSWORD))["code"]

    async def tokens(self, program: Program, **changes: str | None) -> dict[str, Any]:
        """Log the demo user in, and return what the program gets."""
        code = await self.log_in(program, **changes)
        answered = await self.http.post("/oauth/token", data=program.exchange(code))
        assert answered.status_code == 200, answered.text
        return dict(answered.json())

    async def renew(self, program: Program, token: str, **more: str) -> httpx.Response:
        form = {"grant_type": "refresh_token", "client_id": program.client_id}
        return await self.http.post("/oauth/token", json=form | {"refresh_token": token} | more)

    async def _follow(self, response: httpx.Response) -> httpx.Response:
        for _ in range(REDIRECTS_MAX):
            target = response.headers.get("location", "")
            if not target.startswith("/"):
                return response
            response = await self.http.get(target)
        raise AssertionError("redirected for ever")


def answer_in(response: httpx.Response) -> dict[str, str]:
    """What the program finds in its callback's query."""
    assert response.is_redirect, response.text
    query = parse_qs(urlsplit(response.headers["location"]).query, keep_blank_values=True)
    return {name: values[0] for name, values in query.items()}


def alert_in(response: httpx.Response) -> str:
    """What a page says is wrong."""
    alert = re.search(r'role="alert">([^<]*)<', response.text)
    return unescape(alert[1]) if alert else ""
