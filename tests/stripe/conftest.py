"""The emulator behind a real socket, Stripe's own library, and an address that takes webhooks."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import stripe
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr
from stripe import StripeClient

from deploy.local.stripe.account import Account
from deploy.local.stripe.app import create_app
from deploy.local.stripe.settings import Settings
from tests.stripe.shop import Shop

KEY = "sk_test_emulator00"
SECRETS = ("whsec_new_secret_of_tests", "whsec_old_secret_of_tests")
REAL_KEY = os.environ.get("STRIPE_API_KEY")
WEBHOOK_SECONDS_MAX = 10.0


@dataclass(frozen=True)
class Emulator:
    app: FastAPI
    url: str

    @property
    def account(self) -> Account:
        account: Account = self.app.state.account
        return account


class Mailbox:
    """What came to the webhooks' address, and what it answers."""

    def __init__(self) -> None:
        self.letters: list[tuple[bytes, str]] = []
        self.answers: list[int] = []
        self.url = ""

    def types(self) -> list[str]:
        events = [stripe.Event.construct_from(_read(body), KEY) for body, _ in self.letters]
        return [event.type for event in events]

    def wait_for(self, count: int) -> None:
        deadline = time.monotonic() + WEBHOOK_SECONDS_MAX
        while len(self.letters) < count:
            assert time.monotonic() < deadline, f"{len(self.letters)} of {count} webhooks came"
            time.sleep(0.02)


def _read(body: bytes) -> dict[str, object]:
    read: dict[str, object] = json.loads(body)
    return read


@contextmanager
def served(app: FastAPI, listener: socket.socket) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def running(
    *, home: Path | None = None, webhook_url: str | None = None, secrets: str = ""
) -> Iterator[Emulator]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = create_app(
            Settings(
                url=url,
                api_key=SecretStr(KEY),
                home=home,
                webhook_url=webhook_url,
                webhook_secrets=SecretStr(secrets),
            )
        )
        with served(app, listener):
            yield Emulator(app, url)


@contextmanager
def client_of(url: str | None, key: str = KEY, *, retries: int = 0) -> Iterator[StripeClient]:
    web = stripe.RequestsClient()
    yield StripeClient(
        key,
        base_addresses={"api": url} if url else {},
        http_client=web,
        max_network_retries=retries,
    )
    web.close()  # type: ignore[no-untyped-call]


@pytest.fixture(scope="session")
def _shared_emulator() -> Iterator[Emulator]:
    with running() as emulator:
        yield emulator


@pytest.fixture(params=["emulator", *(["stripe"] if REAL_KEY else [])])
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    """Something to sell, at the emulator, and at Stripe itself if there is a key."""
    if request.param == "stripe":
        assert REAL_KEY
        assert REAL_KEY.startswith(("sk_test_", "rk_test_")), "only a test account is asked"
        with client_of(None, REAL_KEY, retries=2) as client:
            yield Shop(client)
        return
    emulator: Emulator = request.getfixturevalue("_shared_emulator")
    with client_of(emulator.url) as client:
        yield Shop(client)


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with running() as emulator:
        yield emulator


@pytest.fixture
def client(emulator: Emulator) -> Iterator[StripeClient]:
    with client_of(emulator.url) as client:
        yield client


@pytest.fixture
def own_shop(client: StripeClient) -> Shop:
    """Something to sell at an emulator that nobody else uses."""
    return Shop(client)


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            box.letters.append((body, self.headers["Stripe-Signature"]))
            self.send_response(box.answers.pop(0) if box.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    box.url = f"http://127.0.0.1:{server.server_port}/hooks/stripe"
    yield box
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def heard(mailbox: Mailbox) -> Iterator[Emulator]:
    """An emulator that sends its webhooks to the mailbox."""
    with running(webhook_url=mailbox.url, secrets=",".join(SECRETS)) as emulator:
        yield emulator
