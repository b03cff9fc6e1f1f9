"""What an operator types."""

import os
import signal
import subprocess
import sys
import time
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.gateway.doors import person


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.gateway", *arguments],
        env={"PATH": os.environ["PATH"], "REKINDLE_ENV": "local", **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.fixture
def environment(settings: dict[str, Any]) -> dict[str, str]:
    names = ("database_url", "amqp_url", "oidc_issuer")
    return {name.upper(): settings[name] for name in names}


async def test_an_account_is_opened_with_a_chosen_id_once(
    environment: dict[str, str], engine: AsyncEngine
) -> None:
    subject, account_id = person(), str(uuid4())

    first = run(environment, "open-account", subject, account_id)
    again = run(environment, "open-account", subject, account_id)
    other = run(environment, "open-account", subject, str(uuid4()))

    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert first.stdout.strip() == again.stdout.strip() == account_id
    assert other.returncode == 1
    assert account_id in other.stderr
    async with engine.begin() as connection:
        rows = await connection.execute(text("select id::text, issuer from accounts"))
        assert rows.all() == [(account_id, environment["OIDC_ISSUER"])]
        assert (await connection.execute(text("select count(*) from outbox"))).scalar_one() == 1


def test_what_is_missing_is_said_in_one_sentence() -> None:
    outcome = run({}, "consumer")

    assert outcome.returncode == 1
    assert "DATABASE_URL" in outcome.stderr
    assert "AMQP_URL" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_the_consumer_starts_and_stops_when_told(environment: dict[str, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "services.gateway", "consumer"],
        env={"PATH": os.environ["PATH"], "REKINDLE_ENV": "local", **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        for line in process.stdout:
            if "consumer.ready" in line:
                break
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
        assert time.monotonic() - started < 5
    finally:
        process.kill()
        process.communicate()


def test_a_consumer_loads_no_web_framework() -> None:
    script = "import sys, services.gateway.__main__; sys.exit('fastapi' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
