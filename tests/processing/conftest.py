"""Real parts for the tests of processing: database, bucket, RunPod emulator, credits."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.runpod.app import create_app as create_emulator
from deploy.local.runpod.endpoint import Endpoint
from services.credits.app import create_app as create_credits
from services.kit.db import create_engine
from services.kit.identity import TokenSource
from services.kit.storage import Storage, StorageSettings, open_storage
from services.processing.app import create_app
from services.processing.runpod import RunPod
from tests.credits.bank import Bank
from tests.processing.serving import free_port, served

KEY, ENDPOINT_ID = "a-key-for-the-emulator-in-tests", "tests"
ENDPOINTS = f'[{{"id": "{ENDPOINT_ID}", "slots": 10}}]'
SECRET, CREDITS_SECRET = "processing-in-tests-of-processing", "credits-in-tests-of-processing"
WEBHOOK_SECRET = "webhooks-in-tests-of-processing"


@pytest.fixture(name="engine")
async def _engine(database_url: Callable[[str], str]) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(database_url("processing"), name="tests", pool_size=16)
    yield engine
    await engine.dispose()


@pytest.fixture
async def bank(database_url: Callable[[str], str]) -> AsyncIterator[Bank]:
    engine = create_engine(database_url("credits"), name="tests-credits", pool_size=4)
    yield Bank(engine)
    await engine.dispose()


@pytest.fixture
async def storage(s3: dict[str, str]) -> AsyncIterator[Storage]:
    settings = StorageSettings.model_validate({name.lower(): v for name, v in s3.items()})
    async with open_storage(settings) as storage:
        yield storage


@dataclass
class Emulator:
    """RunPod, as far as the documentation goes, with faults on demand."""

    address: str
    endpoint: Endpoint

    @property
    def api_url(self) -> str:
        return f"{self.address}/v2"

    async def fault(self, **faults: object) -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(f"{self.address}/__faults", json=faults)
            assert answer.status_code == 200, answer.text


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    endpoint = Endpoint(ENDPOINT_ID)
    async with served(create_emulator(endpoint=endpoint, api_key=KEY)) as address:
        yield Emulator(address, endpoint)


@pytest.fixture
async def runpod(emulator: Emulator) -> AsyncIterator[RunPod]:
    runpod = RunPod(emulator.api_url, endpoint_id=ENDPOINT_ID, api_key=KEY)
    yield runpod
    await runpod.close()


@dataclass
class Credits:
    """The credits service over HTTP; it can go away and come back."""

    app: Callable[[], FastAPI]
    port: int
    running: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def come(self) -> None:
        await self.running.enter_async_context(served(self.app(), port=self.port))

    async def go(self) -> None:
        await self.running.aclose()


@pytest.fixture(name="credits_")
async def _credits(
    bank: Bank, database_url: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Credits]:
    def app() -> FastAPI:
        with monkeypatch.context() as environment:
            environment.setenv("REKINDLE_ENV", "local")
            environment.setenv("DATABASE_URL", database_url("credits"))
            environment.setenv("INTERNAL_SECRETS", CREDITS_SECRET)
            return create_credits()

    credits_ = Credits(app, free_port())
    await credits_.come()
    yield credits_
    await credits_.go()


@pytest.fixture
async def address(
    credits_: Credits,
    database_url: Callable[[str], str],
    s3: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[str]:
    """Processing's HTTP API on a socket."""
    environment = {
        "REKINDLE_ENV": "local",
        "DATABASE_URL": database_url("processing"),
        "INTERNAL_SECRETS": SECRET,
        "CREDITS_URL": credits_.address,
        "CREDITS_SECRET": CREDITS_SECRET,
        "WEBHOOK_SECRET": WEBHOOK_SECRET,
        "RUNPOD_ENDPOINTS": ENDPOINTS,
        **s3,
    }
    with monkeypatch.context() as given:
        for name, value in environment.items():
            given.setenv(name, value)
        app = create_app()
    async with served(app) as address:
        yield address


@pytest.fixture
async def client_of(address: str) -> AsyncIterator[Callable[[UUID], httpx.AsyncClient]]:
    """What the gateway is to processing, on behalf of an account."""
    tokens = TokenSource(issuer="gateway", audience="processing", secret=SECRET)
    async with AsyncExitStack() as clients:
        made: dict[UUID, httpx.AsyncClient] = {}

        def client_of(account_id: UUID) -> httpx.AsyncClient:
            made[account_id] = httpx.AsyncClient(
                base_url=address,
                headers={"authorization": f"Bearer {tokens.token(account_id)}"},
                trust_env=False,
                timeout=20,
            )
            clients.push_async_callback(made[account_id].aclose)
            return made[account_id]

        yield client_of
