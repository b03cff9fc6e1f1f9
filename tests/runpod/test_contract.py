"""What the documentation promises, asked of the emulator, and of RunPod itself if there is a key.

RUNPOD_API_KEY and RUNPOD_CONTRACT_ENDPOINT name a real endpoint that runs our worker; without them
only the emulator is asked. The jobs here are refused by the worker before any work, so they cost
next to nothing.
"""

import json
import os
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.runpod.conftest import Account

REAL_URL = "https://api.runpod.ai/v2"
WAIT_SECONDS_MAX = 120.0
REFUSED = {"input": {"attempt_id": "no uuid"}}
TERMINAL = {"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"}
BODY_MAX = 10 * 1024 * 1024

KEY = os.environ.get("RUNPOD_API_KEY")
ENDPOINT_ID = os.environ.get("RUNPOD_CONTRACT_ENDPOINT")


@pytest.fixture(params=["emulator", *(["runpod"] if KEY and ENDPOINT_ID else [])])
def account(request: pytest.FixtureRequest) -> Account:
    if request.param == "runpod":
        return Account(REAL_URL, str(ENDPOINT_ID), str(KEY))
    request.getfixturevalue("worker")
    emulator: Account = request.getfixturevalue("emulator")
    return emulator


@pytest.fixture
def client(account: Account) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=account.address, headers=account.headers, timeout=100) as client:
        yield client


def ended(client: httpx.Client, job_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while time.monotonic() < deadline:
        body: dict[str, Any] = client.get(f"/status/{job_id}").json()
        if body["status"] in TERMINAL:
            return body
        time.sleep(0.1)
    pytest.fail("the job did not end")


def test_a_submitted_job_is_in_the_queue(client: httpx.Client) -> None:
    answer = client.post("/run", json=REFUSED)

    assert answer.status_code == 200
    assert set(answer.json()) == {"id", "status"}
    assert answer.json()["status"] == "IN_QUEUE"
    assert re.fullmatch(r"[0-9a-f-]{36}(-[a-z]\d+)?", answer.json()["id"])


def test_a_job_ends_with_its_times_in_milliseconds(client: httpx.Client) -> None:
    job_id = client.post("/run", json=REFUSED).json()["id"]

    body = ended(client, job_id)

    assert body["id"] == job_id
    assert isinstance(body["delayTime"], int)
    assert isinstance(body["executionTime"], int)


def test_an_error_of_the_handler_makes_the_job_failed(client: httpx.Client) -> None:
    job_id = client.post("/run", json=REFUSED).json()["id"]

    body = ended(client, job_id)

    assert body["status"] == "FAILED"
    assert json.loads(body["error"])["class"] == "input"
    assert "output" not in body


def test_a_synchronous_job_is_answered_when_it_has_ended(client: httpx.Client) -> None:
    body = client.post("/runsync", json=REFUSED).json()

    assert body["status"] == "FAILED"
    assert body["id"].startswith("sync-")


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
def test_without_the_key_there_is_nothing(account: Account, headers: dict[str, str]) -> None:
    answer = httpx.post(f"{account.address}/run", json=REFUSED, headers=headers)

    assert answer.status_code == 401


def test_an_unknown_endpoint_is_not_found(account: Account) -> None:
    address = f"{account.base_url}/nothing-here/run"

    assert httpx.post(address, json=REFUSED, headers=account.headers).status_code == 404


def test_an_unknown_job_is_not_found(client: httpx.Client) -> None:
    assert client.get("/status/00000000-0000-0000-0000-000000000000-u1").status_code == 404


@pytest.mark.parametrize("content", [b'{"no": "input"}', b"[]", b"{", b""])
def test_a_job_without_input_is_refused(client: httpx.Client, content: bytes) -> None:
    answer = client.post("/run", content=content, headers={"Content-Type": "application/json"})

    assert answer.status_code == 400


def test_a_body_over_ten_megabytes_is_refused(client: httpx.Client) -> None:
    answer = client.post("/run", json={"input": {"padding": "x" * BODY_MAX}})

    assert answer.status_code in {400, 413}


def test_a_cancelled_job_is_cancelled(client: httpx.Client) -> None:
    job_id = client.post("/run", json=REFUSED).json()["id"]

    body = client.post(f"/cancel/{job_id}").json()

    assert body["id"] == job_id
    assert body["status"] in TERMINAL


def test_health_counts_jobs_and_workers(client: httpx.Client) -> None:
    body = client.get("/health").json()

    assert {"completed", "failed", "inProgress", "inQueue", "retried"} <= set(body["jobs"])
    assert {"idle", "initializing", "running", "throttled"} <= set(body["workers"])


def test_a_finished_job_cannot_be_cancelled_any_more(client: httpx.Client) -> None:
    job_id = client.post("/run", json=REFUSED).json()["id"]
    ended(client, job_id)

    client.post(f"/cancel/{job_id}")

    assert client.get(f"/status/{job_id}").json()["status"] == "FAILED"
