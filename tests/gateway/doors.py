"""Gateways that a test opens: a real server on a port of its own, in a thread of its own."""

import json
import socket
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

import httpx
import uvicorn
from starlette.types import ASGIApp

from services.gateway.app import assemble
from services.gateway.settings import GatewaySettings
from tests.kit import minting

AUDIENCE, WEB = "https://api.rekindle.local/", "rekindle-web"
START_WITHIN_S = 10


@dataclass
class Door:
    """An open gateway, and the issuer whose tokens it accepts."""

    url: str
    issuer_url: str

    def token(self, subject: str | None = None, **changes: Any) -> str:
        """A good access token, unless a change spoils it."""
        said = {"iss": self.issuer_url, "aud": AUDIENCE, "azp": WEB, "sub": subject or person()}
        return minting.token(minting.claims(**(said | changes)))

    def visit(self, subject: str | None = None, **headers: str) -> httpx.AsyncClient:
        """A program that holds a good token."""
        return httpx.AsyncClient(
            base_url=self.url,
            headers={"authorization": f"Bearer {self.token(subject)}", **headers},
            trust_env=False,
        )

    def browse(self, **cookies: str) -> httpx.AsyncClient:
        """Somebody without a token."""
        return httpx.AsyncClient(base_url=self.url, cookies=cookies, trust_env=False)


def person() -> str:
    return f"auth0|{uuid4()}"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def opened(settings: GatewaySettings) -> Iterator[Door]:
    """The gateway at its public address."""
    with served(partial(assemble, settings), int(settings.public_url.rpartition(":")[2])):
        yield Door(settings.public_url, settings.oidc_issuer)


@contextmanager
def served(create_app: Callable[[], ASGIApp], port: int) -> Iterator[None]:
    """An application, made and served as in production."""
    config = uvicorn.Config(
        create_app,
        factory=True,
        host="127.0.0.1",
        port=port,
        proxy_headers=False,
        server_header=False,
        ws="none",
        log_config=None,
        timeout_graceful_shutdown=3,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    until = monotonic() + START_WITHIN_S
    while not server.started and thread.is_alive() and monotonic() < until:
        sleep(0.01)
    try:
        assert server.started
        yield
    finally:
        server.should_exit = True
        thread.join()


class _Keys(BaseHTTPRequestHandler):
    """The part of an issuer that verifying tokens needs."""

    def do_GET(self) -> None:
        body = json.dumps({"keys": [minting.published("new")]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return None


@contextmanager
def published_keys() -> Iterator[str]:
    """The address of an issuer whose private key the tests hold."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Keys) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@dataclass
class Heard:
    """One server-sent event."""

    name: str
    data: Any
    seq: int | None


@asynccontextmanager
async def listening(
    visitor: httpx.AsyncClient, *, after: int | None = None, **headers: str
) -> AsyncIterator[AsyncIterator[Heard]]:
    """An event stream; comments are heard as events named `:`."""
    query = {} if after is None else {"after": after}
    async with visitor.stream("GET", "/v1/events", params=query, headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        async with aclosing(_events(answer)) as events:
            yield events


async def _events(answer: httpx.Response) -> AsyncGenerator[Heard, None]:
    name, data, seq = "", "", None
    async for line in answer.aiter_lines():
        field, _, value = line.partition(": ")
        if line.startswith(":"):
            yield Heard(":", line, seq)
        elif field == "event":
            name = value
        elif field == "data":
            data = value
        elif field == "id":
            seq = int(value)
        elif not line and data:
            yield Heard(name, json.loads(data), seq)
            name, data = "", ""
