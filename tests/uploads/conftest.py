"""The service in this process, on a real database and a real bucket."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.identity import TokenSource
from services.kit.storage import NoSuchObject, Storage, StorageSettings, open_storage
from services.uploads.app import create_app

SECRET = "an-internal-token-for-tests-of-uploads"


@dataclass(frozen=True)
class Uploader:
    """Somebody with an account, who speaks to the service as the gateway would."""

    account_id: UUID
    app: FastAPI
    client: httpx.AsyncClient

    async def begin(
        self, filename: str = "grandmother.jpg", size: int = 1000, **more: Any
    ) -> dict[str, Any]:
        new = {"filename": filename, "size": size, **more}
        answer = await self.client.post("/v1/photos", json=new)
        assert answer.status_code in (200, 201), answer.text
        begun: dict[str, Any] = answer.json()
        return begun

    async def send(self, begun: dict[str, Any], data: bytes, **fields: str) -> httpx.Response:
        """Post the file to the signed address, as a browser does."""
        upload = begun["upload"]
        async with httpx.AsyncClient(timeout=60) as browser:
            return await browser.post(
                upload["url"],
                data={**upload["fields"], **fields},
                files={"file": ("photo", data)},
            )

    async def uploaded(self, data: bytes, filename: str = "grandmother.jpg") -> str:
        begun = await self.begin(filename, len(data), multipart=False)
        sent = await self.send(begun, data)
        assert sent.is_success, sent.text
        return str(begun["photo"]["id"])

    async def complete(self, photo_id: str, **body: Any) -> httpx.Response:
        return await self.client.post(f"/v1/photos/{photo_id}/complete", json=body)

    async def accepted(self, data: bytes) -> str:
        photo_id = await self.uploaded(data)
        answer = await self.complete(photo_id)
        assert answer.status_code == 202, answer.text
        return photo_id

    async def cut(self, photo_id: str, quad: Any) -> httpx.Response:
        return await self.client.put(f"/v1/photos/{photo_id}/quad", json={"quad": quad})

    async def split(self, page_id: str, quads: Any, *, key: str = "k") -> httpx.Response:
        return await self.client.post(
            f"/v1/photos/{page_id}/split",
            json={"quads": quads},
            headers={"idempotency-key": key},
        )

    async def show(self, photo_id: str) -> dict[str, Any]:
        answer = await self.client.get(f"/v1/photos/{photo_id}")
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    def original_key(self, photo_id: str) -> str:
        return f"originals/{self.account_id}/{photo_id}"


NewUploader = Callable[[], Uploader]


@pytest.fixture
async def app(
    database_url: Callable[[str], str], s3: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[FastAPI]:
    environment = {
        "REKINDLE_ENV": "local",
        "DATABASE_URL": database_url("uploads"),
        "INTERNAL_SECRETS": SECRET,
        **s3,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    app = create_app()
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def new_uploader(app: FastAPI) -> AsyncIterator[NewUploader]:
    clients: list[httpx.AsyncClient] = []

    def make() -> Uploader:
        account_id = uuid4()
        token = TokenSource(issuer="gateway", audience="uploads", secret=SECRET).token(account_id)
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False),
            base_url="http://uploads",
            headers={"authorization": f"Bearer {token}"},
        )
        clients.append(client)
        return Uploader(account_id, app, client)

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
def uploader(new_uploader: NewUploader) -> Uploader:
    return new_uploader()


@pytest.fixture
def engine(app: FastAPI) -> AsyncEngine:
    engine: AsyncEngine = app.state.engine
    return engine


@pytest.fixture
def storage(app: FastAPI) -> Storage:
    storage: Storage = app.state.storage
    return storage


@pytest.fixture
async def storage_away(s3: dict[str, str]) -> AsyncIterator[Storage]:
    """The bucket, at an address where nobody listens."""
    nowhere = {"S3_ENDPOINT": "http://127.0.0.1:9", "S3_PUBLIC_ENDPOINT": "http://127.0.0.1:9"}
    settings = StorageSettings.model_validate(
        {name.lower(): value for name, value in {**s3, **nowhere}.items()}
    )
    async with open_storage(settings) as storage:
        yield storage


async def exists(storage: Storage, key: str) -> bool:
    try:
        await storage.size(key)
    except NoSuchObject:
        return False
    return True


async def said(engine: AsyncEngine, photo_id: str) -> list[dict[str, Any]]:
    """What was said about a photo, in order: the envelopes in the outbox."""
    async with engine.connect() as connection:
        rows = await connection.execute(
            text("select payload from outbox where aggregate_id = :id order by id"),
            {"id": photo_id},
        )
        return [row.payload for row in rows]


async def types_said(engine: AsyncEngine, photo_id: str) -> list[str]:
    return [envelope["type"] for envelope in await said(engine, photo_id)]
