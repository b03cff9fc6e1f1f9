"""The running stack, and servers of its kind for tests that call code in their own process.

`stack` starts everything once per session, in a home of its own that starts empty. What the
running services use (database `rekindle`, vhost `rekindle`) no test in this process touches:
those get a database, a vhost and a bucket named `rekindle-tests`.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aio_pika
import asyncpg
import pytest

from deploy.local import broker, database, lock, s3
from deploy.local.home import Home
from deploy.local.places import DEFINITIONS, PRIVATE, ROOT
from tests.containers import containers

TESTS = "rekindle_tests"
TESTS_VHOST = "rekindle-tests"
STACK_START_TIMEOUT_S = 600
LOCK_TIMEOUT_MS = 10_000
OF_RUNPOD = ("RUNPOD_API_KEY", "RUNPOD_CONTRACT_ENDPOINT")
OF_STRIPE = ("STRIPE_API_KEY",)

# The GPU engines run in an environment of their own: `make test` starts pytest once more for them.
collect_ignore = ["gpu"]

State = dict[str, Any]

# Reference rows that migrations wrote stay; everything that a test wrote goes.
EMPTY_TABLES = """
do $$ declare place record; filled boolean; begin
  set local lock_timeout = {lock_timeout};
  for place in select schemaname s, tablename t from pg_tables where schemaname = any({services})
      and schemaname || '.' || tablename <> all({kept}) loop
    execute format('select exists (select 1 from %I.%I)', place.s, place.t) into filled;
    if filled then execute format('truncate %I.%I cascade', place.s, place.t); end if;
  end loop;
end $$
"""


def pytest_configure() -> None:
    # A shell that starts this in the background has everything it starts ignore Ctrl-C, and so
    # would the programs that the tests stop with it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> list[str]:
    """Nobody should take an emulator's word for RunPod's or Stripe's without knowing it."""
    return [_asked("runpod", "RunPod", OF_RUNPOD), _asked("stripe", "Stripe", OF_STRIPE)]


def _asked(contract: str, service: str, settings: tuple[str, ...]) -> str:
    missing = [name for name in settings if name not in os.environ]
    if missing:
        return f"{contract} contract: asked of the emulator only ({' and '.join(missing)} not set)"
    return f"{contract} contract: asked of the emulator and of {service} itself"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the stack, so that `-m "not stack"` is what runs without it."""
    for item in items:
        if "stack" in getattr(item, "fixturenames", ()):
            item.add_marker("stack")


@pytest.fixture(scope="session")
def stack() -> Iterator[State]:
    """Everything, running: the content of its state.json.

    REKINDLE_TEST_HOME names a home that already runs; it is used as it is and left running.
    """
    given = os.environ.get("REKINDLE_TEST_HOME")
    home = Home(Path(given or PRIVATE / "test").resolve())
    if given and lock.owner(home):
        yield home.state()
        return
    options = ["--any-port", "--detach"]
    options += ["--coverage"] if "REKINDLE_COVERAGE" in os.environ else []
    with ExitStack() as servers:
        addresses = servers.enter_context(containers())
        _local("clean", home)
        _local("up", home, *options, addresses=addresses)
        try:
            yield home.state()
        finally:
            _local("down", home)


@pytest.fixture(scope="session")
def _tests_database(stack: State) -> tuple[dict[str, str], list[str]]:
    """The URL of each service's role in a freshly migrated database, and its seeded tables."""
    admin_url = stack["admin_database_url"]
    roles = {
        name: urlsplit(stack["environments"][name]["DATABASE_URL"]) for name in database.SERVICES
    }
    passwords = {name: role.password or "" for name, role in roles.items()}
    urls = {
        name: database.database_url(admin_url, TESTS, role=name, password=password)
        for name, password in passwords.items()
    }

    async def create() -> list[str]:
        admin = await asyncpg.connect(admin_url)
        await admin.execute(f"drop database if exists {TESTS} with (force)")
        await admin.close()
        await database.create_database(admin_url, TESTS, passwords)
        await database.migrate(admin_url, urls)
        return await _filled_tables(database.database_url(admin_url, TESTS))

    return urls, _in_own_loop(create())


