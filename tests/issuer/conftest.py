"""The issuer itself, in this process, with a home of its own and a clock we can turn."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from deploy.local.issuer import users
from deploy.local.issuer.app import create_app
from deploy.local.issuer.issuer import Issuer
from deploy.local.issuer.keys import KeyRing
from deploy.local.issuer.settings import Client, Settings
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
)

CLIENTS = {
    WEB: Client(callbacks=(CALLBACK,), logout=(f"{WEB_ORIGIN}/",), origins=(WEB_ORIGIN,)),
    CLI: Client(callbacks=("http://127.0.0.1/callback",)),
}


class Clock:
    """The time of day, and as much later as a test wants."""

    def __init__(self) -> None:
        self.later_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.later_s


@pytest.fixture
def quick_digests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "SCRYPT_N", 16)


@pytest.fixture(scope="session")
def some_keys(tmp_path_factory: pytest.TempPathFactory) -> str:
    home = tmp_path_factory.mktemp("keys")
    KeyRing(home)
    return (home / "keys.json").read_text()


@pytest.fixture
def home(tmp_path: Path, some_keys: str) -> Path:
    (tmp_path / "keys.json").write_text(some_keys)
    return tmp_path


@pytest.fixture
def settings(home: Path) -> Settings:
    return Settings(
        url=ISSUER,
        home=home,
        audience=AUDIENCE,
        clients=CLIENTS,
        demo_email=EMAIL,
        demo_password=SecretStr(PASSWORD),
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(settings: Settings, clock: Clock, quick_digests: None) -> Iterator[FastAPI]:
    made = create_app(settings, clock=clock)
    yield made
    made.state.issuer.close()


@pytest.fixture
def issuer(app: FastAPI) -> Issuer:
    found: Issuer = app.state.issuer
    return found


@pytest.fixture
async def browser(app: FastAPI) -> AsyncIterator[Browser]:
    opened = Browser(httpx.ASGITransport(app))
    async with opened.http:
        yield opened


@pytest.fixture
async def other_browser(app: FastAPI) -> AsyncIterator[Browser]:
    opened = Browser(httpx.ASGITransport(app))
    async with opened.http:
        yield opened


@pytest.fixture
def program() -> Program:
    return Program()
