"""Is everything there? Each part is asked by the door its users come through."""

import asyncio
import json
import shutil
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx

from sdk.rekindle.places import SERVICES, Place

PART_TIMEOUT_S = 8.0
COUNTED_WITHIN_S = 6.0
QUEUES_ASKED_MAX = 3
FREE_BYTES_MIN = 500 * 1024 * 1024
CLOCK_APART_S_MAX = 60.0
DECODERS_TIMEOUT_S = 30.0
"""Longer than the others: a Python with every decoder is started for the answer."""

PARKED = "rk.dead."
# Nobody consumes these: parked messages, those that wait for their next try, and the last words.
QUEUES_WITHOUT_CONSUMERS = (PARKED, "rk.retry.", "rk.operators")

Look = Callable[[httpx.AsyncClient], Awaitable[str]]


class Broken(Exception):  # noqa: N818  # what it says of a part
    """A part does not do what it should; the text says what was seen."""


@dataclass(frozen=True, slots=True)
class Part:
    """Something that has to work, how to look at it, and what helps if it does not."""

    name: str
    look: Look
    mend: str
    patience_s: float = PART_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen at one part."""

    part: str
    well: bool
    seen: str
    mend: str | None


async def examine(place: Place) -> list[Finding]:
    """Look at every part at once; parts that only the local stack shows are left out elsewhere."""
    async with httpx.AsyncClient(timeout=PART_TIMEOUT_S) as client:
        return list(await asyncio.gather(*(_look(part, client) for part in parts(place))))


def parts(place: Place) -> list[Part]:
    """List what can be looked at from here."""
    found = [
        Part("gateway", _ready(place.base_url), "Start the stack: `make run`."),
        Part(
            "clock", _clock(place.base_url), "Set this machine's clock: signed addresses need it."
        ),
        Part("disk", _disk(place), "Free some space: below 500 MB the servers stop taking work."),
    ]
    if place.issuer_url:
        mend = "Look into `make logs` for issuer; without it nobody can log in."
        found.insert(1, Part("issuer", _issuer(place.issuer_url), mend))
    return [*found, *_local_parts(place.state)] if place.state else found


def _local_parts(state: dict[str, Any]) -> list[Part]:
    environments = state.get("environments", {})
    gateway = environments.get("gateway", {})
    processing = environments.get("processing", {})
    restart = "Look into `make logs` for {}, then `make stop` and `make run`."
    services = [
        Part(name, _ready(gateway.get(f"{name.upper()}_URL", "")), restart.format(name))
        for name in SERVICES
        if name != "gateway"
    ]
    return [
        *services,
        Part("processes", _processes(state.get("processes", {})), restart.format("the dead one")),
        Part("database", _database(state), restart.format("postgres")),
        Part("broker", _broker(state), restart.format("rabbitmq and the consumers")),
        Part("letters", _letters(state), "See `rekindle dead list`, mend the reason, replay."),
        Part("s3", _s3(state.get("s3_endpoint", ""), gateway, environments), restart.format("s3")),
        Part("runpod", _runpod(processing), restart.format("runpod and worker")),
        Part(
            "decoders", _decoders(), "See deploy/runbooks/decoder-versions.md.", DECODERS_TIMEOUT_S
        ),
    ]


async def _look(part: Part, client: httpx.AsyncClient) -> Finding:
    try:
        async with asyncio.timeout(part.patience_s):
            return Finding(part.name, True, await part.look(client), None)
    except TimeoutError:
        seen = f"no answer within {part.patience_s:.0f} s"
    except httpx.TransportError:
        seen = "does not answer"
    except Exception as error:  # noqa: BLE001  # whatever it was, it is what we were looking for
        seen = str(error) or type(error).__name__
    return Finding(part.name, False, seen, part.mend)


def _ready(base_url: str) -> Look:
    async def look(client: httpx.AsyncClient) -> str:
        if not base_url:
            raise Broken("its address is not known")
        answer = await client.get(f"{base_url.rstrip('/')}/readyz")
        if not answer.is_success:
            raise Broken(_detail(answer))
        return f"ready at {base_url}"

    return look


def _issuer(issuer_url: str) -> Look:
    async def look(client: httpx.AsyncClient) -> str:
        answer = await client.get(f"{issuer_url.rstrip('/')}/.well-known/jwks.json")
        keys = answer.raise_for_status().json()["keys"]
        if not keys:
            raise Broken("it publishes no keys")
        return f"{len(keys)} signing key(s) at {issuer_url}"

    return look


def _clock(base_url: str) -> Look:
    async def look(client: httpx.AsyncClient) -> str:
        answer = await client.get(f"{base_url}/livez")
        theirs = parsedate_to_datetime(answer.headers["date"]).timestamp()
        apart_s = abs(time.time() - theirs)
        if apart_s > CLOCK_APART_S_MAX:
            raise Broken(f"{apart_s:.0f} s away from the gateway's")
        return "agrees with the gateway's"

    return look


def _disk(place: Place) -> Look:
    async def look(client: httpx.AsyncClient) -> str:  # noqa: ARG001  # every look is given one
        folder = place.state_file.parent if place.state_file else Path.cwd()
        free = shutil.disk_usage(folder).free
        if free < FREE_BYTES_MIN:
            raise Broken(f"{free // 2**20} MB free at {folder}")
        return f"{free // 2**30} GB free"

    return look


def _processes(processes: dict[str, dict[str, Any]]) -> Look:
    async def look(client: httpx.AsyncClient) -> str:  # noqa: ARG001
        dead = [name for name, one in processes.items() if not _is_alive(one.get("pid"))]
        if dead:
            raise Broken(f"not running: {', '.join(dead)}")
        return f"{len(processes)} running"

    return look


def _database(state: dict[str, Any]) -> Look:
    async def look(client: httpx.AsyncClient) -> str:  # noqa: ARG001
        import asyncpg  # noqa: PLC0415  # only the doctor needs it

        # The administrator's address, in the database that the services use.
        used = urlsplit(state["environments"]["gateway"]["DATABASE_URL"])
        url = urlsplit(state["admin_database_url"])._replace(path=used.path).geturl()
        connection = await asyncpg.connect(url, timeout=PART_TIMEOUT_S)
        try:
            held = await connection.fetch("select nspname from pg_namespace")
            version = await connection.fetchval("show server_version")
        finally:
            await connection.close()
        missing = set(SERVICES) - {row["nspname"] for row in held}
        if missing:
            raise Broken(f"schemas are missing: {', '.join(sorted(missing))}")
        return f"PostgreSQL {version}, five schemas"

    return look


def _broker(state: dict[str, Any]) -> Look:
    async def look(client: httpx.AsyncClient) -> str:
        # The management API counts every few seconds: right after a start it knows of nobody.
        for _ in range(int(COUNTED_WITHIN_S)):
            queues = [
                queue
                for queue in await _queues(client, state)
                if not queue["name"].startswith(QUEUES_WITHOUT_CONSUMERS)
            ]
            lonely = sorted(queue["name"] for queue in queues if not queue.get("consumers"))
            if queues and not lonely:
                return f"{len(queues)} queues, each with a consumer"
            await asyncio.sleep(1)
        raise Broken(f"nobody consumes {', '.join(lonely)}" if lonely else "it has no queues")

    return look


async def _queues(client: httpx.AsyncClient, state: dict[str, Any]) -> list[dict[str, Any]]:
    parts = urlsplit(state.get("amqp_management_url", ""))
    vhost = urlsplit(state.get("amqp_url", "")).path.strip("/")
    for _ in range(QUEUES_ASKED_MAX):
        answer = await client.get(
            f"{parts.scheme}://{parts.hostname}:{parts.port}/api/queues/{vhost}",
            auth=(unquote(parts.username or ""), unquote(parts.password or "")),
        )
        # While queues come and go RabbitMQ's own list of them fails now and then.
        if not answer.is_server_error:
            break
        await asyncio.sleep(1)
    queues: list[dict[str, Any]] = answer.raise_for_status().json()
    return queues


def _letters(state: dict[str, Any]) -> Look:
    async def look(client: httpx.AsyncClient) -> str:
        parked = {
            queue["name"]: queue.get("messages", 0)
            for queue in await _queues(client, state)
            if queue["name"].startswith(PARKED)
        }
        if any(parked.values()):
            told = ", ".join(f"{count} in {name}" for name, count in parked.items() if count)
            raise Broken(f"messages were given up on: {told}")
        return "no message was given up on"

    return look


def _s3(endpoint: str, gateway: dict[str, Any], environments: dict[str, Any]) -> Look:
    bucket = environments.get("uploads", gateway).get("S3_BUCKET", "rekindle")

    async def look(client: httpx.AsyncClient) -> str:
        answer = await client.get(f"{endpoint.rstrip('/')}/{bucket}")
        if answer.status_code != httpx.codes.FORBIDDEN:
            raise Broken(f"an unsigned request was answered HTTP {answer.status_code}, not 403")
        return f"answers at {endpoint}, and only to signed requests"

    return look


def _runpod(environment: dict[str, Any]) -> Look:
    async def look(client: httpx.AsyncClient) -> str:
        url = environment["RUNPOD_API_URL"]
        endpoint = json.loads(environment["RUNPOD_ENDPOINTS"])[0]["id"]
        answer = await client.get(
            f"{url.rstrip('/')}/{endpoint}/health",
            headers={"authorization": f"Bearer {environment['RUNPOD_API_KEY']}"},
        )
        workers = answer.raise_for_status().json()["workers"]
        there = sum(workers.get(state, 0) for state in ("idle", "ready", "running"))
        if not there:
            raise Broken("no worker is there to run jobs")
        return "answers, and a worker is there"

    return look


def _decoders() -> Look:
    async def look(client: httpx.AsyncClient) -> str:  # noqa: ARG001
        # The client knows no service: processing looks into a decoding process itself.
        asked = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.processing", "decoders", "--json"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            told, _ = await asked.communicate()
        finally:
            if asked.returncode is None:
                asked.kill()
        return _judged(json.loads(told))

    return look


def _judged(seen: dict[str, Any]) -> str:
    decoders = [f"{one['name']} {one['version'] or '?'}" for one in seen["decoders"]]
    unsafe = [
        f"{one['name']} {one['version'] or '?'} instead of {one['at_least']} ({one['ids'][0]})"
        for one in seen["decoders"]
        if not one["safe"]
    ]
    if unsafe:
        raise Broken(f"known to be unsafe: {', '.join(unsafe)}")
    missing = [wall for wall, stands in seen["walls"].items() if not stands]
    walls = f"walls missing here: {', '.join(missing)}" if missing else "all walls stand"
    return f"{', '.join(decoders)}; {walls}"


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"


def _is_alive(pid: Any) -> bool:
    return isinstance(pid, int) and Path(f"/proc/{pid}").exists()