@pytest.fixture
async def database_url(
    stack: State, _tests_database: tuple[dict[str, str], list[str]]
) -> Callable[[str], str]:
    """Give a service's URL: its own role, its own schema, no rows but those of migrations."""
    urls, kept = _tests_database
    admin = await asyncpg.connect(database.database_url(stack["admin_database_url"], TESTS))
    await admin.execute(
        EMPTY_TABLES.format(
            lock_timeout=LOCK_TIMEOUT_MS,
            services=_array(database.SERVICES),
            kept=_array(kept),
        )
    )
    await admin.close()
    return urls.__getitem__


@pytest.fixture
def admin_url(stack: State, database_url: Callable[[str], str]) -> str:
    """The URL of whoever may do everything to the tests' database, backups for one."""
    return database.database_url(stack["admin_database_url"], TESTS)


@pytest.fixture(scope="session")
def _tests_vhost(stack: State) -> str:
    url: str = stack["amqp_management_url"]

    async def create() -> None:
        await broker.forget(url, TESTS_VHOST)
        await broker.import_definitions(url, TESTS_VHOST)

    _in_own_loop(create())
    return str(urlsplit(stack["amqp_url"])._replace(path=f"/{TESTS_VHOST}").geturl())


@pytest.fixture
async def amqp_url(_tests_vhost: str) -> str:
    """A broker with the product's topology and empty queues."""
    queues = [queue["name"] for queue in json.loads(DEFINITIONS.read_text())["queues"]]
    async with await aio_pika.connect(_tests_vhost) as connection:
        channel = await connection.channel()
        for name in queues:
            queue = await channel.get_queue(name, ensure=False)
            await queue.purge()
    return _tests_vhost


@pytest.fixture(scope="session")
def s3_settings(stack: State) -> dict[str, str]:
    """The S3_* settings of a private bucket for tests."""
    environment = stack["environments"]["uploads"]
    settings = {key: value for key, value in environment.items() if key.startswith("S3_")}
    account = s3.given_account()
    if account is None:
        home = Home(Path(stack["home"]))
        account = s3.admin_account(home, settings["S3_ENDPOINT"])
    s3.prepare_bucket(account, s3.TESTS_BUCKET, origins=[stack["gateway_url"]])
    return {**settings, "S3_BUCKET": s3.TESTS_BUCKET}


@pytest.fixture(name="s3")
def _s3(s3_settings: dict[str, str]) -> dict[str, str]:
    return s3_settings


def _local(action: str, home: Home, *options: str, addresses: dict[str, str] | None = None) -> None:
    outcome = subprocess.run(
        [sys.executable, "-m", "deploy.local", action, "--home", str(home.folder), *options],
        cwd=ROOT,
        env={**os.environ, **(addresses or {})},
        capture_output=True,
        text=True,
        timeout=STACK_START_TIMEOUT_S,
        check=False,
    )
    if outcome.returncode:
        pytest.fail(f"deploy.local {action}: {outcome.stdout}{outcome.stderr}", pytrace=False)


def _in_own_loop(work: Coroutine[Any, Any, Any]) -> Any:
    """Run before any test's event loop exists, and without leaving one behind."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def _filled_tables(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    found = await connection.fetch(
        "select schemaname, tablename from pg_tables where schemaname = any($1)",
        list(database.SERVICES),
    )
    filled = [
        f"{schema}.{table}"
        for schema, table in found
        if await connection.fetchval(f'select exists (select 1 from "{schema}"."{table}")')
    ]
    await connection.close()
    return filled


def _array(values: Any) -> str:
    return "array[" + ", ".join(f"'{value}'" for value in values) + "]::text[]"
