"""The emulator behind a real socket, and a worker of the unmodified SDK that works for it."""

import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import httpx
import pytest
import uvicorn
from httpx import AsyncClient

from deploy.local.places import ROOT, WORKER_PYTHON
from deploy.local.runpod import worker_routes
from deploy.local.runpod.app import create_app
from deploy.local.runpod.endpoint import Endpoint
from deploy.local.runpod.webhooks import WebhookSender
from deploy.local.runpod.worker_environment import worker_environment
from tests.runpod.scripted import KEY, Clock, Worker

ENDPOINT_ID = "restore-test"
START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 20.0


@dataclass(frozen=True)
class Account:
    """Where an endpoint is and which key opens it."""

    base_url: str
    endpoint_id: str
    key: str

    @property
    def address(self) -> str:
        return f"{self.base_url}/{self.endpoint_id}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@pytest.fixture(scope="session")
def emulator() -> Iterator[Account]:
    app = create_app(endpoint=Endpoint(ENDPOINT_ID), api_key=KEY)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield Account(f"http://127.0.0.1:{port}/v2", ENDPOINT_ID, KEY)
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def worker(emulator: Account, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The real SDK in a process of its own; yields its log."""
    log = tmp_path_factory.mktemp("worker") / "worker.log"
    given = worker_environment(
        base_url=emulator.base_url,
        endpoint_id=emulator.endpoint_id,
        api_key=emulator.key,
        worker_id="test-worker",
    )
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(_worker_python()), "-m", "worker.handler"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "HOME": str(log.parent), "ENGINE": "cpu", **given},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_until_it_asks_for_work(emulator, process, log)
            yield log
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _worker_python() -> Path:
    named = os.environ.get("REKINDLE_WORKER_PYTHON")
    python = Path(named) if named else WORKER_PYTHON
    if not python.exists():
        pytest.fail("The worker's environment is not set up: run `make setup`.")
    return python


def _wait_until_it_asks_for_work(
    emulator: Account, process: subprocess.Popen[bytes], log: Path
) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        health = httpx.get(f"{emulator.address}/health", headers=emulator.headers).json()
        if health["workers"]["ready"]:
            return
        time.sleep(0.1)
    pytest.fail(f"the worker did not ask for work: {log.read_text()}")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def endpoint(clock: Clock) -> Endpoint:
    return Endpoint("ep", clock=clock, webhooks=WebhookSender(pause_seconds=0.02))


@pytest.fixture
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_routes, "TAKE_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(worker_routes, "STOP_WAIT_SECONDS", 0.05)


@pytest.fixture
async def client(endpoint: Endpoint, _short_waits: None) -> AsyncIterator[AsyncClient]:
    app = create_app(endpoint=endpoint, api_key=KEY)
    async with AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://runpod/v2/ep",
        headers={"Authorization": f"Bearer {KEY}"},
    ) as client:
        yield client
    await endpoint.close()


@pytest.fixture
def scripted(client: AsyncClient) -> Worker:
    return Worker(client)
